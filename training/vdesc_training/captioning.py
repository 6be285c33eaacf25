"""A captioner at work on a caption table, through the engine's own stages: so is it used, so is it measured."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from vdesc.cache import key
from vdesc.crew import Crew
from vdesc.data import Candidate, Keyframe, Picture, Shot, Slot, Span, Video
from vdesc.errors import VdescError
from vdesc.files import digest
from vdesc.media import Photo
from vdesc.pipeline import CHUNK
from vdesc.ranking import choose
from vdesc.record import Findings
from vdesc.similarity import tokens
from vdesc.stages import judged, proposed

from .cases import Case, Gathered
from .table import Item

LENGTH = 1000
"""Milliseconds that photos are shown."""

Report = Callable[[int], None]


def caption(crew: Crew, folder: Path, items: Sequence[Item], n: int, report: Report = lambda done: None) -> Gathered:
    """What the crew's captioner says of the items, and what the ranking chooses of it.

    An item without pictures or references, or whose picture cannot be read, is a reject. One of which the captioner
    says nothing is a case with an empty caption, which counts as a bad one. What is done is kept in the crew's cache,
    chunk by chunk: a call after one that was stopped asks for the rest only.

    Args:
        crew: a captioner, and rankers where there are some.
        n: how many captions are asked for.
        report: is told how many items are done.
    Raises:
        PluginError: a plugin failed, and not because of a picture.
    """
    rejects = {item.id: reason for item in items if (reason := _unfit(item))}
    items = [item for item in items if item.id not in rejects]
    slots, cases, languages, findings = slots_of(folder, items), [], Counter[str](), Findings()
    for start in range(0, len(slots), CHUNK):
        some = slots[start : start + CHUNK]
        try:
            candidates = _judged(crew, folder, some, n, findings)
        except VdescError:
            broken = {slot.index: reason for slot in some if (reason := _unreadable(slot))}
            if not broken:
                raise
            rejects |= {items[index].id: reason for index, reason in broken.items()}
            some = [slot for slot in some if slot.index not in broken]
            candidates = _judged(crew, folder, some, n, findings)
        cases += _cases(crew, some, items, candidates)
        languages.update(candidate.language for candidate in candidates)
        report(start + len(some))
    return Gathered(cases, rejects, max(languages, key=languages.__getitem__, default=""), tuple(findings.all))


def _unfit(item: Item) -> str:
    return "it has no picture" if not item.images else "" if item.captions else "it has no reference"


def slots_of(folder: Path, items: Sequence[Item]) -> list[Slot]:
    """The items as slots, with their pictures as keyframes; captioners know films, so they follow as its shots."""
    number, slots, start = count(), [], 0
    for index, item in enumerate(items):
        length, times = moments(item)
        shown = Picture if item.video else Photo  # frames are upright, photos may have to be turned
        span = Span(start, start + length)
        frames = (
            Keyframe(next(number), start + at, Shot(index, span), shown(folder / name))
            for at, name in zip(times, item.images, strict=True)
        )
        slots.append(Slot(index, span, tuple(frames)))
        start = span.end
    return slots


def moments(item: Item) -> tuple[int, tuple[int, ...]]:
    """How long an item lasts, and when its pictures are, in milliseconds from where it starts.

    A video's keyframes bear their time as their name (`frames.Keyframes`); other pictures share `LENGTH` evenly.
    """
    names = [Path(name).stem for name in item.images]
    if not (names and item.video and all(name.isdecimal() for name in names)):
        return LENGTH, tuple(int((i + 0.5) * LENGTH / len(names)) for i in range(len(names)))
    start, end = item.span or (0, 0)
    times = tuple(max(0, int(name) - start) for name in names)
    return max(LENGTH, end - start, *(at + 1 for at in times)), times


def _judged(crew: Crew, folder: Path, slots: Sequence[Slot], n: int, findings: Findings) -> Sequence[Candidate]:
    """What the captioner proposes, with every ranker's number among its scores; from the cache what lies there."""
    if not slots:
        return ()
    pictures = key([digest(keyframe.image.path) for slot in slots for keyframe in slot.keyframes])
    film = Video(folder, pictures, Span(slots[0].span.start, slots[-1].span.end), None, 0, 0)
    (captioner,) = crew.captioners
    candidates = findings.of(proposed(film, slots, crew, captioner, n))
    for ranker in crew.rankers:
        judgements = findings.of(judged(film, slots, candidates, crew, ranker))
        candidates = tuple(
            replace(candidate, scores={**candidate.scores, ranker.name: judgement.score})
            for candidate, judgement in zip(candidates, judgements, strict=True)
        )
    return candidates


def _unreadable(slot: Slot) -> str:
    for keyframe in slot.keyframes:
        try:
            keyframe.pixels()
        except Exception as error:  # whatever is wrong with a picture
            return f"its picture cannot be read ({type(error).__name__})"
    return ""


def _cases(crew: Crew, slots: Sequence[Slot], items: Sequence[Item], candidates: Sequence[Candidate]) -> list[Case]:
    said: dict[int, list[Candidate]] = {slot.index: [] for slot in slots}
    for candidate in candidates:
        said[candidate.slot].append(candidate)
    return [_case(crew, slot, items[slot.index], said[slot.index]) for slot in slots]


def _case(crew: Crew, slot: Slot, item: Item, said: Sequence[Candidate]) -> Case:
    """The engine's own choice; each item is chosen for alone, since photos of a data set tell no story."""
    pictures = tuple(keyframe.image.path for keyframe in slot.keyframes)
    case = Case(item.id, "", tuple(candidate.text for candidate in said), item.captions, pictures)
    cues = choose([slot], said, crew.settings.ranking.weights, tokens)
    if not cues:
        return case
    scores = {ranker.name: cues[0].chosen.scores[ranker.name] for ranker in crew.rankers}
    return replace(case, chosen=cues[0].text, scores=scores)
