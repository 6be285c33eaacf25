"""What the tower makes of slots: keyframes read, fitted and encoded in batches, each once, and kept in the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from vdesc import Cache, Picture, Slot
from vdesc.cache import key
from vdesc.files import digest

from .model import LlavaModel
from .pixels import fit, tensor

AT_ONCE = 64  # pictures read and encoded together, and stored as one entry of the cache


@dataclass(frozen=True, slots=True)
class Clip:
    """What the model sees of a slot.

    Args:
        number: the slot's index.
        features: float16 (frames, patches, width).
        times: seconds of each frame from the slot's start.
    """

    number: int
    features: Tensor
    times: tuple[float, ...]


def spread(found: Sequence[Any], frames: int) -> list[Any]:
    """So many of the frames found, evenly spread in order; repeated where there are fewer. In training as here."""
    return [found[(2 * i + 1) * len(found) // (2 * frames)] for i in range(frames)]


class Features:
    """What a model's tower makes of slots.

    Args:
        model: in eval mode, on its device.
        identity: what features depend on beside the picture (weights, device): part of the cache key.
    """

    def __init__(self, model: LlavaModel, identity: Sequence[Any]):
        self.model, self.identity = model, [*identity, str(model.device)]

    def of(self, slots: Sequence[Slot], cache: Cache | None = None) -> list[Clip]:
        """A clip for each slot; a slot has keyframes.

        Features are kept as float16, whether they come from the cache or not. An entry of the cache holds a whole
        batch, so that a run that was killed and goes on gets the same numbers to the last bit.
        """
        shown = [spread(slot.keyframes, self.model.config.frames) for slot in slots]
        distinct = {_name(frame.image): frame.image for frames in shown for frame in frames}
        pictures = list(distinct.values())
        parts = [self._batch(pictures[i : i + AT_ONCE], cache) for i in range(0, len(pictures), AT_ONCE)]
        found = dict(zip(distinct, (row for part in parts for row in part), strict=True))
        return [
            Clip(
                slot.index,
                torch.stack([found[_name(frame.image)] for frame in frames]),
                tuple(max(0, frame.at - slot.span.start) / 1000 for frame in frames),
            )
            for slot, frames in zip(slots, shown, strict=True)
        ]

    def _batch(self, pictures: Sequence[Picture], cache: Cache | None) -> Tensor:
        """Float16 (pictures, patches, width)."""
        if cache is None:
            return self._encode(pictures)
        name = key("llava features", *self.identity, [_digest(picture) for picture in pictures])
        if stored := cache.get_arrays(name):
            return torch.from_numpy(stored["features"])
        features = self._encode(pictures)
        cache.put_arrays(name, {"features": features.numpy()})
        return features

    def _encode(self, pictures: Sequence[Picture]) -> Tensor:
        settings = self.model.config.image
        with ThreadPoolExecutor(4) as pool:  # PIL lets other threads run while it resizes
            fitted = list(pool.map(lambda picture: fit(Image.fromarray(picture.pixels()), settings), pictures))
        pixels = torch.stack([tensor(image, settings) for image in fitted])
        return self.model.encode(pixels[:, None])[:, 0].to("cpu", torch.float16)


def _name(picture: Picture) -> Any:
    """What tells pictures apart within one call."""
    return picture.path if type(picture) is Picture else id(picture)


def _digest(picture: Picture) -> str:
    """The SHA-256 of what the picture shows: of its file, or of its pixels where it is in memory."""
    if type(picture) is Picture:
        return digest(picture.path)
    shown = picture.pixels()
    return hashlib.sha256(repr(shown.shape).encode() + shown.tobytes()).hexdigest()
