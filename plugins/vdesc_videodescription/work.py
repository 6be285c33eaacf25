"""What VideoDescription's files hold together, whichever of them are there. Knows no file and no description."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vdesc import Span


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene, known by the name of its frame, and where the frame's picture would lie."""

    image: str
    span: Span
    ocr: tuple[str, ...] = ()
    deepface: str = ""
    yolo: tuple[str, ...] = ()
    dialogue: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    picture: Path = Path()


@dataclass(frozen=True, slots=True)
class Line:
    """Words that are said in a time."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Final:
    """The caption that was chosen for a scene."""

    image: str
    span: Span
    caption: str


@dataclass(frozen=True, slots=True)
class Work:
    """Scenes in order of time, the speech, and the captions that were chosen.

    `stem` is the name of the video without its ending; `said` is what the person should know.
    """

    stem: str
    scenes: tuple[Scene, ...]
    script: tuple[Line, ...]
    finals: tuple[Final, ...]
    said: tuple[str, ...] = ()


def spoken(script: Iterable[Line], during: Span) -> tuple[str, ...]:
    """What is said in a time, as VideoDescription merges it: every line that shares some of the time."""
    return tuple(line.text for line in script if line.span.overlap(during))
