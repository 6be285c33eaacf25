"""Sightings: what an observer saw in single keyframes, joined into evidence that lasts. Pure functions.

An observer looks at keyframes, a person wants to know from when to when. A keyframe stands for the stretch of time
around it (`planning.stretches`); a thing seen in keyframes that follow each other was there from the start of the first
one's stretch to the end of the last one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .data import Box, Evidence, Keyframe, Span

Alike = Callable[["Sighting", "Sighting"], float]
"""How likely two sightings are of one thing: above 0 where they can be, higher is likelier."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing in one keyframe: `keyframe` is its position among the keyframes, `confidence` is 0..1.

    `details` holds what an observer needs to compare sightings (a face's vector); it is not written anywhere.
    """

    keyframe: int
    value: str
    confidence: float
    box: Box | None = None
    details: Any = field(default=None, compare=False)


def chains(sightings: Iterable[Sighting], alike: Alike, patience: int = 0) -> list[tuple[Sighting, ...]]:
    """The sightings joined into chains, each of one thing, in order of time; the likeliest pairs are joined first.

    Args:
        alike: asked of a chain's last sighting and one in a later keyframe.
        patience: how many keyframes a thing may be missing from before it counts as another.
    """
    done: list[list[Sighting]] = []
    for keyframe, seen in _by_keyframe(sightings):
        open_ = [chain for chain in done if keyframe - chain[-1].keyframe <= patience + 1]
        pairs = [(alike(chain[-1], new), i, j) for i, chain in enumerate(open_) for j, new in enumerate(seen)]
        chains_left, new_left = set(range(len(open_))), set(range(len(seen)))
        for likeness, i, j in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
            if likeness > 0 and i in chains_left and j in new_left:
                open_[i].append(seen[j])
                chains_left.discard(i)
                new_left.discard(j)
        done += [[seen[j]] for j in sorted(new_left)]
    return [tuple(chain) for chain in done]


def lasting(
    kind: str, source: str, chain: Sequence[Sighting], keyframes: Sequence[Keyframe], spans: Sequence[Span],
    value: str = "", **details: Any,
) -> Evidence:  # fmt: skip
    """The evidence of a chain: value and box of its surest sighting, from its first keyframe's stretch to its last's.

    Its details hold `seen`, which tells for each sighting the index of the keyframe, the box as [left, top, right,
    bottom] in shares of the picture (or null), and the confidence.

    Args:
        chain: sightings in order of time, at least one.
        spans: each keyframe's stretch, from `planning.stretches`.
        value: what it is called, where that is not the surest sighting's value.
        details: more that is kept with it, as plain JSON values.
    """
    best = max(chain, key=lambda sighting: sighting.confidence)
    seen = [
        {"keyframe": keyframes[s.keyframe].index, "box": corners(s.box), "confidence": round(s.confidence, 4)}
        for s in chain
    ]
    span = Span(spans[chain[0].keyframe].start, spans[chain[-1].keyframe].end)
    return Evidence(kind, span, value or best.value, best.confidence, source, best.box, {**details, "seen": seen})


def corners(box: Box | None) -> list[float] | None:
    """A box as [left, top, right, bottom], rounded to a ten-thousandth of the picture."""
    return None if box is None else [round(number, 4) for number in (box.left, box.top, box.right, box.bottom)]


def iou(one: Box | None, other: Box | None) -> float:
    """Intersection over union of two boxes, 0..1; 0 where one is missing."""
    if one is None or other is None:
        return 0.0
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(one) + _area(other) - width * height)


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


def _by_keyframe(sightings: Iterable[Sighting]) -> list[tuple[int, list[Sighting]]]:
    groups: dict[int, list[Sighting]] = {}
    for sighting in sightings:
        groups.setdefault(sighting.keyframe, []).append(sighting)
    return sorted(groups.items())
