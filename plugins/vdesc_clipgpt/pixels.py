"""From a picture to the encoder's input: one preprocessing for training and inference."""

from typing import Any

import numpy as np
import torch
from PIL import Image


def fit(image: Image.Image, settings: dict[str, Any]) -> Image.Image:
    """`image` as RGB of `size` x `size`: `squash` keeps the whole picture, `crop` keeps the aspect of its middle.

    With `squash`, a picture wider (or higher) than `widest` times its other side is cut to that about its middle first:
    a model that learned from photos of 4 : 3 does not know people as thin as a film's 2.35 : 1 would make them.

    Both resize with PIL's antialiased bicubic filter, as CLIP's original preprocessing does. That one resizes all and
    cuts then; doing both at once takes half the time, and a shrunk picture differs by one level in a few pixels.
    """
    size = settings["size"]
    image = image if image.mode == "RGB" else image.convert("RGB")  # which would copy
    if settings["resize"] == "squash":
        if image.size == (size, size):
            return image
        return image.resize((size, size), Image.Resampling.BICUBIC, box=_middle(image, settings.get("widest")))
    scale = size / min(image.size)
    width, height = max(size, int(image.width * scale)), max(size, int(image.height * scale))
    left, top = round((width - size) / 2), round((height - size) / 2)
    across, down = image.width / width, image.height / height
    middle = (left * across, top * down, (left + size) * across, (top + size) * down)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=middle)


def _middle(image: Image.Image, widest: float | None) -> tuple[float, float, float, float]:
    """The box of the middle of an image whose sides are at most as `widest` : 1."""
    width, height = map(float, image.size)
    if widest:
        width, height = min(width, height * widest), min(height, width * widest)
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return (left, top, left + width, top + height)


def tensor(image: Image.Image, settings: dict[str, Any]) -> torch.Tensor:
    """The normalised float32 tensor (3, size, size) of an image that `fit` returned."""
    values = np.asarray(image, dtype=np.float32) / 255
    values = (values - np.asarray(settings["mean"], np.float32)) / np.asarray(settings["std"], np.float32)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))
