"""What is said in a video: by Whisper in two makes, behind one detector of speech, or from a transcript that exists."""

from vdesc import Observer, hookimpl

from .fasterwhisper import FasterWhisper
from .openai import Whisper
from .transcript import Transcript


@hookimpl
def observers() -> list[type[Observer]]:
    """The classes."""
    return [FasterWhisper, Whisper, Transcript]
