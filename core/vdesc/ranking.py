"""Ranking: which candidate speaks for a slot, and which neighbours say the same. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from .data import Candidate, Cue, Slot, Span

Similarity = Callable[[str, str], float]
"""A number in 0..1 for two sentences; 1 where they say the same."""


def total(scores: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted mean, 0..1, of those scores that have a weight; 0 where none has."""
    counted = {name: weights[name] for name in scores if weights.get(name, 0) > 0}
    weight = sum(counted.values())
    return sum(scores[name] * (counted[name] / weight) for name in counted) if weight else 0.0


def novelty(text: str, before: Sequence[str], similar: Similarity) -> float:
    """How much of `text` was not just said: 1 minus its likeness, 0..1, to the nearest sentence before it."""
    return 1 - max((similar(text, earlier) for earlier in before), default=0.0)


def places(candidates: Iterable[Candidate]) -> list[int]:
    """Of each candidate its place, from 1, among what its captioner said of the slot: captioners say the best first."""
    said = Counter[tuple[int, str]]()
    found = []
    for candidate in candidates:
        said[candidate.slot, candidate.source] += 1
        found.append(said[candidate.slot, candidate.source])
    return found


def choose(
    slots: Sequence[Slot], candidates: Iterable[Candidate], weights: Mapping[str, float], similar: Similarity
) -> tuple[Cue, ...]:
    """One cue a slot that has candidates: the one with the highest total, the others as runners-up, best first.

    Candidates carry their rankers' scores; `confidence`, `novelty` (against the two cues before) and `total` are
    added here, so that every choice can be read from the numbers. Equal totals keep the captioner's own order.
    """
    by_slot = {index: list(group) for index, group in groupby(_ordered(candidates), key=lambda c: c.slot)}
    cues: list[Cue] = []
    for slot in slots:
        before = [cue.text for cue in cues[-2:]]
        judged = [_judged(candidate, before, weights, similar) for candidate in by_slot.get(slot.index, ())]
        judged.sort(key=lambda candidate: -candidate.scores["total"])
        if judged:
            best, *others = judged
            cues.append(
                Cue(len(cues) + 1, slot.span, best.text, best, (slot.index,), tuple(others), language=best.language)
            )
    return tuple(cues)


def merge(cues: Sequence[Cue], threshold: float | None, similar: Similarity) -> tuple[Cue, ...]:
    """The cues with touching neighbours that say the same joined; each keeps the best of its candidates.

    Args:
        threshold: likeness, 0..1, from which two sentences say the same; None joins nothing.
    """
    joined: list[Cue] = []
    for cue in cues:
        last = joined[-1] if joined else None
        if (
            last
            and threshold is not None
            and last.language == cue.language
            and last.span.end == cue.span.start
            and similar(last.text, cue.text) >= threshold
        ):
            joined[-1] = _join(last, cue)
        else:
            joined.append(cue)
    return tuple(replace(cue, id=i) for i, cue in enumerate(joined, 1))


def _ordered(candidates: Iterable[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda candidate: candidate.slot)


def _judged(
    candidate: Candidate, before: Sequence[str], weights: Mapping[str, float], similar: Similarity
) -> Candidate:
    scores = dict(candidate.scores)
    if candidate.confidence is not None:
        scores["confidence"] = candidate.confidence
    scores["novelty"] = novelty(candidate.text, before, similar)
    scores["total"] = total(scores, weights)
    return replace(candidate, scores=scores)


def _join(one: Cue, other: Cue) -> Cue:
    """Both cues as one; on a tie the earlier one speaks. All that lost are runners-up, best first."""
    best, rest = (one, other) if _without_novelty(one) >= _without_novelty(other) else (other, one)
    lost = sorted((*best.runners_up, rest.chosen, *rest.runners_up), key=lambda c: -c.scores.get("total", 0))
    return Cue(
        id=one.id,
        span=Span(one.span.start, other.span.end),
        text=best.text,
        chosen=best.chosen,
        slots=one.slots + other.slots,
        runners_up=tuple(lost),
        language=best.language,
        role=best.role,
    )


def _without_novelty(cue: Cue) -> float:
    """A cue's standing among its like: novelty would only favour whichever came first."""
    scores = [value for name, value in cue.chosen.scores.items() if name not in ("novelty", "total")]
    return sum(scores) / len(scores) if scores else 0.0
