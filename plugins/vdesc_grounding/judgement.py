"""The formula: what a text names against what a slot holds. Its parts and numbers stand in `Grounding`'s docstring."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from vdesc import Evidence

from .lexicon import Mention, Reading, tokens
from .scene import Scene, Watch
from .tables import UNKNOWN, Rarity

BOUNDS = {"things": 6.0, "counts": 1.0, "words": 3.0, "signs": 2.0}
COUNTED = 0.5
QUOTED, MISQUOTED, WORD = 2.0, 1.0, 0.5
NAME, SIGN = 2.0, 1.0
HEARD = 0.5
"""How much speech supports beside text in the picture: what is talked about need not be in sight."""
MISREAD = 0.8
"""From which likeness on a word that OCR read may be another one that it misread."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How well a text rests on evidence, 0..1, and on which."""

    score: float
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """What one thing that a text says adds to a part, and the evidence that supports it."""

    part: str
    value: float
    evidence: tuple[Evidence, ...] = ()


def judge(reading: Reading, scene: Scene, watch: Watch, rarities: Mapping[str, Rarity], absence: float) -> Judgement:
    """How a text stands to a slot's evidence."""
    objects = _objects(reading, scene, watch, rarities)
    points = [
        *_things(objects, scene, watch, rarities, absence),
        *_words(reading, scene, watch),
        *_signs(reading, scene),
    ]
    x = 0.0
    for part, bound in BOUNDS.items():
        x += bound * math.tanh(math.fsum(point.value for point in points if point.part == part) / bound)
    evidence = {id(found): found for point in points for found in point.evidence}.values()
    return Judgement(1 / (1 + math.exp(-x)), tuple(sorted(evidence, key=lambda e: (e.span, e.kind, e.value))))


def _objects(reading: Reading, scene: Scene, watch: Watch, rarities: Mapping[str, Rarity]) -> list[Mention]:
    """The objects that a text names, the surest and narrowest first; labels that the table lacks by their own words."""
    foreign = sorted((watch.labels | set(scene.labels("object"))) - rarities.keys())
    own = [Mention("object", frozenset([label])) for label in foreign if reading.says(tokens(label))]
    mentions = dict.fromkeys(m for m in (*reading.mentions, *own) if m.kind == "object")
    return sorted(mentions, key=lambda m: (not m.sure, len(m.labels), sorted(m.labels), -m.count))


def _things(
    objects: Sequence[Mention], scene: Scene, watch: Watch, rarities: Mapping[str, Rarity], absence: float
) -> Iterator[Point]:
    """What is gained by things seen and lost by things not seen. What several words name counts once."""
    named: set[str] = set()
    for mention in objects:
        rest = mention.labels - named
        seen = _found(scene, "object", rest)
        known = [rarities.get(label, UNKNOWN) for label in mention.labels]
        if seen:
            gain = -math.log(min(0.9, math.fsum(rarity.share for rarity in known)))
            yield Point("things", _confidence(seen) * gain, seen)
            if mention.count and len(mention.labels) == 1:
                yield Point("counts", _agreement(mention, scene.count(seen)))
        elif mention.sure and rest == mention.labels <= watch.labels:
            yield Point("things", absence * math.log(1 - min(rarity.found for rarity in known)))
        named |= rest if mention.sure else {label for label in rest if _found(scene, "object", [label])}


def _agreement(mention: Mention, seen: int) -> float:
    """How a number of things agrees with how many were seen, -COUNTED to COUNTED."""
    off = max(0, mention.count - seen) if mention.or_more else abs(mention.count - seen)
    return COUNTED * (1 - 2 * min(1.0, off / mention.count))


def _words(reading: Reading, scene: Scene, watch: Watch) -> Iterator[Point]:
    """What is gained by words that were read or heard, and lost by quotes and numbers that were not."""
    for forms in reading.words:
        best, evidence = _worded(scene, forms)
        if best:
            yield Point("words", WORD * best, evidence)
    for quote in reading.quotes:
        yield from _quoted(tokens(quote), scene, watch)
    for number in reading.numbers:  # one digit may count what the lexicon has no word for
        yield from _quoted([number], scene, watch if len(number) > 1 else Watch())


def _quoted(words: Sequence[str], scene: Scene, watch: Watch) -> Iterator[Point]:
    """The point of words that a text says stand there or were said."""
    found = [_nearly(scene, word) for word in words]
    if found:
        held = math.fsum(best for best, _ in found) / len(found)
        missed = sum(not best for best, _ in found) / len(found) if watch.reading else 0
        evidence = tuple(one for _, some in found for one in some)
        yield Point("words", QUOTED * held - MISQUOTED * missed, evidence)


def _nearly(scene: Scene, word: str) -> tuple[float, tuple[Evidence, ...]]:
    """How surely a word was read or heard, where it may have been misread; digits count only as they are."""
    exact = _worded(scene, [word])
    if len(word) < 4 or word.isdecimal():
        return exact
    likely = {other: _alike(word, other) for other in scene.worded if other != word}
    near = [
        (likeness * found[0], found[1]) for other, likeness in likely.items() for found in [_worded(scene, [other])]
    ]
    return max(exact, *near, key=lambda found: found[0]) if near else exact


@lru_cache(1 << 16)
def _alike(word: str, other: str) -> float:
    """How likely the word is what was read as the other, 0..1: misread letters, or spaces that were lost."""
    if word in other:
        return MISREAD
    matcher = SequenceMatcher(None, word, other, autojunk=False)
    if matcher.real_quick_ratio() < MISREAD or matcher.quick_ratio() < MISREAD:
        return 0.0
    return ratio if (ratio := matcher.ratio()) >= MISREAD else 0.0


def _signs(reading: Reading, scene: Scene) -> Iterator[Point]:
    """What is gained by naming a known face, a sound that was heard, an expression that was seen."""
    for name in scene.labels("face"):
        if reading.says(tokens(name)):
            seen = _found(scene, "face", [name])
            yield Point("signs", NAME * _confidence(seen), seen)
    for kind in ("sound", "expression"):
        named = frozenset(label for m in reading.mentions if m.kind == kind for label in m.labels)
        for label in scene.labels(kind):
            if label in named or any(reading.says(tokens(part)) for part in label.split(",")):
                found = _found(scene, kind, [label])
                yield Point("signs", SIGN * _confidence(found), found)


def _found(scene: Scene, kind: str, labels: Iterable[str]) -> tuple[Evidence, ...]:
    return tuple(found for label in labels for found in scene.labelled.get((kind, label), ()))


def _worded(scene: Scene, forms: Iterable[str]) -> tuple[float, tuple[Evidence, ...]]:
    """How surely a word in any of its forms was read or heard, and where."""
    evidence = tuple(found for form in forms for found in scene.worded.get(form, ()))
    return max((_sure(e) * (HEARD if e.kind == "speech" else 1.0) for e in evidence), default=0.0), evidence


def _confidence(evidence: Iterable[Evidence]) -> float:
    return max((_sure(found) for found in evidence), default=0.0)


def _sure(evidence: Evidence) -> float:
    return min(1.0, max(0.0, evidence.confidence))
