"""Passing a table's pictures through an encoder once, into the feature store."""

from collections.abc import Callable, Iterator
from multiprocessing.pool import ThreadPool
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from .features import FeatureWriter

Rows = list[tuple[str, Tensor | str]]  # items by id, with their pictures or features, or with what is wrong


class Shown(Protocol):
    """Items' pictures, to be passed through an encoder."""

    def __len__(self) -> int:
        """How many items there are."""

    def __getitem__(self, number: int) -> tuple[str, Tensor | str]:
        """An item's id, and its pictures (n, 3, h, w) or what is wrong with them."""


def fill(
    writer: FeatureWriter, shown: Shown, encode: Callable[[Tensor], Tensor], device: torch.device, batch: int,
    workers: int, say: Callable[[str], object], report: Callable[[int, int], object],
) -> None:  # fmt: skip
    """Writes the features of all items that can be read.

    Args:
        encode: features on the CPU, as they are to be stored, of pictures (n, 3, h, w).
        device: where it does that.
        batch: how many items pass together.
        workers: processes that read pictures beside a GPU.
        say: is told of each item that cannot be read, and that is left out.
        report: is called with the number of items done, and of all.
    """
    rows = apart(shown, encode, batch) if device.type == "cpu" else beside(shown, encode, batch, workers)
    done = 0
    for some in rows:
        for id, made in some:
            if isinstance(made, Tensor):
                writer.put(id, made)
            else:
                say(f"{made}; '{id}' is left out")
        done += len(some)
        report(done, len(shown))


def apart(shown: Shown, encode: Callable[[Tensor], Tensor], batch: int) -> Iterator[Rows]:
    """Features of all items: each core reads a batch and encodes it, so that none waits for another."""
    cores = torch.get_num_threads()

    def work(start: int) -> Rows:
        return encoded(encode, [shown[number] for number in range(start, min(start + batch, len(shown)))])

    try:
        with ThreadPool(cores, lambda: torch.set_num_threads(1)) as pool:
            yield from pool.imap(work, range(0, len(shown), batch))
    finally:
        torch.set_num_threads(cores)


def beside(shown: Any, encode: Callable[[Tensor], Tensor], batch: int, workers: int) -> Iterator[Rows]:
    """Features of all items: worker processes read, the GPU encodes."""
    for rows in DataLoader(shown, batch, num_workers=workers, collate_fn=list):
        yield encoded(encode, rows)


@torch.inference_mode()
def encoded(encode: Callable[[Tensor], Tensor], rows: Rows) -> Rows:
    """Features in place of pictures."""
    good = [(id, pictures) for id, pictures in rows if isinstance(pictures, Tensor)]
    if not good:
        return rows
    made = encode(torch.cat([pictures for _, pictures in good])).split([len(pictures) for _, pictures in good])
    features = dict(zip((id for id, _ in good), made, strict=True))
    return [(id, features.get(id, pictures)) for id, pictures in rows]
