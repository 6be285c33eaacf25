"""What lies in files: the lexicon, shipped and the person's own, and the table of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vdesc import SettingsError
from vdesc.errors import nearest

from .lexicon import SECTIONS, Lexicon

HERE = Path(__file__).parent


class Rarity(NamedTuple):
    """Of one label: the share of captions in general that name it, and of those where a detector then finds it."""

    share: float
    found: float


UNKNOWN = Rarity(0.01, 0.5)
"""For a label that the table does not hold."""


def rarities() -> dict[str, Rarity]:
    """The table of the 80 labels of COCO, by label. `python benchmarks/grounding.py --table` makes it."""
    rows = (HERE / "labels.tsv").read_text(encoding="utf-8").splitlines()
    cells = (row.split("\t") for row in rows if not row.startswith("#"))
    return {label: Rarity(float(share), float(found)) for label, share, found in cells}


def sections(own: Path | None = None) -> dict[str, dict[str, Any]]:
    """The shipped lexicon's sections by language, with the words of the person's own file added.

    Raises:
        SettingsError: the file cannot be read, or is not laid out as a lexicon.
    """
    shipped = _read(HERE / "lexicon.yaml")
    for language, section in (_read(own) if own else {}).items():
        mine = shipped.setdefault(language, {})
        for name, words in section.items():
            mine[name] = _added(mine.get(name), words)
    return shipped


def lexicon(found: Mapping[str, Mapping[str, Any]], language: str) -> Lexicon:
    """The lexicon of a language (BCP 47): its own, else that of its first subtag, else one without words."""
    return Lexicon(found.get(language) or found.get(language.split("-")[0].lower()) or {})


def _read(path: Path) -> dict[str, dict[str, Any]]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).partition("\n")[0]
        raise SettingsError(f"grounding: the lexicon {path} cannot be read: {reason}") from error
    if not isinstance(found, dict) or not all(isinstance(section, dict) for section in found.values()):
        raise SettingsError(f"grounding: the lexicon {path} must hold sections by language, as in en: objects: ...")
    for language, section in found.items():
        for name, words in section.items():
            _check(path, language, name, words)
    return {str(language): section for language, section in found.items()}


def _check(path: Path, language: str, name: Any, words: Any) -> None:
    if name not in SECTIONS:
        raise SettingsError(
            f"grounding: the lexicon {path} has '{name}' under {language} ({nearest(str(name), SECTIONS)})"
        )
    table = isinstance(words, dict)
    if table != SECTIONS[name] or not all(isinstance(w, str | int) for w in (words.values() if table else [words])):
        form = "labels, each with its words" if SECTIONS[name] else "words with commas between them"
        raise SettingsError(f"grounding: the lexicon {path} must hold {form} under {language}: {name}")


def _added(old: Any, new: Any) -> Any:
    if isinstance(new, dict):
        return (old or {}) | {label: _added((old or {}).get(label), words) for label, words in new.items()}
    return f"{old}, {new}" if isinstance(old, str) else new
