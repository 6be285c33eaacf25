"""Lines of text in one picture: what an engine read, cleaned, and put together where its detector split a line.

Pure functions over pieces; knows no engine and no keyframe.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

BULLETS = "•●·▪■◦‣►○"
LEVEL = 5.0
"""Degrees by which a line may rise or fall and still counts as level."""
_JOINERS = "\u200c\u200d"  # they shape Persian words and emoji
_HIDDEN = {"Cc", "Cf", "Co", "Cs"}  # control, format (bidi overrides, tags), private use, lone surrogates


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that an engine read in one place: edges in pixels, confidence 0..1, tilt in degrees from level."""

    text: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float
    tilt: float = 0.0

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """The height at which it stands."""
        return (self.top + self.bottom) / 2


def piece(text: str, confidence: float, corners: Iterable[Sequence[float]]) -> Piece:
    """A piece from the four corners of its place, clockwise from the start of its upper edge, as (x, y) in pixels."""
    points = [(float(x), float(y)) for x, y in corners]
    (x, y), (end, level) = points[:2]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    tilt = math.degrees(math.atan2(level - y, end - x))
    sure = min(1.0, max(0.0, float(confidence))) if math.isfinite(confidence) else 0.0
    return Piece(text, sure, min(xs), min(ys), max(xs), max(ys), tilt)


def clean(text: str) -> str:
    """The text as one line that a person would read: no control or invisible characters, single spaces, no bullet.

    Empty where nothing is left that says something: no letter, digit or emoji.
    """
    composed = unicodedata.normalize("NFC", text)
    kept = (" " if c.isspace() else c for c in composed if c.isspace() or c in _JOINERS or not _hidden(c))
    line = " ".join("".join(kept).split()).strip(BULLETS + " ")
    return line if any(c.isalnum() or c >= "\U0001f000" for c in line) else ""


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces with those of one line put together, in reading order, from the top of the picture to its bottom."""
    rows: list[list[Piece]] = []
    ordered = sorted(pieces, key=lambda piece: (piece.left, piece.top))
    for new in ordered:
        near = [row for row in rows if _follows(row[-1], new)]
        if near and any(_below(new, other) or _below(other, new) for other in ordered):
            near = []  # it belongs to a column of its own
        if near:
            max(near, key=lambda row: row[-1].right).append(new)
        else:
            rows.append([new])
    return sorted((_line(row) for row in rows), key=lambda line: (line.top, line.left))


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN


def _follows(before: Piece, new: Piece) -> bool:
    """Whether `new` goes on with the line that ends with `before`: level, of one size, on one line, a space apart."""
    small, tall = sorted((before.height, new.height))
    return (
        abs(before.tilt) <= LEVEL
        and abs(new.tilt) <= LEVEL
        and tall <= 1.75 * small
        and abs(before.middle - new.middle) <= 0.25 * small
        and -0.5 * small <= new.left - before.right <= small
    )


def _below(one: Piece, other: Piece) -> bool:
    """Whether `other` begins right under the beginning of `one`, as the next line of a column does."""
    return 0 < other.middle - one.middle <= 2 * one.height and abs(other.left - one.left) <= 0.5 * one.height


def _line(row: Sequence[Piece]) -> Piece:
    """One piece of several that stand side by side, from left to right."""
    if len(row) == 1:
        return row[0]
    text = ""
    for part in reversed(row) if _right_to_left(row) else row:
        tight = text and _ideographic(text[-1]) and _ideographic(part.text[0])
        text += part.text if tight or not text else " " + part.text
    letters = sum(len(part.text) for part in row)
    return replace(
        row[0],
        text=text,
        confidence=sum(part.confidence * len(part.text) for part in row) / letters,
        top=min(part.top for part in row),
        right=max(part.right for part in row),
        bottom=max(part.bottom for part in row),
    )


def _right_to_left(row: Sequence[Piece]) -> bool:
    """Whether most letters of the row run from right to left."""
    directions = [unicodedata.bidirectional(character) for part in row for character in part.text]
    return sum(d in ("R", "AL") for d in directions) > directions.count("L")


def _ideographic(character: str) -> bool:
    """Whether no space stands beside the character: Chinese and Japanese."""
    name = unicodedata.name(character, "")
    return name.startswith(("CJK UNIFIED", "HIRAGANA", "KATAKANA", "IDEOGRAPHIC"))
