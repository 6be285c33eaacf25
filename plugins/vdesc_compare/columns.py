"""What is asked to be compared: captioners with their settings, and the observers and rankers that all share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from vdesc import PluginError, SettingsError
from vdesc.registry import Registry, split
from vdesc.settings import assign

FORM = "option=value after the @, as in clipgpt@beam=5"
_PART = re.compile(r"""(?:'[^']*'|"[^"]*"|\[[^\]]*\]|\{[^}]*\}|[^,])+""")  # commas in quotes and brackets part nothing
_AT = re.compile(r"@(?=[^@=]+(?:=|$))")  # that of a value is followed by no other option
KEYS = ("plugin", "label", "options")


@dataclass(frozen=True, slots=True)
class Asked:
    """A captioner as the person asked for it: `spec` as in `clipgpt` or `clipgpt:MODEL`, and options of its own."""

    label: str
    spec: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plugin(self) -> str:
        """The plugin's name."""
        return split(self.spec)[0]


def asked(plugins: str, listed: Path | None, registry: Registry) -> tuple[list[Asked], tuple[str, ...]]:
    """The captioners to compare, and the observers and rankers that stand beside them.

    Args:
        plugins: names with commas; a captioner may have options, as in `clipgpt@beam=5@temperature=0.7`. A name that
            nobody knows is taken for a captioner, whose column then tells so.
        listed: a YAML list of more captioners: names as above, or `{plugin: clipgpt, label: wide, options: {beam: 5}}`.
    Raises:
        SettingsError: a text of another form, two captioners with one label, or none at all.
    """
    parts = [text for part in _PART.findall(plugins) if (text := part.strip())]
    kinds = {text: _kind(text, registry) for text in parts}
    captioners = [_parsed(text) for text in parts if kinds[text] == "captioner"]
    captioners += [_listed(row, listed) for row in _rows(listed)] if listed else []
    labels = [one.label for one in captioners]
    if double := next((label for label in labels if labels.count(label) > 1), None):
        raise SettingsError(f"'{double}' is to be compared with itself: name it once, or give it other options")
    if not captioners:
        raise SettingsError("no captioner to compare: name some, as in --plugins clipgpt,clipgpt@beam=5")
    return captioners, tuple(text for text in parts if kinds[text] != "captioner")


def _kind(text: str, registry: Registry) -> str:
    name = split(text.partition("@")[0])[0]
    try:
        return registry.find(name, ("captioner", "observer", "ranker")).plugin.kind
    except PluginError:
        return "captioner"


def _parsed(text: str) -> Asked:
    spec, *pairs = _AT.split(text)
    options: dict[str, Any] = {}
    for pair in pairs:
        assign(options, pair, FORM)
    return Asked(text, spec, options)


def _rows(path: Path) -> Sequence[Any]:
    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"cannot read the captioners from {path}: {str(error).splitlines()[0]}") from error
    if not isinstance(rows, list):
        raise SettingsError(f"{path} must be a YAML list of captioners, as in '- clipgpt@beam=5'")
    return rows


def _listed(row: Any, path: Path | None) -> Asked:
    if isinstance(row, str):
        return _parsed(row)
    if not isinstance(row, dict) or not isinstance(row.get("plugin"), str) or not row.keys() <= set(KEYS):
        raise SettingsError(f"{path}: a captioner is a name or has {', '.join(KEYS)}; this is {str(row)[:80]}")
    options = row.get("options") or {}
    if not isinstance(options, dict):
        raise SettingsError(f"{path}: the options of '{row['plugin']}' must map names to values")
    return Asked(str(row.get("label") or row["plugin"]), row["plugin"], options)
