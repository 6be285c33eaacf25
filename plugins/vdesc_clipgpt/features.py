"""Image features: pictures are read, fitted and encoded in batches, each one once, and kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from vdesc import Cache, Picture
from vdesc.cache import key
from vdesc.files import digest

from . import pixels
from .model import ClipGPTModel

AT_ONCE = 8  # pictures through the encoder on a CPU: more leave its caches and take a third longer each
LAYOUT = torch.channels_last  # convolutions on a CPU take a quarter less time


class Features:
    """What a model's encoder makes of pictures.

    Args:
        model: in eval mode, on its device.
        identity: what features depend on beside the picture (weights, precision, device): part of the cache key.
        batch: how many pictures are read and encoded together, and stored as one entry of the cache.
    """

    def __init__(self, model: ClipGPTModel, identity: Sequence[Any], batch: int):
        self.model, self.identity, self.batch = model, list(identity), batch
        encoder: Any = model.encoder
        encoder.to(memory_format=LAYOUT)

    @torch.inference_mode()
    def of(self, pictures: Sequence[Picture], cache: Cache | None = None) -> Tensor:
        """Float32 features (slots, pictures a slot * tokens, width) of pictures given slot by slot.

        An entry of the cache holds a whole batch: a run that was killed and goes on computes the same batches, so that
        its numbers are the same to the last bit.
        """
        distinct = list({_name(picture): picture for picture in pictures}.values())
        parts = [self._batch(distinct[i : i + self.batch], cache) for i in range(0, len(distinct), self.batch)]
        if not parts:
            return torch.empty(0, 1, 1)
        place = {_name(picture): i for i, picture in enumerate(distinct)}
        found = torch.cat(parts)[[place[_name(picture)] for picture in pictures]]
        return found.unflatten(0, (-1, self.model.pictures)).flatten(1, 2)

    def _batch(self, pictures: Sequence[Picture], cache: Cache | None) -> Tensor:
        if cache is None:
            return self._encode(pictures)
        name = key("clipgpt features", *self.identity, [_digest(picture) for picture in pictures])
        if stored := cache.get_arrays(name):
            return torch.from_numpy(stored["features"])
        features = self._encode(pictures)
        cache.put_arrays(name, {"features": features.numpy()})
        return features

    def _encode(self, pictures: Sequence[Picture]) -> Tensor:
        settings = self.model.config.image
        with ThreadPoolExecutor(4) as pool:  # PIL lets other threads run while it resizes
            fitted = list(pool.map(lambda picture: pixels.fit(Image.fromarray(picture.pixels()), settings), pictures))
        inputs = torch.stack([pixels.tensor(image, settings) for image in fitted])
        at_once = AT_ONCE if self.model.device.type == "cpu" else len(inputs)
        inputs = inputs.to(self.model.dtype, memory_format=LAYOUT)
        parts = [self.model.encode(part.to(self.model.device)) for part in inputs.split(at_once)]
        return torch.cat(parts).float().cpu()


def _name(picture: Picture) -> Any:
    """What tells pictures apart within one call."""
    return picture.path if type(picture) is Picture else id(picture)


def _digest(picture: Picture) -> str:
    """The SHA-256 of what the picture shows: of its file, or of its pixels where it is in memory."""
    if type(picture) is Picture:
        return digest(picture.path)
    shown = picture.pixels()
    return hashlib.sha256(repr(shown.shape).encode() + shown.tobytes()).hexdigest()
