"""sounds: what is heard when, of 521 kinds of sound."""

from __future__ import annotations

from vdesc import Observer, hookimpl

from .observer import Sounds

__all__ = ["Sounds"]


@hookimpl
def observers() -> list[type[Observer]]:
    """The observer of this package."""
    return [Sounds]
