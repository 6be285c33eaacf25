"""Batches of photos with their captions, as training reads them."""

import random
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast
from vdesc_training.table import Item

from . import pixels, words
from .config import ClipGPTConfig


class Photos(Dataset):
    """Photos of a table as encoder input, each with all its captions; training crops and mirrors them."""

    def __init__(
        self, folder: Path, items: list[Item], config: ClipGPTConfig, smallest_crop: float = 1.0, captions: int = 0
    ):
        self.folder, self.items, self.config = folder, items, config
        self.smallest_crop, self.captions = smallest_crop, captions

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """`pixels` (3, size, size) and `captions` of the i-th item."""
        item = self.items[i]
        with Image.open(self.folder / item.images[0]) as photo:
            image = photo.convert("RGB")
        if self.smallest_crop < 1:
            image = _varied(image, self.smallest_crop)
        fitted = pixels.fit(image, self.config.image)
        few = 0 < self.captions < len(item.captions)
        said = random.sample(item.captions, self.captions) if few else item.captions
        return {"pixels": pixels.tensor(fitted, self.config.image), "captions": said}


def _varied(image: Image.Image, smallest: float) -> Image.Image:
    """A random crop of at least `smallest` of each side, mirrored half of the time."""
    width, height = (int(side * random.uniform(smallest, 1)) for side in image.size)
    left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
    image = image.crop((left, top, left + width, top + height))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


class Collator:
    """Batches of `Photos`: pixels (n, 3, size, size), labels (n, captions, length) padded with -100."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, config: ClipGPTConfig):
        self.tokenizer, self.config = tokenizer, config

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """The rows as one batch."""
        most, end = max(len(row["captions"]) for row in rows), self.tokenizer.eos_token_id
        texts = [[words.lesson(caption, self.config.text) for caption in row["captions"]] for row in rows]
        ids = [[[*self.tokenizer.encode(text), end][: self.config.max_tokens] for text in row] for row in texts]
        longest = max(len(caption) for row in ids for caption in row)
        labels = torch.full((len(rows), most, longest), -100)
        for i, row in enumerate(ids):
            for j, caption in enumerate(row):
                labels[i, j, : len(caption)] = torch.tensor(caption)
        return {"pixels": torch.stack([row["pixels"] for row in rows]), "labels": labels}
