"""What the tests of llava's training share: a table of coloured clips, and a recipe for tiny models that learn it."""

from pathlib import Path
from typing import Any

import torch
from llava_samples import IMAGE, LLMS, TOWERS
from PIL import Image, ImageDraw
from vdesc_llava.training.recipe import Recipe
from vdesc_training.table import Item, write_table

torch.set_num_threads(1)  # the models are too small for more

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 200)}


def table(folder: Path, train: int = 12, val: int = 3, frames: int = 2) -> Path:
    """Clips of plain coloured frames, each called by its colour; frame `k` of clip `i` is at 500 k ms of a video."""
    items = []
    for i in range(train + val):
        colour = list(COLOURS)[i % 3]
        names = tuple(f"frames/{i}/{500 * k:08}.png" for k in range(frames))
        for k, name in enumerate(names):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            image = Image.new("RGB", (40, 32), COLOURS[colour])
            ImageDraw.Draw(image).ellipse(((i + k) % 8, 4, (i + k) % 8 + 9, 14), fill="white")
            image.save(folder / name)
        split = "val" if i >= train else "train"
        items.append(Item(str(i), names, split, (f"A {colour} clip.", f"The clip is {colour}."), f"video {i}"))
    write_table(folder, items)
    return folder


def recipe(**changes: Any) -> Recipe:
    """A recipe whose LLM is from scratch; `model` changes the tiny model's settings."""
    llm = {key: value for key, value in LLMS["qwen3"].items() if not key.endswith(("_token_id", "vocab_size"))}
    model = dict(
        tower_config=TOWERS["clip"], llm_config=llm, projector="mlp2x", layer=0, frames=2, image=IMAGE, dropout=0.0
    )
    values: dict[str, Any] = dict(
        model=model | changes.pop("model", {}), vocabulary=290, photos=6, workers=0, report="none", warmup=0.1,
        lora={"r": 4}, stages=[{"learn": "all", "epochs": 2}, {"learn": "lora", "epochs": 1}], rate=5e-3, distinct=0.0,
    )  # fmt: skip
    return Recipe(**values | changes)
