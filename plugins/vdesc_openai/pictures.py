"""Pictures as data URLs: made smaller, compressed, or as they are on disk. Knows nothing of HTTP."""

from __future__ import annotations

import base64
import os
import threading
from typing import TYPE_CHECKING, Any

from vdesc import Picture

if TYPE_CHECKING:
    import numpy as np

CODING = threading.BoundedSemaphore(min(4, os.cpu_count() or 1))
"""Pictures held at full size at a time, however many requests are in flight."""


def data_url(picture: Picture, side: int, quality: int) -> str:
    """The picture as `data:image/jpeg;base64,...`: a JPEG file that is small enough as it is, others compressed anew.

    Args:
        side: the longest side in pixels; a smaller picture keeps its size.
        quality: of the JPEG, 1..95.
    Raises:
        OSError, ValueError: the picture cannot be read.
    """
    with CODING:
        # a subclass holds its pixels, or reads them in a way of its own
        coded = (_read if type(picture) is Picture else _made)(picture, side, quality)
    return "data:image/jpeg;base64," + base64.b64encode(coded).decode()


def _made(picture: Picture, side: int, quality: int) -> bytes:
    """A picture's pixels as JPEG."""
    pixels = picture.pixels()
    return _coded(pixels, _fitted(pixels.shape[1], pixels.shape[0], side), quality)


def _read(picture: Picture, side: int, quality: int) -> bytes:
    """A picture's file as JPEG; a much larger one is decoded at a half, a quarter or an eighth."""
    import numpy as np
    from PIL import Image

    with Image.open(picture.path) as image:
        if max(image.size) <= side and image.mode in ("RGB", "L") and _bare(image):
            image.load()  # half a file raises
            return picture.path.read_bytes()
        size = _fitted(*image.size, side)
        image.draft("RGB", size)
        return _coded(np.asarray(image if image.mode == "RGB" else image.convert("RGB")), size, quality)


def _bare(image: Any) -> bool:
    """Whether the file is a JPEG that tells of nothing but the picture: not of when, where or by whom it was taken."""
    return image.format == "JPEG" and all(name == "APP0" for name, _ in image.applist)


def _coded(pixels: np.ndarray, size: tuple[int, int], quality: int) -> bytes:
    """RGB uint8 (height, width, 3) as JPEG of some width and height, no larger."""
    import cv2

    if pixels.shape[1::-1] != size:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # linear is faster, and loses small print
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _fitted(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height with the longest side at most `side`."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
