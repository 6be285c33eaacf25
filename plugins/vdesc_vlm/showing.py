"""What a model is shown of a slot: keyframes made smaller, put together. Knows no model and no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vdesc import Keyframe, Slot


@dataclass(frozen=True)
class Shown:
    """What a model is shown of a slot.

    Attributes:
        number: the slot's index.
        pictures: PIL images, RGB; none where no keyframe could be read.
        times: of each picture in milliseconds from the slot's start.
        length: of the slot in milliseconds.
        lens: for each picture what a model with slots of its own is told of it, by slot; () for other models.
        lost: how many more pictures could not be read.
    """

    number: int
    pictures: tuple[Any, ...]
    times: tuple[int, ...]
    length: int
    lens: tuple[Mapping[str, str], ...] = ()
    lost: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, width and height as a video."""
        return (max(2, len(self.pictures)), *self.pictures[0].size)


def sharpest(slot: Slot) -> list[Keyframe]:
    """The sharpest keyframe of a slot, the earliest of equals; none where it has none."""
    return [max(slot.keyframes, key=lambda keyframe: keyframe.sharpness)] if slot.keyframes else []


def shown(slot: Slot, keyframes: Sequence[Keyframe], side: int) -> Shown:
    """The keyframes of a slot, their longest side at most `side` pixels; those that cannot be read are left out."""
    read = [(keyframe, _small(keyframe, side)) for keyframe in keyframes]
    good = [(keyframe, picture) for keyframe, picture in read if picture is not None]
    return Shown(
        slot.index,
        tuple(picture for _, picture in good),
        tuple(max(0, keyframe.at - slot.span.start) for keyframe, _ in good),
        slot.span.length,
        lost=len(read) - len(good),
    )


def gridded(one: Shown) -> Shown:
    """The same with all its pictures in one, row by row in order of time; as it is where there is only one."""
    if len(one.pictures) < 2:
        return one
    return replace(one, pictures=(grid(one.pictures),), times=one.times[:1])


def grid(pictures: Sequence[Any]) -> Any:
    """One picture of several, row by row on black, each in a cell of the first one's size, the whole about as large."""
    from PIL import Image, ImageOps

    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width, height = (max(1, round(length / columns)) for length in pictures[0].size)
    whole = Image.new("RGB", (columns * width, rows * height))
    for i, picture in enumerate(pictures):
        fitted = ImageOps.pad(picture, (width, height), Image.Resampling.BICUBIC)
        whole.paste(fitted, (i % columns * width, i // columns * height))
    return whole


def _small(keyframe: Keyframe, side: int) -> Any:
    """The picture of a keyframe, or None where it cannot be read."""
    from PIL import Image

    try:
        image = Image.fromarray(keyframe.pixels())
    except (OSError, ValueError):
        return None
    image.thumbnail((side, side), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return image
