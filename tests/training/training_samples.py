"""What the tests of training share: a table of coloured pictures, a tiny model, a recipe that learns in seconds."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image, ImageDraw
from vdesc_clipgpt.decoding import Decoding
from vdesc_clipgpt.training.batches import Photos, encoded
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_clipgpt.training.validation import validate
from vdesc_training.lessons import Lessons
from vdesc_training.table import Item, read_table, write_table

torch.set_num_threads(1)  # the models are too small for more

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 200)}
CLIP = {
    "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 2, "image_size": 32, "patch_size": 16, "projection_dim": 24,
}  # fmt: skip
MODEL = {
    "encoder": CLIP, "decoder": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 32},
    "reads": "grid", "mapper": "grid", "prefix": 4, "layers": 0, "text": "lower", "max_tokens": 12,
    "image": {"size": 32, "resize": "squash", "mean": [0.5] * 3, "std": [0.25] * 3},
}  # fmt: skip


def picture(path: Path, colour: str, number: int) -> None:
    image = Image.new("RGB", (40, 32), COLOURS[colour])
    ImageDraw.Draw(image).ellipse((number % 8, 4, number % 8 + 9, 14), fill="white")
    image.save(path)


def table(folder: Path, train: int = 36, val: int = 6, frames: int = 1) -> Path:
    """A table of plain coloured pictures, each called by its colour; of several frames where that is asked for."""
    folder.mkdir(exist_ok=True)
    items = []
    for i in range(train + val):
        colour = list(COLOURS)[i % 3]
        names = tuple(f"{i}-{k}.png" for k in range(frames))
        for k, name in enumerate(names):
            picture(folder / name, colour, i + k)
        split = "val" if i >= train else "train"
        items.append(Item(str(i), names, split, (f"A {colour} picture .", f"The picture is {colour} .")))
    write_table(folder, items)
    return folder


def recipe(**changes: Any) -> Recipe:
    """A recipe that the table's colours are learned by; `model` changes the tiny model's settings."""
    values: dict[str, Any] = dict(
        model=MODEL | changes.pop("model", {}), vocabulary=280, epochs=16, photos=6, rate=1e-2, workers=0,
        smallest_crop=0.9, label_smoothing=0.0, encoder_rate=3e-3, encoder_from_epoch=0.0, report="none",
    )  # fmt: skip
    return Recipe(**(values | changes))


def said(model: Any, tokenizer: Any, data: Path, split: str = "val") -> dict[str, str]:
    """What a model says of a split's items, without search."""
    items = list(read_table(data, split))
    ids = encoded([item.captions for item in items], tokenizer, model.config)
    lessons = Lessons(Photos(data, model), items, ids, 0)
    return validate(model, tokenizer, lessons, range(len(items)), Decoding(beams=1, max_tokens=12))[0]
