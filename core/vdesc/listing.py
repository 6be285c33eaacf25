"""What `vdesc plugins info`, `plugins check`, `cache` and `doctor` print."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .cache import PARTS, Cache
from .errors import SettingsError, nearest
from .kinds import KINDS, Captioner, Plugin
from .registry import Found, Registry

console = Console(highlight=False)


def bearers(name: str) -> list[Found]:
    """The plugins of a name: of several kinds, it may be. Raises `PluginError` where there is none."""
    registry = Registry()
    return [f for f in registry.all() if f.plugin.name == name] or [registry.find(name, tuple(KINDS))]


def show_plugin(name: str) -> None:
    """Prints the docstring, the prompts and the options of each plugin of that name."""
    for found in bearers(name):
        _explain(found)


def _explain(found: Found) -> None:
    console.print(f"[bold]{found.plugin.name}[/bold], {found.plugin.kind} of {found.package} {found.version}")
    console.print(escape(inspect.getdoc(found.plugin) or ""), soft_wrap=True)
    for line in _known(found.plugin):
        console.print(escape(line), soft_wrap=True)
    fields = found.plugin.Options.model_fields
    if not fields:
        console.print("It has no options.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("option", "default", "what it means"):
        table.add_column(column, no_wrap=column == "option")
    for option, field in fields.items():
        table.add_row(option, escape(repr(field.default)), escape(field.description or ""))
    console.print(table)
    first = next(iter(fields))
    console.print(f"Set one with --set {found.plugin.name}.{first}=VALUE.")


def _known(plugin: type[Plugin]) -> list[str]:
    """What a person should know of a plugin beside its options."""
    lines = [f"Know first: {plugin.notice}"] if plugin.notice else []
    if plugin.extra:
        lines.append(f"Extra libraries: pip install 'vdesc[{plugin.extra}]'")
    if issubclass(plugin, Captioner):
        lines.append(
            "It reads the evidence: on-screen text, objects, speech, and what else observers found."
            if plugin.reads_context
            else "It looks at pictures only; evidence does not change its words, but may change which are chosen."
        )
        lines += [f"Prompt ({name}): {text}" for name, text in plugin.prompts().items()]
    return lines


def check_plugin(name: str, sets: Iterable[str]) -> bool:
    """Whether the plugins of that name keep the contract; prints each rule that one breaks."""
    from .settings import layered
    from .testing import check

    options = layered(sets=sets).options.get(name, {})
    problems = [problem for found in bearers(name) for problem in check(found.plugin, options)]
    for problem in problems:
        console.print(f"[red]-[/red] {escape(problem)}", soft_wrap=True)
    console.print(f"{name}: {'breaks ' + str(len(problems)) + ' rules' if problems else 'keeps the contract'}")
    return not problems


def show_cache() -> None:
    """Prints the cache's folder and the size of each part."""
    cache = Cache()
    table = Table(box=None, pad_edge=False)
    table.add_column("part")
    table.add_column("files", justify="right")
    table.add_column("MB", justify="right")
    for usage in cache.usage():
        table.add_row(usage.part, str(usage.files), f"{usage.size / 1e6:.1f}")
    console.print(str(cache.root), soft_wrap=True)
    console.print(table)


def clear_cache(part: str | None) -> None:
    """Clears the cache, or one part of it. Raises `SettingsError` for an unknown part."""
    if part is not None and part not in PARTS:
        raise SettingsError(f"the cache has no part '{part}' ({nearest(part, PARTS)})")
    cache = Cache()
    freed = sum(usage.size for usage in cache.usage() if part in (None, usage.part))
    cache.clear(part)
    console.print(f"freed {freed / 1e6:.1f} MB")


def show_doctor() -> None:
    """Prints what `doctor.examine` found, one line a check, with the next step where something is missing."""
    from .doctor import examine

    marks = {"ok": "[green]ok[/green]", "missing": "[yellow]missing[/yellow]", "broken": "[red]broken[/red]"}
    table = Table(box=None, pad_edge=False, show_header=False)
    for check in examine(Registry(), Cache()):
        table.add_row(
            marks[check.state], check.topic, escape(check.text + (f" -> {check.next_step}" if check.next_step else ""))
        )
    console.print(table)
