"""From a picture to the tower's input, as the tower's own preprocessor has it. Knows PIL and numpy, no tower."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from vdesc import ModelError

CLIP_IMAGE: dict[str, Any] = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
HALF: dict[str, Any] = {"mean": [0.5] * 3, "std": [0.5] * 3}
IMAGENET: dict[str, Any] = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


def fit(image: Image.Image, settings: dict[str, Any]) -> Image.Image:
    """`image` as RGB of `size` x `size`: `squash` keeps the whole picture, `crop` keeps the aspect of its middle.

    Both steps of `crop` are done at once. With `edge`, the shorter side has so many pixels before the middle is cut
    out (DINOv2: 256, of which 224 are kept). `filter` is `bicubic`, or else `bilinear`; both are antialiased.
    """
    size = settings["size"]
    image = image if image.mode == "RGB" else image.convert("RGB")  # which would copy
    way = Image.Resampling[settings.get("filter", "bicubic").upper()]
    if settings["resize"] == "squash":
        return image if image.size == (size, size) else image.resize((size, size), way)
    scale = settings.get("edge", size) / min(image.size)
    width, height = max(size, int(image.width * scale)), max(size, int(image.height * scale))
    left, top = (width - size) // 2, (height - size) // 2
    across, down = image.width / width, image.height / height
    middle = (left * across, top * down, (left + size) * across, (top + size) * down)
    return image.resize((size, size), way, box=middle)


def tensor(image: Image.Image, settings: dict[str, Any]) -> torch.Tensor:
    """The normalised float32 tensor (3, size, size) of an image that `fit` returned."""
    planes = np.asarray(image).transpose(2, 0, 1).astype(np.float32, order="C")
    planes /= 255
    for plane, mean, std in zip(planes, settings["mean"], settings["std"], strict=True):
        plane -= np.float32(mean)
        plane /= np.float32(std)
    return torch.from_numpy(planes)


def settings_of(folder: Path | None, config: Any) -> dict[str, Any]:
    """How a tower wants its pictures: what its preprocessor_config.json says, or what is usual for its kind.

    Args:
        folder: of the tower; None where it has no home.
        config: the tower's own.
    Raises:
        ModelError: the file cannot be read.
    """
    said = _said(folder / "preprocessor_config.json") if folder else {}
    squashes = config.model_type.startswith("siglip")
    usual = HALF if squashes else IMAGENET if config.model_type.startswith("dinov2") else CLIP_IMAGE
    found: dict[str, Any] = {
        "size": _square(said.get("crop_size") or said.get("size")) or square(config),
        "resize": "squash" if squashes or said.get("do_center_crop") is False else "crop",
        "mean": said.get("image_mean") or usual["mean"],
        "std": said.get("image_std") or usual["std"],
    }
    edge = said["size"].get("shortest_edge") if isinstance(said.get("size"), dict) else None
    if found["resize"] == "crop" and edge and edge > found["size"]:
        found["edge"] = edge
    return found | ({"filter": "bilinear"} if said.get("resample") == Image.Resampling.BILINEAR else {})


def _said(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes()) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise ModelError(f"llava: {path} cannot be read ({error}): fetch the tower again") from error


def square(config: Any) -> int:
    """The side of the pictures that a tower was trained on, in pixels."""
    if config.model_type == "siglip2_vision_model":
        return config.patch_size * round(config.num_patches**0.5)
    return config.image_size


def _square(size: Any) -> int | None:
    """The side that a preprocessor's size says."""
    if isinstance(size, dict):
        return size.get("height") or size.get("shortest_edge")
    return size
