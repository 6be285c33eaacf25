"""Keyframes as small JPEGs in data URIs. All of a page are of one size and together near a budget."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from vdesc import Keyframe, VdescError

if TYPE_CHECKING:
    from PIL.Image import Image

BUDGET = 7_000_000
"""Bytes of all thumbnails of a page, before base64 makes four of three."""
STEPS = ((480, 80), (320, 72), (256, 65), (192, 55), (128, 45), (96, 35))
"""Widest side in pixels and JPEG quality, from the best to the least that still tells something."""
SAMPLE = 12
"""Keyframes by which the size of all is chosen."""


def thumbnails(keyframes: Sequence[Keyframe], budget: int = BUDGET) -> Iterator[str]:
    """A data URI for each keyframe, one picture in memory at a time; "" where its picture cannot be read any more.

    Args:
        budget: about so many bytes for all together, as far as `STEPS` go.
    """
    side, quality = fitting(keyframes, budget)
    for keyframe in keyframes:
        data = jpeg(keyframe, side, quality)
        yield "data:image/jpeg;base64," + base64.b64encode(data).decode() if data else ""


def fitting(keyframes: Sequence[Keyframe], budget: int) -> tuple[int, int]:
    """The best of `STEPS` with which a sample of the keyframes takes no more than its share of the budget."""
    sample = keyframes[:: max(1, len(keyframes) // SAMPLE)]
    share = budget * len(sample) / max(1, len(keyframes))
    fits = (step for step in STEPS if sum(len(jpeg(keyframe, *step)) for keyframe in sample) <= share)
    return next(fits, STEPS[-1])


def jpeg(keyframe: Keyframe, side: int, quality: int) -> bytes:
    """The picture as JPEG, at most `side` pixels wide and high; nothing where it cannot be read."""
    data = BytesIO()
    try:
        picture = _opened(keyframe, side)
        picture.thumbnail((side, side))
        picture.save(data, "JPEG", quality=quality)
    except (OSError, VdescError, ValueError):  # its file was cleared from the cache, or is damaged
        return b""
    return data.getvalue()


def _opened(keyframe: Keyframe, side: int) -> Image:
    """The picture; where it is a JPEG on disk, decoded little larger than needed."""
    from PIL import Image

    if not keyframe.image.path.is_file():
        return Image.fromarray(keyframe.pixels())
    with Image.open(keyframe.image.path) as image:
        image.draft("RGB", (side, side))
        return image.convert("RGB")
