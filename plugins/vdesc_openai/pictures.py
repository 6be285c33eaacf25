"""Pictures of a slot as data URLs: chosen, made smaller, compressed. Knows nothing of HTTP."""

from __future__ import annotations

import base64
import os
import threading

from vdesc import Picture, Slot

CODING = threading.BoundedSemaphore(min(4, os.cpu_count() or 1))
"""Pictures held at full size at a time, however many requests are in flight."""


def chosen(slot: Slot, most: int) -> list[Picture]:
    """At most so many pictures of a slot, in order of time, spread evenly over its keyframes.

    One alone is the keyframe nearest the slot's middle; of two that are equally near, the sharper.
    """
    keyframes = slot.keyframes
    if most == 1 and keyframes:
        middle = slot.span.middle
        return [min(keyframes, key=lambda keyframe: (abs(keyframe.at - middle), -keyframe.sharpness)).image]
    count = min(most, len(keyframes))
    return [keyframes[(2 * i + 1) * len(keyframes) // (2 * count)].image for i in range(count)]


def data_url(picture: Picture, side: int, quality: int) -> str:
    """The picture as `data:image/jpeg;base64,...`.

    Args:
        side: the longest side in pixels; a smaller picture keeps its size.
        quality: of the JPEG, 1..95.
    Raises:
        OSError, ValueError: the picture cannot be read.
    """
    import cv2

    with CODING:
        pixels = picture.pixels()
        height, width = pixels.shape[:2]
        if (scale := side / max(width, height)) < 1:
            smaller = max(1, round(width * scale)), max(1, round(height * scale))
            pixels = cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA)
        coded = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode()
