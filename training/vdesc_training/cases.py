"""The noun of an evaluation: one item, what was said of it, and what should have been."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vdesc.data import Finding
from vdesc.errors import InputError

from .caption_files import read_items, read_predictions, read_references
from .table import TABLE


@dataclass(frozen=True, slots=True)
class Case:
    """One item and what was said of it.

    Args:
        id: of the item.
        chosen: the caption that is measured; "" where nothing was said.
        candidates: all captions that were proposed, the captioner's first one first.
        references: what people said, at least one.
        pictures: what was shown, where it is known.
        scores: the numbers, 0..1, that rankers gave the chosen caption, by ranker.
    """

    id: str
    chosen: str
    candidates: tuple[str, ...]
    references: tuple[str, ...]
    pictures: tuple[Path, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The cases of an evaluation.

    Args:
        rejects: what could not become one: why, by id.
        language: of the captions, as a BCP 47 tag; "" where it is not known.
        findings: what the plugins had to say.
    """

    cases: Sequence[Case]
    rejects: Mapping[str, str]
    language: str = ""
    findings: Sequence[Finding] = ()


def from_files(predictions: Path, references: Path, split: str) -> Gathered:
    """The cases of two files; an id that stands in one file only is a reject, so that subsets can be measured.

    Raises:
        InputError: a file cannot be used (see `caption_files`), or the two have no id in common.
    """
    said, truth = read_predictions(predictions), read_references(references, split)
    pictures = _pictures(references, split)
    cases = [
        Case(key, texts[0], tuple(texts), tuple(truth[key]), pictures.get(key, ()))
        for key, texts in said.items()
        if truth.get(key)
    ]
    if not cases:
        raise InputError(
            f"{predictions} and {references} have no id in common ('{next(iter(said))}' against "
            f"'{next(iter(truth))}'): give files of one data set"
        )
    rejects = {key: f"not in {references.name}" for key in said if key not in truth}
    rejects |= {key: f"not in {predictions.name}" for key in truth if key not in said}
    return Gathered(cases, rejects | {key: "it has no reference" for key in said if key in truth and not truth[key]})


def _pictures(references: Path, split: str) -> dict[str, tuple[Path, ...]]:
    if not (references / TABLE).is_file():
        return {}
    return {item.id: tuple(references / name for name in item.images) for item in read_items(references, split)}
