"""How much a question may hold: written beside a trained model, so that inference asks as training did. Light."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from vdesc import ModelError, write_atomic

FILE = "selector.json"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a question may hold.

    Args:
        tokens: of the whole question.
        evidence_tokens: of these for evidence, where the candidates leave so many.
        most: candidates in one question; more are judged in groups.
    """

    tokens: int = 1024
    evidence_tokens: int = 256
    most: int = 9

    def but(self, **given: int | None) -> Limits:
        """These limits with those in their place that are given."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})


def read_limits(folder: Path) -> Limits:
    """The limits that a model was trained with; the defaults where its folder does not tell. Raises `ModelError`."""
    path = folder / FILE
    if not path.is_file():
        return Limits()
    names = [field.name for field in fields(Limits)]
    try:
        said = json.loads(path.read_bytes())
        values = {name: said[name] for name in names}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"selector: {path} must hold {', '.join(names)}: train the model again") from error
    if any(type(value) is not int or value < 0 for value in values.values()):
        raise ModelError(f"selector: the values in {path} must be whole numbers: train the model again")
    return Limits(**values)


def write_limits(limits: Limits, folder: Path) -> None:
    """Writes the limits beside a model."""
    write_atomic(folder / FILE, json.dumps(asdict(limits), indent=1) + "\n")
