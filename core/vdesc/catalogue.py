"""The catalogue: the table of installed plugins, kept in the cache so that listing them imports none of them.

It is made anew when an entry point, a package's version, or a source file of a plugin changes, and is not kept while
something is broken.
"""

from __future__ import annotations

import contextlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .cache import Cache, key
from .entries import Entry, entries
from .errors import OutputError


def catalogue() -> dict[str, Any]:
    """`plugins` (kind, name, package, version, about, notice), `broken` (entry, package, reason), `slow` (seconds)."""
    cache = Cache()
    name = key("plugins", [_stamp(entry) for entry in entries()])
    if (stored := cache.get("catalogue", name)) is not None:
        return stored
    made = _made()
    if not made["broken"]:
        cache.clear("catalogue")
        with contextlib.suppress(OutputError):  # a cache that cannot be written costs time, not the answer
            cache.put("catalogue", name, made)
    return made


def _stamp(entry: Entry) -> list[Any]:
    """All that a row of the table depends on: what is installed, and when its sources last changed."""
    top = entry.value.split(":")[0].split(".")[0]
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    origin = Path(spec.origin) if spec and spec.origin else None
    sources = origin.parent.glob("*.py") if origin and origin.name == "__init__.py" else [origin] if origin else []
    times = sorted(source.stat().st_mtime_ns for source in sources if source.is_file())
    return [entry.name, entry.value, entry.package, entry.version, str(origin), times]


def _made() -> dict[str, Any]:
    import inspect

    from .registry import SLOW, Registry

    registry = Registry()
    plugins = [
        dict(kind=f.plugin.kind, name=f.plugin.name, package=f.package, version=f.version,
             about=(inspect.getdoc(f.plugin) or "").split("\n")[0], notice=f.plugin.notice)
        for f in registry.all()
    ]  # fmt: skip
    broken = [dict(entry=b.entry, package=b.package, reason=b.reason) for b in registry.broken]
    slow = [dict(entry=name, seconds=seconds) for name, seconds in registry.seconds.items() if seconds > SLOW]
    return {"plugins": plugins, "broken": broken, "slow": slow}


def show(as_json: bool = False) -> None:
    """Prints every plugin by kind, with its package and first line, then those that are broken or slow to import."""
    table = catalogue()
    if as_json:
        import json

        print(json.dumps(table, indent=1, ensure_ascii=False))
        return
    rows = [[p["kind"], p["name"], f"{p['package']} {p['version']}", p["about"]] for p in table["plugins"]]
    rows.insert(0, ["kind", "name", "package", "what it does"])
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    for p in table["plugins"]:
        if p["notice"]:
            print(f"know first: {p['name']}: {p['notice']}")
    for b in table["broken"]:
        print(f"broken: {b['entry']} of {b['package']}: {b['reason']}")
    for s in table["slow"]:
        print(f"slow: {s['entry']} takes {s['seconds']:.1f} s to import: its heavy imports belong in load()")
