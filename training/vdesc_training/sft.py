"""Rows that teach a selector: candidates, the evidence to go by, and how near each candidate is to what is true.

A file of JSON lines, which `vdesc data sft` writes and `vdesc train selector` reads.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vdesc import Context, Evidence, InputError, Span
from vdesc.errors import ModelError
from vdesc.files import replacing
from vdesc.ranking import Similarity
from vdesc.similarity import similarity

from .splits import SPLITS

KOREAN = "snunlp/KR-SBERT-V40K-klueNLI-augSTS"
"""The sentence model for Korean, where it is on disk."""
VOTES = "votes"
"""The measure of votes: the chosen sentence is true, no other is."""
NOWHEN = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """A slot with its candidates.

    Args:
        similarities: of each candidate, 0..1, how near it is to the truth.
        measure: what measured them: `tokens`, a sentence model, or people's `votes`.
        places: of each candidate, its place among what its captioner said, best first, from 1; () where unknown.
    """

    id: str
    split: str
    language: str
    context: Context
    candidates: tuple[str, ...]
    similarities: tuple[float, ...]
    measure: str
    places: tuple[int, ...] = ()

    @property
    def best(self) -> int:
        """The first of the candidates that are nearest to the truth."""
        return self.similarities.index(max(self.similarities))


@dataclass(frozen=True, slots=True)
class Example:
    """A slot with its candidates, and the sentences that are true of it."""

    id: str
    split: str
    language: str
    context: Context
    candidates: tuple[str, ...]
    truth: tuple[str, ...]
    places: tuple[int, ...] = ()

    def wrong(self) -> str:
        """Why no row can be made of it, or ""."""
        if not self.truth:
            return "no truth for it"
        return "fewer than two different candidates" if len(self.candidates) < 2 else ""


def judged(examples: Sequence[Example], measure: str) -> list[Row]:
    """A row for each example that is not wrong, by the nearest of its true sentences.

    Args:
        measure: `auto`, `tokens`, `VOTES`, or a sentence model by folder or hub id. For `auto` all examples of a
            language are measured by its sentence model where that is on disk, else by the words that sentences share.
    Raises:
        ModelError: a model was named but cannot be loaded.
    """
    rows: dict[int, Row] = {}
    for language in dict.fromkeys(example.language for example in examples):
        mine = [i for i, e in enumerate(examples) if e.language == language and not e.wrong()]
        texts = [text for i in mine for text in (*examples[i].candidates, *examples[i].truth)]
        name, similar = _prepared(measure, language, texts)
        rows |= {i: _row(examples[i], name, similar) for i in mine}
    return [rows[i] for i in sorted(rows)]


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """The number of rows written; an old file stays until the new one is whole. Raises `OutputError`."""
    count = 0
    with replacing(path) as partial, partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(_plain(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file. Raises `InputError`: there is none, or a line is damaged."""
    if not path.is_file():
        raise InputError(f"there is no file of rows {path}: make one with `vdesc data sft`")
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            try:
                yield _read(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise InputError(
                    f"line {number} of {path} is no row for a selector ({error}): make it again with `vdesc data sft`"
                ) from error


def _prepared(measure: str, language: str, texts: Sequence[str]) -> tuple[str, Similarity]:
    """The measure's name, and the measure for these texts; see `judged`."""
    if measure == VOTES:
        return VOTES, lambda text, true: float(text == true)
    primary = language.lower().split("-")[0]
    if measure == "auto" and primary != "en":
        measure = KOREAN if primary == "ko" else "tokens"
        try:
            name, prepare = similarity(measure)
            return name, prepare(texts)
        except ModelError:
            measure = "tokens"
    name, prepare = similarity(measure)
    return name, prepare(texts)


def _row(example: Example, name: str, similar: Similarity) -> Row:
    near = (max(similar(text, true) for true in example.truth) for text in example.candidates)
    return Row(
        example.id, example.split, example.language, example.context, example.candidates,
        tuple(round(number, 4) for number in near), name, example.places,
    )  # fmt: skip


def _plain(row: Row) -> dict[str, Any]:
    return {
        "id": row.id, "split": row.split, "language": row.language,
        "evidence": [_fact(evidence) for evidence in row.context.evidence], "candidates": row.candidates,
        "places": row.places, "similarities": row.similarities, "best": row.best, "measure": row.measure,
    }  # fmt: skip


def _fact(evidence: Evidence) -> dict[str, Any]:
    """What a prompt tells of evidence."""
    count = {"count": evidence.details["count"]} if "count" in evidence.details else {}
    return {"kind": evidence.kind, "value": evidence.value, "confidence": round(evidence.confidence, 4), **count}


def context_of(facts: Iterable[Mapping[str, Any]]) -> Context:
    """Facts {kind, value, confidence, perhaps count} as evidence. Raises `KeyError`, `ValueError`, `TypeError`."""
    found = (
        Evidence(
            str(fact["kind"]), NOWHEN, str(fact["value"]), float(fact["confidence"]), "sft", None,
            {"count": fact["count"]} if "count" in fact else {},
        )
        for fact in facts
    )  # fmt: skip
    return Context(tuple(found))


def _read(row: dict[str, Any]) -> Row:
    texts, near = tuple(map(str, row["candidates"])), tuple(map(float, row["similarities"]))
    if len(texts) != len(near) or len(set(texts)) < max(2, len(texts)):
        raise ValueError("it needs two or more different candidates, and a similarity of each")
    places = tuple(map(int, row.get("places", ())))
    if places and len(places) != len(texts):
        raise ValueError("it needs a place of each candidate, or of none")
    if row["split"] not in SPLITS:
        raise ValueError(f"its split is '{row['split']}'")
    return Row(
        str(row["id"]), row["split"], str(row.get("language", "en")), context_of(row.get("evidence", ())), texts, near,
        str(row.get("measure", "")), places,
    )  # fmt: skip
