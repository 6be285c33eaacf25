"""From a picture to the encoder's input: one preprocessing for training and inference."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image


def fit(image: Image.Image, settings: dict[str, Any]) -> Image.Image:
    """`image` as RGB of `size` x `size`: `squash` keeps the whole picture, `crop` keeps the aspect of its middle.

    Both resize with PIL's antialiased bicubic filter, as CLIP's original preprocessing does.
    """
    image, size = image.convert("RGB"), settings["size"]
    if settings["resize"] == "squash":
        return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BICUBIC)
    scale = size / min(image.size)
    width, height = max(size, int(image.width * scale)), max(size, int(image.height * scale))
    left, top = round((width - size) / 2), round((height - size) / 2)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    return image.crop((left, top, left + size, top + size))


def tensor(image: Image.Image, settings: dict[str, Any]) -> torch.Tensor:
    """The normalised float32 tensor (3, size, size) of an image that `fit` returned."""
    values = np.asarray(image, dtype=np.float32) / 255
    values = (values - np.asarray(settings["mean"], np.float32)) / np.asarray(settings["std"], np.float32)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


def batch(pictures: Iterable[np.ndarray], settings: dict[str, Any]) -> torch.Tensor:
    """The encoder's input (n, 3, size, size) for RGB uint8 arrays (height, width, 3)."""
    return torch.stack([tensor(fit(Image.fromarray(picture), settings), settings) for picture in pictures])
