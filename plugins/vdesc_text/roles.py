"""Roles: whether a line is a caption, a title or scene text, decided by place, size and time. Pure functions.

Every measure is a share of the picture's width or height. `page` holds all lines of the keyframe in which the line was
read best, the line among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Literal

from vdesc import Box
from vdesc.sightings import Sighting

from .lines import LEVEL

Role = Literal["caption", "title", "scene"]
BRIEF = 8000
"""Milliseconds between its first and its last keyframe up to which a line is short-lived: no caption stays longer."""
BEGINNING = 10_000
LOW = 0.72  # where captions begin
CENTRED = 0.1  # how far from the middle of the picture the middle of a caption may be
CAPTION = (0.025, 0.12)  # heights
TITLE = 0.04  # the height from which a line is large
LARGER = 1.5  # times the usual height on a full page
FEW = 12  # words in a title


def role(line: Sighting, page: Sequence[Sighting], lasted: int, start: int, whole: int) -> Role:
    """The role of a line.

    Args:
        lasted: milliseconds between the first and the last keyframe that show it: it was there at least that long.
        start: when it appears.
        whole: milliseconds that the video lasts.
    """
    if abs(line.details or 0.0) > LEVEL or line.box is None:
        return "scene"
    others = [other.box for other in page if other is not line and other.box]
    passing = lasted <= BRIEF
    if passing and _captioned(line.box, others):
        return "caption"
    opening = start <= BEGINNING and lasted <= whole / 2
    stands_out = _heading(line.box, others) or ((passing or opening) and _large(line.box, others))
    return "title" if stands_out and _few(line.value) and _wide(line.box, line.value) else "scene"


def _captioned(box: Box, others: Sequence[Box]) -> bool:
    """Low and centred, alone in its row, and not the end of text that begins higher up."""
    return (
        _low(box)
        and not any(_in_row(box, other) for other in others)
        and all(_low(other) for other in others if _on_top(other, box))
    )


def _heading(box: Box, others: Sequence[Box]) -> bool:
    """The first line of a page of three or more: centred or aligned with the rest, apart from it, and not smaller."""
    if len(others) < 2 or any(other.top < box.bottom for other in others):
        return False
    aligned = min(abs(box.left - other.left) for other in others) < 0.02
    return _middle(box) < 0.5 and (aligned or _off_centre(box) <= CENTRED) and _apart(box, others)


def _apart(box: Box, others: Sequence[Box]) -> bool:
    """Whether a line stands out from those below it: larger, or after more space than they have between them."""
    below = sorted(others, key=lambda other: other.top)
    height, usual = _height(box), median(map(_height, below))
    space, between = _gap(box, below[0]), median(_gap(one, other) for one, other in pairwise(below))
    if space < height / 2 or height < 0.95 * usual:
        return False
    return height >= 1.15 * usual or space >= 1.3 * between


def _large(box: Box, others: Sequence[Box]) -> bool:
    """Large and near the middle; on a full page larger than the rest, on an empty one as large as what it goes with."""
    if len(others) >= 3:
        return _height(box) >= max(TITLE, LARGER * median(map(_height, others))) and _off_centre(box) <= 0.25
    company = [other for other in others if abs(_off_axis(other) - _off_axis(box)) <= 0.03]
    return max(map(_height, [box, *company])) >= TITLE and _off_centre(box) <= 0.2


def _low(box: Box) -> bool:
    low, high = CAPTION
    return _middle(box) >= LOW and _off_centre(box) <= CENTRED and low <= _height(box) <= high


def _few(text: str) -> bool:
    """Few words, or few characters where words have no spaces between them; two letters at least."""
    return len(text.split()) <= FEW and len(text) <= 8 * FEW and sum(map(str.isalpha, text)) >= 2


def _wide(box: Box, text: str) -> bool:
    """Whether the text runs across: what runs down is a sign."""
    return len(text) < 3 or box.right - box.left > _height(box) * 0.75


def _in_row(one: Box, other: Box) -> bool:
    shared = min(one.bottom, other.bottom) - max(one.top, other.top)
    return shared > min(_height(one), _height(other)) / 2


def _on_top(upper: Box, lower: Box) -> bool:
    """Whether one line stands over another as the lines of one text do: close, and of one size."""
    small, tall = sorted((_height(upper), _height(lower)))
    return _middle(upper) < _middle(lower) and _gap(upper, lower) < 1.5 * _height(lower) and tall <= 1.5 * small


def _gap(upper: Box, lower: Box) -> float:
    return lower.top - upper.bottom


def _height(box: Box) -> float:
    return box.bottom - box.top


def _middle(box: Box) -> float:
    return (box.top + box.bottom) / 2


def _off_centre(box: Box) -> float:
    return abs(_off_axis(box))


def _off_axis(box: Box) -> float:
    return (box.left + box.right) / 2 - 0.5
