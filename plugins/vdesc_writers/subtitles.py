"""Subtitle files, through pysubs2: SRT and WebVTT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vdesc import Description, Writer, write_atomic
from vdesc.document import target

from . import words


class SubRip(Writer):
    """Subtitles that nearly every player reads (SRT)."""

    name = "srt"
    extension = ".srt"

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>.srt`."""
        return write_atomic(target(description, folder, self.extension), subtitles(description, "srt", words.subrip))


class WebVtt(Writer):
    """Subtitles for web pages (WebVTT)."""

    name = "vtt"
    extension = ".vtt"

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>.vtt`. The kind of track (`captions`, `descriptions`) is the web page's to say, not the file's."""
        return write_atomic(target(description, folder, self.extension), subtitles(description, "vtt", words.webvtt))


def subtitles(description: Description, kind: str, safe: Callable[[str], str]) -> str:
    """The text of a subtitle file of one of pysubs2's kinds; `safe` readies the words of a cue for it."""
    from pysubs2 import SSAEvent, SSAFile

    file = SSAFile()
    for cue in description.cues:
        if text := safe(cue.text):
            end = max(cue.span.end, cue.span.start + 1)  # WebVTT wants an end after the start
            file.append(SSAEvent(cue.span.start, end, text.replace("\\", _BACKSLASH)))
    # its own tags are passed through, as there are none: braces in the words are words
    return file.to_string(kind, keep_ssa_tags=True).replace(_BACKSLASH, "\\")


_BACKSLASH = "\x00"
"""Stands for a backslash while pysubs2 has the text, which takes `\\N` for a line break; no text holds it otherwise."""
