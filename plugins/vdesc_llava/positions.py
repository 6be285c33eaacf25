"""Where a frame stands among the frames of a clip, and when: added to its features before the projector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from vdesc import ModelError

from .config import LlavaConfig

WAVES = 32
LONGEST = 600.0  # seconds: the longest of the waves that tell times apart; the shortest is 0.1


class Positions(nn.Module):
    """Frame and time embeddings. Both begin at zero: what a projector knew before them stays true."""

    def __init__(self, config: LlavaConfig):
        super().__init__()
        self.frames = config.frames
        self.frame = nn.Embedding(config.frames, config.width) if config.frame_positions else None
        self.time = nn.Linear(2 * WAVES, config.width, bias=False) if config.time_positions else None
        for part in (self.frame, self.time):
            if part is not None:
                nn.init.zeros_(part.weight)

    def forward(self, features: Tensor, times: Tensor | None = None) -> Tensor:
        """Features (n, frames, patches, width) that know their place.

        Args:
            times: float32 (n, frames), seconds from the start of the clip; unset: unknown, nothing is added.
        Raises:
            ModelError: there are more frames than the model was made for.
        """
        count = features.shape[1]
        if count > self.frames:
            raise ModelError(f"llava: a clip has {count} frames, but the model reads {self.frames}: give fewer")
        if self.frame is not None:
            features = features + self.frame.weight[:count, None]
        if self.time is not None and times is not None:
            features = features + self.time(waves(times).to(features.dtype))[:, :, None]
        return features


def waves(times: Tensor) -> Tensor:
    """Sines and cosines (..., 2 * WAVES) of times in seconds, from waves of 0.1 s up to `LONGEST`."""
    lengths = torch.logspace(math.log10(0.1), math.log10(LONGEST), WAVES, device=times.device, dtype=torch.float32)
    angles = 2 * math.pi * times.float()[..., None] / lengths
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
