"""The description as JSON, and its words as plain text."""

from __future__ import annotations

from pathlib import Path

from vdesc import Description, Writer, write_atomic
from vdesc.document import dump, target
from vdesc.transcript import shown

from .subtitles import WordsOptions
from .words import lines, one_line


class Json(Writer):
    """Everything that is known: keyframes, evidence, candidates and scores, cues; its schema is in docs/schema."""

    name = "json"
    extension = ".json"

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>.json`."""
        return write_atomic(target(description, folder, self.extension), dump(description, folder))


class Text(Writer):
    """Plain text, one cue a line, each with its time."""

    name = "txt"
    extension = ".txt"
    Options = WordsOptions

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>.txt`, or `<video>.speech.txt`."""
        cues = shown(description, self.options.words)
        rows = [f"[{_clock(cue.span.start)}] {one_line(chr(10).join(lines(cue.text)))}\n" for cue in cues]
        return write_atomic(target(description, folder, self.options.ending(self.extension)), "".join(rows))


def _clock(at: int) -> str:
    seconds = at // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
