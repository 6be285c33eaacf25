"""The built-in writers: subtitles, the full description as JSON, plain text, and keyframes as pictures."""

from vdesc import Writer, hookimpl

from .documents import Json, Text
from .frames import Pictures
from .subtitles import SubRip, WebVtt


@hookimpl
def writers() -> list[type[Writer]]:
    """The classes."""
    return [SubRip, WebVtt, Json, Text, Pictures]
