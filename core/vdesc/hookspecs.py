"""The hooks: one for each kind of plugin; each returns classes, not instances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from .kinds import Captioner, Converter, Keyframer, Metric, Observer, Ranker, Trainer, Writer

hookspec = pluggy.HookspecMarker("vdesc")
hookimpl = pluggy.HookimplMarker("vdesc")


@hookspec
def keyframers() -> list[type[Keyframer]]:  # type: ignore[empty-body]
    """Classes that choose frames."""


@hookspec
def observers() -> list[type[Observer]]:  # type: ignore[empty-body]
    """Classes that find evidence."""


@hookspec
def captioners() -> list[type[Captioner]]:  # type: ignore[empty-body]
    """Classes that propose words."""


@hookspec
def rankers() -> list[type[Ranker]]:  # type: ignore[empty-body]
    """Classes that judge candidates."""


@hookspec
def writers() -> list[type[Writer]]:  # type: ignore[empty-body]
    """Classes that write descriptions."""


@hookspec
def metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Classes that measure descriptions."""


@hookspec
def converters() -> list[type[Converter]]:  # type: ignore[empty-body]
    """Classes that turn files of other programs into ours."""


@hookspec
def trainers() -> list[type[Trainer]]:  # type: ignore[empty-body]
    """Classes that train captioners."""
