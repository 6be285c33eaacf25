"""Features of a table's pictures, made once by the encoder and kept in the table's feature store."""

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from vdesc import InputError
from vdesc_training.extraction import fill
from vdesc_training.features import FeatureStore, FeatureWriter
from vdesc_training.table import Item

from ..features import AT_ONCE
from ..model import ClipGPTModel
from .batches import Photos
from .beginning import plain
from .recipe import Recipe

TOGETHER = 32  # pictures that pass to a GPU at once


def stored(
    model: ClipGPTModel, folder: Path, items: Sequence[Item], recipe: Recipe, say: Callable[[str], object],
    report: Callable[[int, int], object] = lambda done, of: None,
) -> FeatureStore:  # fmt: skip
    """The features of all items that can be read; what is there from before is not made again.

    Args:
        model: its encoder is fixed, on the device that is to do the work.
        folder: the table's.
        say: is told of each item that cannot be read, and that is left out.
        report: is called with the number of items done, and of all.
    """
    about = _about(model, recipe)
    name = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
    with FeatureWriter(folder, name, about) as writer:
        left = [item for item in items if item.id not in writer.done]
        if left:
            _fill(writer, Views(folder, left, model, recipe), model, recipe.workers, say, report)
    return FeatureStore(folder, name, about)


class Views(Dataset):
    """The pictures of items as (views * frames, 3, size, size), as they are and then varied; or why there are none."""

    def __init__(self, folder: Path, items: Sequence[Item], model: ClipGPTModel, recipe: Recipe):
        self.items, self.seed, self.views = items, recipe.seed, recipe.views
        self.photos = Photos(folder, model, recipe.smallest_crop)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[str, Tensor | str]:
        """The id, and the pictures or what is wrong with them."""
        item = self.items[number]
        try:
            views = [self.photos.plain(item)]
            views += [
                self.photos.varied(item, random.Random(f"{self.seed} view {view} {item.id}"))
                for view in range(1, self.views)
            ]
        except InputError as error:
            return item.id, str(error)
        return item.id, torch.stack(views).flatten(0, -4)


def _fill(
    writer: FeatureWriter, views: Views, model: ClipGPTModel, workers: int, say: Callable[[str], object],
    report: Callable[[int, int], object],
) -> None:  # fmt: skip
    encoder: Any = model.eval().encoder
    encoder.to(memory_format=torch.channels_last)
    pictures = AT_ONCE if model.device.type == "cpu" else TOGETHER
    batch = max(1, pictures // (views.views * model.pictures))
    fill(writer, views, partial(encode, model), model.device, batch, workers, say, report)


def encode(model: ClipGPTModel, pixels: Tensor) -> Tensor:
    """Features (n, tokens, width) of pixels (n, 3, size, size), in half precision on the CPU."""
    at_once = AT_ONCE if model.device.type == "cpu" else len(pixels)
    pixels = pixels.to(model.device, memory_format=torch.channels_last, non_blocking=True)
    return torch.cat([model.encode(part) for part in pixels.split(at_once)]).half().cpu()


def _about(model: ClipGPTModel, recipe: Recipe) -> dict[str, Any]:
    """All that features depend on beside the pictures."""
    whole = hashlib.sha256()
    for name, value in model.encoder.state_dict().items():
        whole.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    varied = {"smallest_crop": recipe.smallest_crop, "seed": recipe.seed} if recipe.views > 1 else {}
    return {
        "encoder": whole.hexdigest(), "config": plain(model.encoder.config), "reads": model.config.reads,
        "image": model.config.image, "frames": model.pictures, "views": recipe.views, **varied,
    }  # fmt: skip
