"""Converting: files of another program into ours, by whichever plugin reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from .crew import blamed
from .errors import InputError, SettingsError
from .kinds import Converter
from .registry import Found, Registry, create
from .settings import assign


def convert(source: Path, out: Path, name: str | None = None, sets: Iterable[str] = ()) -> list[str]:
    """What the person should know of the files that were written to `out`, a line each.

    Args:
        name: the converter; None takes the one that reads the source.
        sets: `option=value` each, for the converter.
    Raises:
        InputError: the source is missing, or no converter reads it.
        SettingsError: several read it, or an option is wrong.
    """
    if not source.exists():
        raise InputError(f"cannot find {source}; check the path")
    values: dict[str, Any] = {}
    for text in sets:
        assign(values, text, "option=value, as in mapper=cross")
    registry = Registry()
    found = registry.find(name, (Converter.kind,)) if name else _reader(source, registry)
    plugin = cast(Converter, create(found.plugin, **values))
    with blamed(plugin, f"cannot convert {source}"):
        return [*plugin.convert(source, out), *(finding.message for finding in plugin.findings)]


def _reader(source: Path, registry: Registry) -> Found:
    able = [f for f in registry.all((Converter.kind,)) if cast(type[Converter], f.plugin)().reads(source)]
    if not able:
        names = ", ".join(f.plugin.name for f in registry.all((Converter.kind,)))
        raise InputError(f"no converter reads {source}: check what it is, or name one with --with ({names})")
    if len(able) > 1:
        names = " or ".join(f.plugin.name for f in able)
        raise SettingsError(f"several converters read {source}: name one with --with {names}")
    return able[0]
