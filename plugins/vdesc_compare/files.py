"""A comparison as JSON, CSV and a table for the terminal."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import document
from vdesc.files import write_atomic

from .comparison import Column, Comparison
from .figures import described, title

if TYPE_CHECKING:
    from rich.table import Table

VERSION = "1.0"


def figures(comparison: Comparison) -> list[str]:
    """The names of the figures that any column has, in the order in which they are shown."""
    return list(described(name for column in comparison.columns for name in column.scores))


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
    """`path`, holding a row for each slot and captioner: times in seconds, what it said, what that scored.

    A text that a spreadsheet would take for a formula is led by an apostrophe. Raises `OutputError`.
    """
    names = sorted({name for column in comparison.columns for name in column.slot_scores})
    file = io.StringIO()
    rows = csv.writer(file)
    rows.writerow(["slot", "start", "end", "captioner", "text", *names])
    for i, slot in enumerate(comparison.scene.slots):
        for column in comparison.columns:
            pick = column.picks[i] if i < len(column.picks) else None
            scores = [values[i] if (values := column.slot_scores.get(name)) else None for name in names]
            times = [f"{slot.span.start / 1000:.3f}", f"{slot.span.end / 1000:.3f}"]
            shown = ["" if score is None else f"{score:.4f}" for score in scores]
            rows.writerow([slot.index, *times, _plain(column.label), _plain(pick.text if pick else ""), *shown])
    return write_atomic(path, "\ufeff" + file.getvalue())


def _plain(text: str) -> str:
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t")) else text


def tables(comparison: Comparison) -> Iterator[Table]:
    """The figures and costs of all columns, and what ranking wins where there was a choice."""
    from rich.table import Table
    from rich.text import Text

    table = Table("")
    for column in comparison.columns:
        table.add_column(Text(column.label), justify="right")
    for name in figures(comparison):
        table.add_row(title(name), *_marked(comparison, name))
    table.add_section()
    for name, values in _costs(comparison.columns):
        table.add_row(name, *values)
    yield table
    if comparison.choices:
        shown = list(described(comparison.choices["random"]))
        choice = Table("choosing among all", *map(title, shown))
        for way, means in comparison.choices.items():
            choice.add_row(way, *(f"{means[name]:.3f}" for name in shown))
        yield choice


def _marked(comparison: Comparison, name: str) -> list[str]:
    """The values of a figure; the best has a star where it is better than each other by more than chance."""
    columns = comparison.columns
    values = {column.label: column.scores[name] for column in columns if name in column.scores}
    better = described([name])[name]["better"]
    best = (min if better == "lower" else max)(values, key=values.__getitem__) if values else ""
    rivals = [d for d in comparison.differences if d.figure == name and best in (d.first, d.second)]
    sure = len(rivals) == len(columns) - 1 > 0 and not any(d.noise for d in rivals)
    star = sure and better != ""
    return [
        f"{values[c.label]:.3f}{' *' if star and c.label == best else ''}" if c.label in values else "-"
        for c in columns
    ]


def _costs(columns: tuple[Column, ...]) -> Iterator[tuple[str, list[str]]]:
    costs = [column.cost for column in columns]
    yield "seconds a slot", [f"{sum(c.slots) / len(c.slots) / 1000:.3f}" if c.slots else "-" for c in costs]
    yield "seconds in all", [f"{c.propose / 1000:.2f}" for c in costs]
    yield "seconds to load", [f"{c.load / 1000:.2f}" for c in costs]
    yield "tokens a second", [f"{c.tokens_per_second:.0f}" if c.tokens else "-" for c in costs]
    yield "peak memory, MB", [f"{c.memory / 1e6:.0f}" if c.memory else "-" for c in costs]
    yield "parameters, millions", [f"{c.parameters / 1e6:.1f}" if c.parameters else "-" for c in costs]
    yield "device", [c.device for c in costs]
