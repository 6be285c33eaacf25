"""Writes the parts of the documentation that the code knows: the command reference and the plugin table.

python docs/generate.py           write them
python docs/generate.py --check   end with 1 where a file is not as the code says
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from vdesc import Trainer
from vdesc.cli import app, commands
from vdesc.registry import Registry
from vdesc.settings import Section, Settings

DOCS = Path(__file__).parent


def command_reference() -> str:
    """Markdown: every command with its arguments and options."""
    commands()
    root = typer.main.get_command(app)
    parts = ["# Commands", "", "Made by `docs/generate.py` from the program itself.", ""]
    for path, command in _walk("vdesc", root):
        parts += [f"## `{path}`", "", command.help or "", ""]
        rows = [_row(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            parts += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    parts += ["## Exit codes", "", *EXIT_CODES, ""]
    return "\n".join(parts)


EXIT_CODES = [
    "| code | meaning |",
    "|---|---|",
    "| 0 | all well |",
    "| 1 | at least one file failed; the others were described |",
    "| 2 | wrong use: a flag, a setting, a plugin's name |",
    "| 3 | every file was described, but a plugin failed on the way |",
    "| 130 | stopped by the person; run again to go on |",
]


def plugin_table() -> str:
    """Markdown: the built-in plugins with their options, and the settings of a run."""
    parts = [
        "# Plugins and settings",
        "",
        "Made by `docs/generate.py` from the program itself.",
        "",
        "## Built-in plugins",
    ]
    parts += ["", "| kind | name | what it does |", "|---|---|---|"]
    found = [f for f in Registry().all() if f.package == "vdesc"]
    parts += [
        f"| {f.plugin.kind} | `{f.plugin.name}` | {(inspect.getdoc(f.plugin) or '').splitlines()[0]} |" for f in found
    ]
    notices = [f"- `{f.plugin.name}`: {f.plugin.notice}" for f in found if f.plugin.notice]
    parts += ["", "Know first:", "", *notices] if notices else []
    for f in found:
        if f.plugin.Options.model_fields:
            parts += ["", f"## Options of `{f.plugin.name}`", "", "| option | default | meaning |", "|---|---|---|"]
            parts += [
                _option(f"{f.plugin.name}.{name}", field) for name, field in f.plugin.Options.model_fields.items()
            ]
        if issubclass(f.plugin, Trainer):
            parts += ["", f"## Recipe of `{f.plugin.name}`", "", "| key | default | meaning |", "|---|---|---|"]
            parts += [_option(name, field) for name, field in f.plugin.Recipe.model_fields.items()]
    parts += ["", "## Settings", "", "| setting | default | meaning |", "|---|---|---|", *_settings(Settings, ""), ""]
    return "\n".join(parts)


def _walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _walk(f"{path} {name}", inner)


def _row(parameter: Any) -> str:
    options = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    names = options if parameter.param_type_name == "option" else f"`{parameter.name.upper()}`"
    return f"| {names} | {parameter.help or ''} |"


def _option(name: str, field: Any) -> str:
    return f"| `{name}` | `{field.default!r}` | {field.description or ''} |"


def _settings(section: type[Section], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _settings(field.annotation, f"{prefix}{name}.")
        else:
            yield _option(prefix + name, field)


FILES = {"cli.md": command_reference, "plugins.md": plugin_table}


def main(check: bool) -> int:
    """0, or 1 where `check` finds a file that is not current."""
    stale = []
    for name, make in FILES.items():
        text = re.sub(r"[ \t]+\n", "\n", make())
        if check:
            path = DOCS / name
            stale += [] if path.is_file() and path.read_text(encoding="utf-8") == text else [name]
        else:
            (DOCS / name).write_text(text, encoding="utf-8")
    if stale:
        print(f"not current: {', '.join(stale)}; run python docs/generate.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main("--check" in sys.argv))
