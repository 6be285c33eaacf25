"""A comparison as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from vdesc import document
from vdesc.files import write_atomic

from .comparison import Comparison
from .figures import described

VERSION = "1.0"
T = TypeVar("T")


def to_json(comparison: Comparison) -> dict[str, Any]:
    """All of a comparison as plain values; times are milliseconds, memory is bytes."""
    made = {key: value for key, value in document.encode(Comparison, comparison).items() if key != "scene"}
    for difference, row in zip(comparison.differences, made["differences"], strict=True):
        row["noise"] = difference.noise
    return {"comparison_version": VERSION, "scene": json.loads(document.dump(comparison.scene)), **made}


def write_json(comparison: Comparison, path: Path) -> Path:
    """`path`, holding `to_json`. Raises `OutputError`."""
    return write_atomic(path, json.dumps(to_json(comparison), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(comparison: Comparison, path: Path) -> Path:
    """`path`, holding a row for each slot and captioner: times in seconds, what it said, what that scored and took.

    A text that a spreadsheet would take for a formula is led by an apostrophe. Raises `OutputError`.
    """
    names = list(described(name for column in comparison.columns for name in column.slot_scores))
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(["slot", "start", "end", "captioner", "text", *names, "seconds", "error"])
    for i, slot in enumerate(comparison.scene.slots):
        for column in comparison.columns:
            pick, took = _at(column.picks, i), _at(column.cost.slots, i)
            scores = [_at(column.slot_scores.get(name, ()), i) for name in names]
            rows.writerow([
                slot.index, f"{slot.span.start / 1000:.3f}", f"{slot.span.end / 1000:.3f}", _plain(column.label),
                _plain(pick.text if pick else ""), *("" if score is None else f"{score:.4f}" for score in scores),
                "" if took is None else f"{took / 1000:.3f}", _plain("" if pick else column.error),
            ])  # fmt: skip
    return write_atomic(path, "\ufeff" + file.getvalue())


def _at(values: Sequence[T], i: int) -> T | None:
    """The value at a place; None behind the end."""
    return values[i] if i < len(values) else None


def _plain(text: str) -> str:
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t")) else text
