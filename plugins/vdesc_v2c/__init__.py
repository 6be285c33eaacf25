"""What VideoCaptionerWithClip's `v2c.py` and `i2c.py` do: frames, times, files, flags; and NYU's choice of frames."""

from vdesc import Keyframer, Writer, hookimpl

from .files import V2cFiles
from .frames import V2cFrames
from .nyu import NyuFrames


@hookimpl
def keyframers() -> list[type[Keyframer]]:
    """Frames as v2c and NYU's CLIPVideoCap take them."""
    return [V2cFrames, NyuFrames]


@hookimpl
def writers() -> list[type[Writer]]:
    """Files as v2c writes them."""
    return [V2cFiles]
