"""Lessons: a table's items with their captions, as training reads them, in an order of their own each epoch.

What an item looks like in an epoch is a function of the seed, the epoch and the item alone, so that neither the number
of worker processes nor a resume changes it.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from vdesc.errors import InputError
from vdesc.upright import upright

from .table import Item


class Source(Protocol):
    """Where an item's input for the model comes from; `key` names the argument of the model's `forward`."""

    key: str

    def plain(self, item: Item) -> Tensor:
        """The item as inference sees it. Raises `InputError` where it cannot be read."""

    def varied(self, item: Item, chance: random.Random) -> Tensor:
        """The item as training sees it once."""


class Lessons(Dataset):
    """Items with their captions as token ids. An index is (epoch, number); of a number alone the item comes plain.

    Args:
        captions: how many of an item's captions are drawn each epoch; 0: all.
    """

    def __init__(self, source: Source, items: Sequence[Item], ids: list[list[list[int]]], seed: int, captions: int = 0):
        self.source, self.items, self.ids, self.seed, self.captions = source, items, ids, seed, captions

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> dict[str, Any]:
        """A `row`, and in `broken` what could not be read on the way to it.

        For an item that cannot be read the next one stands in: each batch has as many as it should.
        """
        epoch, number = index if isinstance(index, tuple) else (None, index)
        broken: list[str] = []
        for place in range(number, number + len(self.items)):
            try:
                return self.row(place % len(self.items), epoch) | {"broken": broken}
            except InputError as error:
                broken.append(str(error))
        return {"broken": broken}

    def row(self, number: int, epoch: int | None = None) -> dict[str, Any]:
        """An item's `id`, its input under the source's key, its `captions`. Raises `InputError`."""
        item, ids = self.items[number], self.ids[number]
        if epoch is None:
            return {"id": item.id, self.source.key: self.source.plain(item), "captions": ids}
        chance = random.Random(f"{self.seed} {epoch} {number}")
        if 0 < self.captions < len(ids):
            ids = chance.sample(ids, self.captions)
        return {"id": item.id, self.source.key: self.source.varied(item, chance), "captions": ids}

    def plain(
        self, numbers: Sequence[int], at_once: int, say: Callable[[str], object]
    ) -> Iterator[list[dict[str, Any]]]:
        """The rows of some items as inference sees them, so many at once.

        Args:
            say: is told of each item that cannot be read, and that is left out.
        """

        def row(number: int) -> dict[str, Any] | None:
            try:
                return self.row(number)
            except InputError as error:
                say(f"{error}; it is left out")
                return None

        with ThreadPoolExecutor(4) as pool:  # PIL lets other threads run while it decodes
            for start in range(0, len(numbers), at_once):
                if rows := [found for found in pool.map(row, numbers[start : start + at_once]) if found]:
                    yield rows


class Order(Sampler):
    """The items of an epoch in an order of its own, as (epoch, number); what would not fill a step is left out.

    Args:
        step: how many items one step of all processes takes.
        epoch: says which epoch it is.
    """

    def __init__(self, items: int, step: int, seed: int, epoch: Callable[[], int]):
        self.items, self.seed, self.epoch = items, seed, epoch
        self.count = items // step * step or items

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, numbers = self.epoch(), list(range(self.items))
        random.Random(f"{self.seed} {epoch}").shuffle(numbers)
        yield from ((epoch, number) for number in numbers[: self.count])


def spread(rows: Sequence[Any], count: int) -> list[Any]:
    """`count` of the rows, spread evenly, repeated where there are too few; one: that in the middle."""
    return [rows[(2 * i + 1) * len(rows) // (2 * count)] for i in range(count)]


def opened(path: Path) -> Image.Image:
    """A picture in RGB, upright as its EXIF asks. Raises `InputError`."""
    try:
        with Image.open(path) as photo:
            upright(photo)
            return photo if photo.mode == "RGB" else photo.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as a picture: {error}") from error
