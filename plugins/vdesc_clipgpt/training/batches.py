"""Batches of a table's items with their captions, as clipgpt's training reads them."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from vdesc_training.features import FeatureStore
from vdesc_training.lessons import opened, spread
from vdesc_training.sides import sided
from vdesc_training.table import Item

from .. import pixels, words
from ..config import ClipGPTConfig
from ..model import ClipGPTModel


class Photos:
    """Pixels of items' pictures: (3, size, size), or (frames, 3, size, size) for a mapper that reads several.

    Args:
        folder: the table's.
        smallest_crop: the least share of each side that a varied picture keeps; half are mirrored, save those of which
            a caption tells left from right. 1: none is.
    """

    key = "pixels"

    def __init__(self, folder: Path, model: ClipGPTModel, smallest_crop: float = 1.0):
        self.folder, self.settings, self.pictures = folder, model.config.image, model.pictures
        self.smallest_crop = smallest_crop

    def plain(self, item: Item) -> Tensor:
        """The pictures, fitted as inference fits them."""
        return self._tensor(item, lambda image: image)

    def varied(self, item: Item, chance: random.Random) -> Tensor:
        """The pictures, cropped and mirrored by chance, all of an item alike."""
        if self.smallest_crop == 1:
            return self.plain(item)
        seed, flips = chance.random(), not sided(item.captions)
        return self._tensor(item, lambda image: _varied(image, self.smallest_crop, random.Random(seed), flips))

    def _tensor(self, item: Item, change: Callable[[Image.Image], Image.Image]) -> Tensor:
        shown = []
        for name in spread(item.images, self.pictures):
            fitted = pixels.fit(change(opened(self.folder / name)), self.settings)
            shown.append(pixels.tensor(fitted, self.settings))
        return torch.stack(shown) if self.pictures > 1 else shown[0]


class Blind:
    """No input: the items are words alone."""

    key = "blind"

    def plain(self, item: Item) -> Tensor:
        """Nothing."""
        return torch.empty(0)

    def varied(self, item: Item, chance: random.Random) -> Tensor:
        """Nothing."""
        return torch.empty(0)


KEYS = (Photos.key, "features", Blind.key)


class Stored:
    """Features of items from a store: (tokens, width), those of several frames one after another.

    A row of the store is a picture: of the first view the frames in order, then those of the next view.
    """

    key = "features"

    def __init__(self, store: FeatureStore, pictures: int):
        self.store, self.pictures, self.views = store, pictures, store.about.get("views", 1)

    def plain(self, item: Item) -> Tensor:
        """The features of the pictures as they are."""
        return self._view(item, 0)

    def varied(self, item: Item, chance: random.Random) -> Tensor:
        """The features of one of the views; of the plain one where a caption tells left from right.

        A store does not say which of its views are mirrored, and one of an older vdesc has such of these items as well.
        """
        return self._view(item, 0 if sided(item.captions) else chance.randrange(self.views))

    def _view(self, item: Item, number: int) -> Tensor:
        rows = self.store.get(item.id).unflatten(0, (self.views, -1))[number]
        return rows[spread(range(len(rows)), self.pictures)].flatten(0, 1).float()


def _varied(image: Image.Image, smallest: float, chance: random.Random, flips: bool) -> Image.Image:
    """A random crop of at least `smallest` of each side, mirrored half of the time where it `flips`."""
    width, height = (max(1, int(side * chance.uniform(smallest, 1))) for side in image.size)
    left, top = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    image = image.crop((left, top, left + width, top + height))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flips and chance.random() < 0.5 else image


def encoded(captions: Sequence[Sequence[str]], tokenizer: Any, config: ClipGPTConfig) -> list[list[list[int]]]:
    """Token ids of each item's captions, each ended by EOS, or cut where the model's longest caption ends."""
    texts = [words.lesson(caption, config.text) for some in captions for caption in some]
    ids = iter(tokenizer(texts, add_special_tokens=False)["input_ids"]) if texts else iter(())
    end = tokenizer.eos_token_id
    return [[[*next(ids), end][: config.max_tokens] for _ in some] for some in captions]


def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Lessons as one batch: the input under its source's key, `labels`, `ids`, and what is `broken`.

    The labels are (n, captions, length), padded with -100.
    """
    broken = [text for row in rows for text in row.get("broken", ())]
    rows = [row for row in rows if "id" in row]
    if not rows:
        return {"broken": broken}
    key = next(key for key in KEYS if key in rows[0])
    captions = [row["captions"] for row in rows]
    longest = max(len(ids) for some in captions for ids in some)
    labels = torch.full((len(rows), max(map(len, captions)), longest), -100)
    for i, some in enumerate(captions):
        for j, ids in enumerate(some):
            labels[i, j, : len(ids)] = torch.tensor(ids)
    ids = [row["id"] for row in rows]
    return {key: torch.stack([row[key] for row in rows]), "labels": labels, "ids": ids, "broken": broken}
