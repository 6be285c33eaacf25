"""A captioner at work on a caption table, through its plugin's interface alone: so is it used, so is it measured."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

from vdesc.crew import Crew, blamed
from vdesc.data import Candidate, Keyframe, Picture, Shot, Slot, Span
from vdesc.errors import PluginError, VdescError
from vdesc.pipeline import CHUNK
from vdesc.ranking import choose
from vdesc.similarity import tokens
from vdesc.stages import sound

from .cases import Case, Gathered
from .table import Item

LENGTH = 1000
"""Milliseconds of the slot of an item: captioners know films, so the items follow each other as its shots."""

Report = Callable[[int], None]


def caption(crew: Crew, folder: Path, items: Sequence[Item], n: int, report: Report = lambda done: None) -> Gathered:
    """What the crew's captioner says of the items, and what the ranking chooses of it.

    An item without pictures or references, or whose picture cannot be read, is a reject. One of which the captioner
    says nothing is a case with an empty caption, which counts as a bad one.

    Args:
        crew: a captioner, and rankers where there are some.
        n: how many captions are asked for.
        report: is told how many items are done.
    Raises:
        PluginError: a plugin failed, and not because of a picture.
    """
    rejects = {item.id: reason for item in items if (reason := _unfit(item))}
    items = [item for item in items if item.id not in rejects]
    slots, cases, languages = slots_of(folder, items), [], Counter[str]()
    for start in range(0, len(slots), CHUNK):
        some = slots[start : start + CHUNK]
        try:
            candidates = _judged(crew, some, n)
        except VdescError:
            broken = {slot.index: reason for slot in some if (reason := _unreadable(slot))}
            if not broken:
                raise
            rejects |= {items[index].id: reason for index, reason in broken.items()}
            some = [slot for slot in some if slot.index not in broken]
            candidates = _judged(crew, some, n)
        cases += _cases(crew, some, items, candidates)
        languages.update(candidate.language for candidate in candidates)
        report(start + len(some))
    return Gathered(cases, rejects, max(languages, key=languages.__getitem__, default=""))


def _unfit(item: Item) -> str:
    return "it has no picture" if not item.images else "" if item.captions else "it has no reference"


def slots_of(folder: Path, items: Sequence[Item]) -> list[Slot]:
    """The items as slots that follow each other, with their pictures as keyframes."""
    number, slots = count(), []
    for index, item in enumerate(items):
        span, share = Span(index * LENGTH, (index + 1) * LENGTH), LENGTH / len(item.images)
        frames = (
            Keyframe(next(number), span.start + int((i + 0.5) * share), Shot(index, span), Picture(folder / name))
            for i, name in enumerate(item.images)
        )
        slots.append(Slot(index, span, tuple(frames)))
    return slots


def _judged(crew: Crew, slots: Sequence[Slot], n: int) -> Sequence[Candidate]:
    """What the captioner proposes, with every ranker's number among its scores."""
    (captioner,) = crew.captioners
    with blamed(captioner, "failed"):
        candidates = sound(captioner, slots, crew.ready(captioner).propose(slots, n) if slots else (), n)
    for ranker in crew.rankers:
        with blamed(ranker, "failed"):
            numbers = [float(number) for number in crew.ready(ranker).score(slots, candidates)]
        if len(numbers) != len(candidates):
            raise PluginError(f"{ranker.name} gave {len(numbers)} scores for {len(candidates)} candidates")
        candidates = tuple(
            replace(candidate, scores={**candidate.scores, ranker.name: min(1.0, max(0.0, number))})
            for candidate, number in zip(candidates, numbers, strict=True)
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
