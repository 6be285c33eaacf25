"""Pooling: features averaged over squares of patches and over frames. Plain functions of tensors."""

from __future__ import annotations

import math

from torch import Tensor, cat
from torch.nn.functional import avg_pool2d
from vdesc import ModelError


def over_space(features: Tensor, side: int, cls: bool) -> Tensor:
    """Features (n, frames, patches, width) averaged over squares of `side` patches; at the edges over what is there.

    Args:
        cls: whether a CLS token comes first, which stays as it is.
    Raises:
        ModelError: the patches are no square.
    """
    first, grid = features[:, :, : int(cls)], features[:, :, int(cls) :]
    rows = math.isqrt(grid.shape[2])
    if rows * rows != grid.shape[2]:
        raise ModelError(f"llava: {grid.shape[2]} patches are no square, so they cannot be pooled: set pool to 1")
    planes = grid.flatten(0, 1).transpose(1, 2).unflatten(-1, (rows, rows))
    planes = avg_pool2d(planes, side, ceil_mode=True, count_include_pad=False)
    pooled = planes.flatten(2).transpose(1, 2).unflatten(0, features.shape[:2])
    return cat([first, pooled], dim=2)


def over_time(features: Tensor, size: int, present: Tensor) -> Tensor:
    """Features (n, groups, patches, width) averaged over groups of `size` frames, of those that are `present`.

    Args:
        features: (n, frames, patches, width), 0 where a frame is absent.
        present: bool (n, frames).
    """
    counts = grouped(present, size).sum(2).clamp(min=1)
    return grouped(features, size).sum(2) / counts[..., None, None]


def grouped(values: Tensor, size: int) -> Tensor:
    """Values (n, frames, ...) as (n, groups, size, ...), the last group filled up with zeros."""
    missing = -values.shape[1] % size
    if missing:
        values = cat([values, values.new_zeros(len(values), missing, *values.shape[2:])], dim=1)
    return values.unflatten(1, (-1, size))
