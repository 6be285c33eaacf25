"""Subtitle files, through pysubs2: SRT and WebVTT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field
from vdesc import Description, Writer, write_atomic
from vdesc.document import target
from vdesc.transcript import shown

from . import words


class WordsOptions(Writer.Options):
    """Which words are written."""

    words: Literal["captions", "speech", "both"] = Field(
        "captions",
        description="captions; speech, to <video>.speech.<format>; or both in one file, with captions in brackets.",
    )

    def ending(self, extension: str) -> str:
        """What follows the video's name: `.speech` before the extension of a file that holds speech alone."""
        return f".speech{extension}" if self.words == "speech" else extension


class SubRip(Writer):
    """Subtitles that nearly every player reads (SRT)."""

    name = "srt"
    extension = ".srt"
    Options = WordsOptions

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>.srt`, or `<video>.speech.srt`."""
        text = subtitles(description, "srt", words.subrip, self.options.words)
        return write_atomic(target(description, folder, self.options.ending(self.extension)), text)


class WebVtt(Writer):
    """Subtitles for web pages (WebVTT)."""

    name = "vtt"
    extension = ".vtt"
    Options = WordsOptions

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>.vtt`, or `<video>.speech.vtt`; the kind of track, as `descriptions`, is the web page's to say."""
        text = subtitles(description, "vtt", words.webvtt, self.options.words)
        return write_atomic(target(description, folder, self.options.ending(self.extension)), text)


def subtitles(description: Description, kind: str, safe: Callable[[str], str], which: str = "captions") -> str:
    """The text of a subtitle file of one of pysubs2's kinds; `safe` readies the words of a cue for it."""
    from pysubs2 import SSAEvent, SSAFile

    file = SSAFile()
    for cue in shown(description, which):
        if text := safe(cue.text):
            end = max(cue.span.end, cue.span.start + 1)  # WebVTT wants an end after the start
            file.append(SSAEvent(cue.span.start, end, text.replace("\\", _BACKSLASH)))
    # its own tags are passed through, as there are none: braces in the words are words
    return file.to_string(kind, keep_ssa_tags=True).replace(_BACKSLASH, "\\")


_BACKSLASH = "\x00"
"""Stands for a backslash while pysubs2 has the text, which takes `\\N` for a line break; no text holds it otherwise."""
