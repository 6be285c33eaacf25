"""What VideoCaptionerWithClip's `v2c.py` and `i2c.py` do: frames, times, files, flags; and NYU's choice of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vdesc import hookimpl

if TYPE_CHECKING:
    from vdesc import Keyframer, Writer

# The classes are imported when they are asked for: the commands beside them are loaded for each `vdesc --help`.


@hookimpl
def keyframers() -> list[type[Keyframer]]:
    """Frames as v2c and NYU's CLIPVideoCap take them."""
    from .frames import V2cFrames
    from .nyu import NyuFrames

    return [V2cFrames, NyuFrames]


@hookimpl
def writers() -> list[type[Writer]]:
    """Files as v2c writes them."""
    from .files import V2cFiles

    return [V2cFiles]
