"""compare: captioners side by side on one video; and the writer `html`, which makes the same page of one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vdesc import hookimpl

if TYPE_CHECKING:
    from vdesc import Writer


@hookimpl
def writers() -> list[type[Writer]]:
    """The page of one run."""
    from .writer import Html  # here: the command beside it is loaded for each `vdesc --help`

    return [Html]
