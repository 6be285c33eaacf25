"""Keyframers: `shots` (the default), `uniform:N` and `every:2s`."""

from __future__ import annotations

from vdesc import Keyframer, hookimpl

from .shots import Shots
from .spaced import Every, Uniform

__all__ = ["Every", "Shots", "Uniform"]


@hookimpl
def keyframers() -> list[type[Keyframer]]:
    """The three keyframers of this package."""
    return [Shots, Uniform, Every]
