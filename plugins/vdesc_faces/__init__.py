"""faces: whose face is seen where and when; on request also what expression it shows."""

from __future__ import annotations

from vdesc import Observer, hookimpl

from .observer import Faces

__all__ = ["Faces"]


@hookimpl
def observers() -> list[type[Observer]]:
    """The observer of this package."""
    return [Faces]
