"""Features of a table's clips, made once by the tower and kept in the table's feature store."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vdesc import InputError
from vdesc_training.extraction import fill
from vdesc_training.features import FeatureStore, FeatureWriter
from vdesc_training.items import Say
from vdesc_training.lessons import Source
from vdesc_training.table import Item

from ..model import LlavaModel
from .clips import Pixels, Stored
from .recipe import CACHED, IMAGES, Recipe

TOGETHER = 64  # pictures that pass to a GPU at once


class Shown:
    """The frames of clips; or why there are none."""

    def __init__(self, pixels: Pixels, items: Sequence[Item]):
        self.pixels, self.items = pixels, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[str, Tensor | str]:
        """The id, and the frames or what is wrong with them."""
        item = self.items[number]
        try:
            return item.id, self.pixels.plain(item)
        except InputError as error:
            return item.id, str(error)


def source(
    data: Path, table: dict[str, list[Item]], recipe: Recipe, model: LlavaModel, say: Say,
    report: Callable[[int, int], object],
) -> Source:  # fmt: skip
    """Where the input comes from; items without features leave the table. Raises `InputError`."""
    if recipe.features == IMAGES:
        return Pixels(data, model)
    items = [item for some in table.values() for item in some]
    if recipe.features == CACHED:
        store = stored(model, data, items, recipe.workers, say, report)
    else:
        store = FeatureStore(data, recipe.features)
    for split, some in table.items():
        table[split] = [item for item in some if item.id in store]
        if len(table[split]) < len(some) and recipe.features != CACHED:
            say(f"left out, for want of features: {len(some) - len(table[split])} items of '{split}'")
    if not table["train"]:
        raise InputError(f"{store.place} has no features of any item in the split 'train'")
    width = store.get(table["train"][0].id).shape[-1]
    if width != model.config.width:
        raise InputError(
            f"the features in {store.place} are {width} wide, but the recipe's tower gives {model.config.width}: name "
            "the tower that made them"
        )
    return Stored(store, model.config.frames)


def stored(
    model: LlavaModel, folder: Path, items: Sequence[Item], workers: int, say: Say,
    report: Callable[[int, int], object] = lambda done, of: None,
) -> FeatureStore:  # fmt: skip
    """The float16 features of all clips that can be read; what is there from before is not made again.

    Args:
        model: on the device that is to do the work.
        folder: the table's.
        workers: processes that read pictures beside a GPU.
        say: is told of each clip that cannot be read, and that is left out.
        report: is called with the number of clips done, and of all.
    """
    about = _about(model)
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    with FeatureWriter(folder, name, about) as writer:
        left = [item for item in items if item.id not in writer.done]
        if left:
            batch = max(1, TOGETHER // model.config.frames)
            fill(writer, Shown(Pixels(folder, model), left), lambda pixels: encode(model, pixels), model.device, batch,
                 workers, say, report)  # fmt: skip
    return FeatureStore(folder, name, about)


def encode(model: LlavaModel, pixels: Tensor) -> Tensor:
    """Features (n, patches, width) in half precision on the CPU, of pixels (n, 3, size, size)."""
    return model.encode(pixels[None])[0].half().cpu()


def _about(model: LlavaModel) -> dict[str, Any]:
    """All that features depend on beside the pictures."""
    config, whole = model.config, hashlib.sha256()
    assert model.tower is not None
    for name, value in model.tower.state_dict().items():
        whole.update(name.encode() + value.cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return {
        "tower": whole.hexdigest(), "layer": config.layer, "cls": config.cls, "image": config.image,
        "frames": config.frames,
    }  # fmt: skip
