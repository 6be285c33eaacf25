"""Events: from scores of overlapping patches to sounds that begin and end. Pure functions over numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RELEASE = 0.5
"""A sound that has begun goes on while it keeps this share of the score that it needs to begin."""
COVERED = 0.75
"""A general sound is left out where more specific ones of its kind fill this share of it."""


@dataclass(frozen=True, slots=True)
class Event:
    """A sound from one patch to another, the last not included, and how sure it is on average, 0..1."""

    name: str
    first: int
    end: int
    confidence: float


def smooth(scores: np.ndarray) -> np.ndarray:
    """Each patch's scores with half of the weight on its neighbours, a quarter each; float32 (patches, classes).

    A moment is heard in two patches that follow each other, so a short loud sound keeps three quarters of its score;
    what only one patch hears keeps half.
    """
    padded = np.pad(scores, ((1, 1), (0, 0)), "edge").astype(np.float32)
    return 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]


def events(scores: np.ndarray, names: Sequence[str], threshold: float, shortest: int = 1, gap: int = 0) -> list[Event]:
    """The events of every class in smoothed scores, in the order of the classes.

    Args:
        scores: float (patches, classes), 0..1.
        names: one for each class.
        threshold: the score at which a sound begins; it lasts, both ways, while the score is at least `RELEASE` of it.
        shortest: events of fewer patches are left out.
        gap: events of one class with at most so many patches between them are one.
    """
    return [
        Event(name, first, end, float(min(1.0, row[first:end].mean())))
        for name, row in zip(names, scores.T, strict=True)
        for first, end in joined(runs(row, threshold, threshold * RELEASE), gap)
        if end - first >= shortest
    ]


def runs(row: np.ndarray, on: float, off: float) -> list[tuple[int, int]]:
    """The longest stretches of values of at least `off` with one of at least `on`: (first, end), end not included."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], row >= off, [False]]).astype(np.int8)))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return [(first, end) for first, end in pairs if row[first:end].max() >= on]


def joined(stretches: Iterable[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    """Stretches in order, those with at most `gap` between them made one."""
    found: list[tuple[int, int]] = []
    for first, end in stretches:
        if found and first - found[-1][1] <= gap:
            first = found.pop()[0]
        found.append((first, end))
    return found


def specific(found: Sequence[Event], kinds: Mapping[str, Collection[str]]) -> list[Event]:
    """The events but for general ones that say nothing more: `COVERED` of their time more specific ones are heard."""
    return [event for event in found if _filled(event, found, kinds.get(event.name, ())) < COVERED]


def _filled(event: Event, found: Sequence[Event], kinds: Collection[str]) -> float:
    """The share of an event's time in which one of certain others is heard."""
    patches = set(range(event.first, event.end))
    for other in found:
        if other.name in kinds:
            patches.difference_update(range(other.first, other.end))
    return 1 - len(patches) / (event.end - event.first)


def at_most(found: Sequence[Event], most: int) -> list[Event]:
    """The surest events such that never more than `most` are heard at once, in the order given."""
    length = max((event.end for event in found), default=0)
    heard = np.zeros(length, int)
    kept = set()
    for event in sorted(found, key=lambda event: (-event.confidence, event.first, event.end, event.name)):
        if heard[event.first : event.end].max() < most:
            heard[event.first : event.end] += 1
            kept.add(event)
    return [event for event in found if event in kept]
