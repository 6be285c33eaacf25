"""The writer `html`: the page of one run. It may know the nouns, a comparison, and the page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

from vdesc import Candidate, Cue, Description, Slot, Writer
from vdesc.document import target

from .comparison import Column, Comparison, Cost


class Html(Writer):
    """A page to look at: video, captions with runners-up and the reason for each choice, evidence; opens from disk."""

    name = "html"
    extension = ".html"

    def write(self, description: Description, folder: Path) -> Path:
        """`<video>.html`; it names the video relative to itself."""
        from .page import write_page

        return write_page(of_run(description), target(description, folder, self.extension))


def of_run(description: Description) -> Comparison:
    """A run as a comparison: a column for each captioner with its scored candidates; the scene has the final cues."""
    judged = _judged(description)
    sources = dict.fromkeys(candidate.source for candidate in judged)
    columns = tuple(
        _column(source, [c for c in judged if c.source == source], description, len(sources) == 1) for source in sources
    )
    return Comparison(description, columns)


def _judged(description: Description) -> list[Candidate]:
    """Every candidate in order of slots, with the scores that its choice went by where it reached a cue."""
    scored = {_name(c): c for cue in description.cues for c in (cue.chosen, *cue.runners_up)}
    every = {_name(c): c for c in description.candidates} | scored
    return sorted(every.values(), key=lambda candidate: candidate.slot)


def _name(candidate: Candidate) -> tuple[int, str, str]:
    return candidate.slot, candidate.source, candidate.text


def _column(source: str, candidates: list[Candidate], description: Description, alone: bool) -> Column:
    finals = {_name(cue.chosen) for cue in description.cues}
    picks = tuple(_pick(slot, candidates, finals) for slot in description.slots)
    ordered = sorted(candidates, key=lambda c: (c.slot, -c.scores.get("total", 0.0)))
    names = dict.fromkeys(name for pick in picks if pick for name in pick.scores)
    each = {name: tuple(pick.scores.get(name) if pick else None for pick in picks) for name in names}
    return Column(
        label=source,
        plugin=source,
        options=description.settings.get("options", {}).get(source, {}),
        candidates=tuple(ordered),
        picks=picks,
        cues=_cues(source, description.cues),
        cost=Cost(propose=description.timings.get("propose", 0) if alone else 0),
        scores={name: fmean(v for v in values if v is not None) for name, values in each.items()},
        slot_scores=each,
    )


def _pick(slot: Slot, candidates: Iterable[Candidate], finals: set[tuple[int, str, str]]) -> Candidate | None:
    """What the ranking chose of a captioner's candidates: the final one, else the one with the highest total."""
    mine = [candidate for candidate in candidates if candidate.slot == slot.index]
    return max(mine, key=lambda c: (_name(c) in finals, c.scores.get("total", 0.0)), default=None)


def _cues(source: str, cues: Iterable[Cue]) -> tuple[Cue, ...]:
    return tuple(cue for cue in cues if cue.chosen.source == source)
