"""Tracking: the same line over neighbouring keyframes, told by its text and its place. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vdesc import Box
from vdesc.sightings import Sighting, iou

LONG = 12
"""From this many characters on (spaces not counted) an equal text is the same line wherever it stands: it scrolls."""
NOISE = 5
"""Of so many characters, one may be read otherwise in the next keyframe."""


def alike(one: Sighting, other: Sighting) -> float:
    """How likely two readings in neighbouring keyframes are of one line, 0..3; 0 where they are of two.

    Equal texts are one line in the same place, and long ones anywhere. Texts that differ are one line in the same place
    where the difference looks like a misreading: one character in five at most, and no digit for another digit, which
    is how clocks, scores and page numbers change.
    """
    here = beside(one.box, other.box)
    first, second = _bare(one.value), _bare(other.value)
    if first == second:
        return 2 + iou(one.box, other.box) if here else float(len(first) >= LONG)
    longest = max(len(first), len(second))
    if not here or abs(len(first) - len(second)) > longest // NOISE or _counts(first, second):
        return 0.0
    differing = distance(first, second)
    return 1 - differing / longest if differing <= longest // NOISE else 0.0


def agreed(chain: Sequence[Sighting]) -> Sighting:
    """The surest sighting of the reading that most sightings agree on, each counting as much as it is sure."""
    weight = dict.fromkeys((sighting.value for sighting in chain), 0.0)
    for sighting in chain:
        weight[sighting.value] += sighting.confidence
    return max(chain, key=lambda sighting: (weight[sighting.value], sighting.confidence))


def beside(one: Box | None, other: Box | None) -> bool:
    """Whether two boxes cover half of the lower one's height and half of the narrower one's width in common."""
    if one is None or other is None:
        return False
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    narrow = min(one.right - one.left, other.right - other.left)
    low = min(one.bottom - one.top, other.bottom - other.top)
    return width >= narrow / 2 and height >= low / 2


def distance(one: str, other: str) -> int:
    """How many characters must be changed, added or left out to make one text the other (Levenshtein).

    Each column of the table is two integers of one bit a character, as wide as the text is long, so that 1,000
    characters take about a millisecond. Source: Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau
    edit distances", 2003.
    """
    if not one:
        return len(other)
    places: dict[str, int] = {}
    for i, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << i
    every, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, total = every, 0, len(one)
    for character in other:
        match = places.get(character, 0)
        same = (((match & up) + up) ^ up) | match | down
        right, left = down | ~(same | up) & every, up & same
        total += bool(right & last) - bool(left & last)
        right, left = right << 1 | 1, left << 1
        up, down = (left | ~(same | right)) & every, right & same & every
    return total


def _counts(one: str, other: str) -> bool:
    """Whether digits stand where other digits stood: a clock or a score that went on, not a misreading."""
    before, after = _digits(one), _digits(other)
    return len(before) == len(after) and before != after


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


@lru_cache(4096)
def _bare(text: str) -> str:
    """The text without what readings differ in most: spaces and case."""
    return "".join(text.split()).casefold()
