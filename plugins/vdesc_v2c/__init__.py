"""What VideoCaptionerWithClip's `v2c.py` does: its frames, its times, its files."""

from vdesc import Keyframer, Writer, hookimpl

from .files import V2cFiles
from .frames import V2cFrames


@hookimpl
def keyframers() -> list[type[Keyframer]]:
    """Frames as v2c takes them."""
    return [V2cFrames]


@hookimpl
def writers() -> list[type[Writer]]:
    """Files as v2c writes them."""
    return [V2cFiles]
