"""The comparison: what several captioners say of one video, what it cost them, and how good it is. Nouns only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vdesc import Candidate, Cue, Description, Span


@dataclass(frozen=True, slots=True)
class Cost:
    """What a captioner took for all slots of a video. Times in milliseconds.

    Attributes:
        load: for making it ready: imports, weights.
        propose: for the words of all slots.
        slots: for each slot; those that were captioned in one batch share its time alike.
        tokens: of all candidates, by the captioner's own tokenizer, or about so many where it tells of none.
        memory: the most bytes that the process (on a GPU: torch) held at once meanwhile, beyond what it held before.
        parameters: of its model, where it tells.
    """

    load: float = 0.0
    propose: float = 0.0
    slots: tuple[float, ...] = ()
    tokens: int = 0
    memory: int | None = None
    device: str = "cpu"
    parameters: int | None = None

    @property
    def tokens_per_second(self) -> float:
        """Tokens of all candidates by the time they took; 0 where that was none."""
        return 1000 * self.tokens / self.propose if self.propose else 0.0


@dataclass(frozen=True, slots=True)
class Column:
    """A captioner with its settings, and all that it said.

    Attributes:
        label: as the person named it, as in `clipgpt@beam=5`; unique in a comparison, and the candidates' `source`.
        picks: for each slot the candidate that the ranking chose, or None where it said nothing.
        cues: the picks merged and timed, as subtitles.
        scores: figures over all slots, by name; those of `slot_scores` are their means.
        slot_scores: figures of each slot's pick, by name; None where there is none.
        error: why it said nothing, or not all; "" where all went well.
    """

    label: str
    plugin: str
    options: Mapping[str, Any] = field(default_factory=dict)
    candidates: tuple[Candidate, ...] = ()
    picks: tuple[Candidate | None, ...] = ()
    cues: tuple[Cue, ...] = ()
    cost: Cost = Cost()
    scores: Mapping[str, float] = field(default_factory=dict)
    slot_scores: Mapping[str, tuple[float | None, ...]] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two columns are apart in one figure, and whether that may be chance.

    `low` and `high` hold 95 % of the differences (first minus second) of a paired bootstrap over slots; it is `noise`
    where they hold 0.
    """

    figure: str
    first: str
    second: str
    value: float
    low: float
    high: float

    @property
    def noise(self) -> bool:
        """Whether other slots might have turned it round."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Reference:
    """What somebody said of a stretch of the video."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several captioners on the same keyframes, slots and evidence of one video.

    Attributes:
        scene: what they share: video, shots, keyframes, evidence, slots, findings; without candidates and cues in a
            comparison of captioners; with the final `cues` where it is made of one run.
        agreement: for each pair of columns how alike their picks are in the mean, 0..1; 1 on the diagonal.
        disagreement: for each slot how far the columns are apart, 0..1: 1 minus the mean likeness of their picks.
        choices: figures of choosing among all columns' candidates: at `random`, the `first`, the `ranked`, the
            `oracle`.
        similarity: the measure of likeness.
    """

    scene: Description
    columns: tuple[Column, ...]
    agreement: tuple[tuple[float, ...], ...] = ()
    disagreement: tuple[float, ...] = ()
    differences: tuple[Difference, ...] = ()
    references: tuple[Reference, ...] = ()
    choices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    similarity: str = ""
