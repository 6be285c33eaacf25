"""A comparison as tables for the terminal: figures, costs, what ranking wins, and what may be chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from rich.table import Table
from rich.text import Text

from .comparison import Column, Comparison
from .figures import described, title

WIDEST = 36
"""Characters of a column: an error takes more lines, not more room."""


def tables(comparison: Comparison) -> Iterator[Table]:
    """The figures and costs of all columns, and what ranking wins where there was a choice."""
    table = Table("")
    for column in comparison.columns:
        table.add_column(Text(column.label), justify="right", max_width=WIDEST, overflow="fold")
    for name in described(name for column in comparison.columns for name in column.scores):
        table.add_row(title(name), *marked(comparison, name))
    if agreeing := _agreeing(comparison):
        table.add_row("Agreement with the others", *agreeing)
    table.add_section()
    for name, values in _costs(comparison.columns):
        table.add_row(name, *values)
    if any(column.error for column in comparison.columns):
        table.add_section()
        table.add_row("Error", *(Text(column.error, "red", justify="left") for column in comparison.columns))
    yield table
    if comparison.choices:
        shown = list(described(comparison.choices["random"]))
        choice = Table("Choosing among all")
        for name in shown:
            choice.add_column(title(name), justify="right")
        for way, means in comparison.choices.items():
            choice.add_row(way, *(f"{means[name]:.3f}" for name in shown))
        yield choice


def marked(comparison: Comparison, name: str) -> list[str]:
    """The values of a figure; the best has a star where it is ahead of all others by more than chance."""
    columns = comparison.columns
    values = [column.scores.get(name) for column in columns]
    best = _best(comparison, name)
    return [
        f"* {shown}" if column.label == best else shown for column, shown in zip(columns, _even(values), strict=True)
    ]


def verdict(comparison: Comparison) -> str:
    """What the stars mean, or that there are none as all may be chance; "" where nothing could be held side by side."""
    if not any(described([d.figure])[d.figure]["better"] for d in comparison.differences):
        return ""
    how = f"95 %, paired bootstrap over {len(comparison.scene.slots)} slots"
    if any(_best(comparison, name) for name in {d.figure for d in comparison.differences}):
        return f"* ahead of all others by more than chance ({how})"
    return f"None is ahead of all others by more than chance ({how})"


def _best(comparison: Comparison, name: str) -> str:
    """The label of the column that is better than each other by more than chance, or ""."""
    values = {column.label: column.scores[name] for column in comparison.columns if name in column.scores}
    better = described([name])[name]["better"]
    if len(values) < 2 or not better:
        return ""
    best = (min if better == "lower" else max)(values, key=values.__getitem__)
    rivals = [d for d in comparison.differences if d.figure == name and best in (d.first, d.second)]
    return best if len(rivals) == len(values) - 1 and not any(d.noise for d in rivals) else ""


def _even(values: Sequence[float | None]) -> list[str]:
    """Numbers with as many decimals as the largest of them needs to show three figures."""
    most = max((abs(value) for value in values if value is not None), default=0)
    decimals = 0 if most >= 100 else 1 if most >= 10 else 2 if most > 1 else 3
    return ["-" if value is None else f"{value:.{decimals}f}" for value in values]


def _agreeing(comparison: Comparison) -> list[str]:
    """For each column how alike its picks are to those of the others that said something."""
    spoke = [i for i, column in enumerate(comparison.columns) if any(column.picks)]
    if len(spoke) < 2 or not comparison.agreement:
        return []
    means = {i: fmean(comparison.agreement[i][j] for j in spoke if j != i) for i in spoke}
    return _even([means.get(i) for i in range(len(comparison.columns))])


def _costs(columns: Sequence[Column]) -> Iterator[tuple[str, list[str]]]:
    costs = [column.cost if column.cost.slots else None for column in columns]
    yield "Seconds a slot", [f"{sum(c.slots) / len(c.slots) / 1000:.3f}" if c else "-" for c in costs]
    yield "Seconds in all", [f"{c.propose / 1000:.2f}" if c else "-" for c in costs]
    yield "Seconds to load", [f"{c.load / 1000:.2f}" if c else "-" for c in costs]
    yield "Tokens a second", [f"{c.tokens_per_second:.0f}" if c and c.tokens else "-" for c in costs]
    yield "Peak memory, MB", [f"{c.memory / 1e6:.0f}" if c and c.memory else "-" for c in costs]
    yield "Parameters, millions", [f"{c.parameters / 1e6:.1f}" if c and c.parameters else "-" for c in costs]
    yield "Device", [c.device if c else "-" for c in costs]
