"""What an evaluation leaves on disk: `scores.json`, `predictions.json`, and the page `index.html`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vdesc.files import write_atomic

from .cases import Case
from .evaluation import Evaluation
from .page import page

SCORES, PREDICTIONS, PAGE = "scores.json", "predictions.json", "index.html"


def write_predictions(cases: Sequence[Case], folder: Path) -> Path:
    """`predictions.json`: `{id: [the chosen caption, the other candidates]}`. Raises `OutputError`."""
    said = {
        case.id: [case.chosen, *(text for text in case.candidates if text != case.chosen)] for case in cases
    }  # fmt: skip
    return _write(folder / PREDICTIONS, _json(said))


def write_scores(evaluation: Evaluation, folder: Path) -> list[Path]:
    """`scores.json`, with how every figure was computed, and the page. Raises `OutputError`."""
    return [_write(folder / SCORES, _json(document(evaluation))), _write(folder / PAGE, page(evaluation))]


def document(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as plain values."""
    items: dict[str, dict[str, float]] = {case.id: {} for case in evaluation.cases}
    for figure in evaluation.figures:
        for key, value in figure.items.items():
            items[key][figure.name] = round(value, 6)
    return {
        "figures": {f.name: {"label": f.label, "value": f.value, "how": f.how} for f in evaluation.figures},
        "choices": {name: {f.name: f.value for f in figures} for name, figures in evaluation.choices.items()},
        "items": items,
        "rejects": dict(evaluation.rejects),
        "made": dict(evaluation.made),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def _write(path: Path, text: str) -> Path:
    return write_atomic(path, text.encode("utf-8", "replace"))  # halves of characters cannot be written
