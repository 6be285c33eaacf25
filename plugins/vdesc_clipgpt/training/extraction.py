"""Features of a table's pictures, made once by the encoder and kept in the table's feature store."""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from vdesc import InputError
from vdesc_training.features import FeatureStore, FeatureWriter
from vdesc_training.table import Item

from ..features import AT_ONCE
from ..model import ClipGPTModel
from .batches import Photos
from .beginning import plain
from .recipe import Recipe

TOGETHER = 32  # pictures that pass to the encoder's device at once


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
            _make(model, Views(folder, left, model, recipe), writer, recipe.workers, say, report)
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


@torch.inference_mode()
def _make(
    model: ClipGPTModel, views: Views, writer: FeatureWriter, workers: int, say: Callable[[str], object],
    report: Callable[[int, int], object],
) -> None:  # fmt: skip
    batch = max(1, TOGETHER // (views.views * model.pictures))
    encoder: Any = model.eval().encoder
    encoder.to(memory_format=torch.channels_last)
    done = 0
    for rows in _read(views, batch, workers, model.device.type):
        good = [(id, shown) for id, shown in rows if isinstance(shown, Tensor)]
        for id, wrong in rows:
            if isinstance(wrong, str):
                say(f"{wrong}; '{id}' is left out")
        if good:
            made = encode(model, torch.cat([shown for _, shown in good]))
            for (id, _), features in zip(good, made.split([len(shown) for _, shown in good]), strict=True):
                writer.put(id, features)
        done += len(rows)
        report(done, len(views))


def _read(views: Views, batch: int, workers: int, device: str) -> Iterator[list[tuple[str, Tensor | str]]]:
    """The items, a batch at a time: read by worker processes beside a GPU.

    A CPU that encodes has no core left for others: there its threads read a batch and encode it, in turns.
    """
    if device != "cpu":
        yield from DataLoader(views, batch, num_workers=workers, collate_fn=list)
        return
    with ThreadPool(torch.get_num_threads()) as pool:
        for start in range(0, len(views), batch):
            yield pool.map(views.__getitem__, range(start, min(start + batch, len(views))), chunksize=1)


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
