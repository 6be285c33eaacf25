"""Scores: which candidate speaks for each slot, how good that is, and whether a difference may be chance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from vdesc import Candidate, Description, Finding, ranking
from vdesc.crew import Crew
from vdesc.pipeline import alike, score
from vdesc.settings import Ranking
from vdesc.timing import PROFILES, fit

from .comparison import Column, Comparison, Difference, Reference
from .references import of_slots
from .truth import Counted, Truth

Similar = ranking.Similarity
DRAWS, SURE = 2000, 0.95
"""Of the bootstrap: how often slots are drawn anew, and the share of the differences that the interval holds."""
NEIGHBOURS = 10
"""Slots about one whose references a caption must tell its own from."""


def compared(
    scene: Description, columns: Sequence[Column], crew: Crew, said: Sequence[Reference], unweighed: Sequence[str]
) -> Comparison:
    """The comparison of what captioners said of a scene.

    Args:
        crew: its rankers judge all candidates at once.
        said: references, or none.
        unweighed: rankers that only measure: what is chosen does not depend on them.
    """
    proposed = [candidate for column in columns for candidate in column.candidates]
    judged, findings = score(scene.video, scene.slots, proposed, crew)
    how = crew.settings.ranking
    how = how.model_copy(update={"weights": {**how.weights, **dict.fromkeys(unweighed, 0.0)}})
    texts = [candidate.text for candidate in judged]
    measure, similar = alike(texts + [one.text for one in said], how, crew)
    truth = Truth(of_slots(scene.slots, said, scene.video.still), texts, crew.settings.language)
    profile = PROFILES["none" if scene.video.still else crew.settings.timing.profile]
    picked = [_picked(column, scene, judged, how, similar, profile) for column in columns]
    counted = truth.figures([_said(column) for column in picked])
    rankers = [ranker.name for ranker in crew.rankers]
    scored = [
        _scored(column, scene, figures, truth, similar, rankers)
        for column, figures in zip(picked, counted, strict=True)
    ]
    lacks = [Finding("references", truth.lacks)] if truth.lacks else []
    return Comparison(
        replace(scene, findings=(*scene.findings, *findings, *lacks)), tuple(scored), _agreement(scored, similar),
        _disagreement(scored, len(scene.slots), similar), tuple(_differences(scored)), tuple(said),
        _choices(scene, scored, how, similar, truth), measure,
    )  # fmt: skip


def _picked(
    column: Column, scene: Description, judged: Sequence[Candidate], how: Ranking, similar: Similar, profile: object
) -> Column:
    """The column with its candidates judged, one picked for each slot, and the picks as subtitles."""
    own = [candidate for candidate in judged if candidate.source == column.label]
    cues = ranking.choose(scene.slots, own, how.weights, similar)
    chosen = {cue.slots[0]: cue.chosen for cue in cues}
    timed, _ = fit(ranking.merge(cues, how.merge, similar), scene.video.span.end, profile)  # type: ignore[arg-type]
    picks = tuple(chosen.get(slot.index) for slot in scene.slots)
    return replace(column, candidates=tuple(own), picks=picks, cues=tuple(timed))


def _said(column: Column) -> dict[int, str]:
    """What it says, by slot."""
    return {pick.slot: pick.text for pick in column.picks if pick}


def _scored(
    column: Column, scene: Description, counted: Counted, truth: Truth, similar: Similar, rankers: Sequence[str]
) -> Column:
    slots, picks = scene.slots, column.picks
    each: dict[str, tuple[float | None, ...]] = {
        name: tuple(pick.scores.get(name) if pick else None for pick in picks) for name in rankers
    }
    each["words"] = tuple(float(len(re.findall(r"\w+", pick.text))) if pick else None for pick in picks)
    if not scene.video.still:
        each["reading"] = tuple(
            1000 * len(pick.text) / slot.span.length if pick and slot.span.length else None
            for slot, pick in zip(slots, picks, strict=True)
        )
    each["repetition"] = tuple(1 - pick.scores["novelty"] if pick else None for pick in picks)
    texts = _said(column)
    whole, items = counted
    each |= {name: tuple(values.get(slot.index) for slot in slots) for name, values in items.items()}
    for name, found in truth.recalls(texts, [slot.index for slot in slots], similar, NEIGHBOURS).items():
        each[name] = tuple(found.get(slot.index) for slot in slots)
    means = {name: fmean(known) for name, values in each.items() if (known := [v for v in values if v is not None])}
    answered = {"answered": len(texts) / len(slots)} if slots else {}
    return replace(column, scores={**answered, **means, **whole}, slot_scores=each)


def _agreement(columns: Sequence[Column], similar: Similar) -> tuple[tuple[float, ...], ...]:
    def of(one: Column, other: Column) -> float:
        pairs = [similar(a.text, b.text) for a, b in zip(one.picks, other.picks, strict=True) if a and b]
        return 1.0 if one is other else fmean(pairs) if pairs else 0.0

    return tuple(tuple(of(one, other) for other in columns) for one in columns)


def _disagreement(columns: Sequence[Column], slots: int, similar: Similar) -> tuple[float, ...]:
    apart = []
    for i in range(slots):
        texts = [pick.text for column in columns if (pick := column.picks[i])]
        pairs = [similar(a, b) for a, b in combinations(texts, 2)]
        apart.append(1 - fmean(pairs) if pairs else 0.0)
    return tuple(apart)


def _differences(columns: Sequence[Column]) -> list[Difference]:
    """For each pair of columns and each figure of slots how far they are apart."""
    found = []
    for one, other in combinations(columns, 2):
        for name in one.slot_scores.keys() & other.slot_scores.keys():
            pairs = zip(one.slot_scores[name], other.slot_scores[name], strict=True)
            apart = [a - b for a, b in pairs if a is not None and b is not None]
            if len(apart) > 1:
                low, high = interval(apart)
                found.append(Difference(name, one.label, other.label, fmean(apart), low, high))
    return sorted(found, key=lambda difference: difference.figure)


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """The lowest and highest mean of `SURE` of `DRAWS` draws with replacement (Efron 1979); equal on every call.

    Args:
        values: paired differences, at least one.
    """
    means = _drawn(len(values), seed) @ np.asarray(values, np.float64) / len(values)
    low, high = np.quantile(means, [(1 - SURE) / 2, (1 + SURE) / 2])
    return float(low), float(high)


@lru_cache(4)  # all figures of all pairs are drawn alike: most have a value in each slot
def _drawn(many: int, seed: int) -> NDArray[np.float64]:
    """For each draw how often each of so many slots is in it."""
    chance = np.random.default_rng(seed)
    return chance.multinomial(many, np.full(many, 1 / many), DRAWS).astype(np.float64)


def _choices(
    scene: Description, columns: Sequence[Column], how: Ranking, similar: Similar, truth: Truth
) -> dict[str, dict[str, float]]:
    """What choosing among all that was said wins: for each figure the mean over slots of each way to choose."""
    pool = [candidate for column in columns for candidate in column.candidates]
    by_slot: dict[int, list[Candidate]] = {}
    for candidate in pool:
        by_slot.setdefault(candidate.slot, []).append(candidate)
    if all(len(some) < 2 for some in by_slot.values()):
        return {}
    ranked = {cue.slots[0]: cue.chosen for cue in ranking.choose(scene.slots, pool, how.weights, similar)}
    ways: dict[str, dict[str, float]] = {"random": {}, "first": {}, "ranked": {}, "oracle": {}}
    for name, values in _valued(by_slot, truth).items():
        ways["random"][name] = fmean(fmean(some.values()) for some in values.values())
        ways["first"][name] = fmean(some[by_slot[slot][0].text] for slot, some in values.items())
        ways["ranked"][name] = fmean(some[ranked[slot].text] for slot, some in values.items())
        ways["oracle"][name] = fmean(max(some.values()) for some in values.values())
    return ways


def _valued(by_slot: Mapping[int, Sequence[Candidate]], truth: Truth) -> dict[str, dict[int, dict[str, float]]]:
    """For each figure that candidates have: for each slot the value of each text."""
    names = {name for some in by_slot.values() for candidate in some for name in candidate.scores}
    found = {
        name: {
            slot: {c.text: c.scores[name] for c in some}
            for slot, some in by_slot.items() if all(name in c.scores for c in some)
        }
        for name in sorted(names)
    }  # fmt: skip
    found |= truth.values({slot: [candidate.text for candidate in some] for slot, some in by_slot.items()})
    return {name: values for name, values in found.items() if values}
