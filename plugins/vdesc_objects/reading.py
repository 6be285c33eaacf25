"""Reading the pictures of keyframes, a few at a time; those that cannot be read are passed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from vdesc import Keyframe, Plugin

if TYPE_CHECKING:
    import numpy as np

Shown = tuple[int, "np.ndarray"]
"""A keyframe's position and its pixels, RGB uint8 (height, width, 3)."""


def batches(keyframes: Sequence[Keyframe], size: int) -> list[range]:
    """Positions of the keyframes, `size` at a time."""
    return [range(start, min(start + size, len(keyframes))) for start in range(0, len(keyframes), size)]


def read(keyframes: Sequence[Keyframe], some: Sequence[int]) -> Iterator[Shown]:
    """The pictures at some positions, one after another, without those that are missing or broken."""
    for at in some:
        try:
            pixels = keyframes[at].pixels()
        except (OSError, SyntaxError, ValueError):  # what Pillow raises for damaged files
            continue
        yield at, pixels


def read_ahead(keyframes: Sequence[Keyframe], size: int) -> Iterator[list[Shown]]:
    """The pictures, up to `size` at a time; the next ones are read while the caller works on these."""
    with ThreadPoolExecutor(1) as pool:
        coming = None
        for some in batches(keyframes, size):
            coming, ready = pool.submit(_read, keyframes, some), coming
            if ready:
                yield ready.result()
        if coming:
            yield coming.result()


def _read(keyframes: Sequence[Keyframe], some: Sequence[int]) -> list[Shown]:
    return list(read(keyframes, some))


def tell_unread(plugin: Plugin, unread: int) -> None:
    """Notes once how many keyframes were passed over."""
    if unread:
        plugin.note(f"{unread} keyframes could not be read and were passed over", "warning")
