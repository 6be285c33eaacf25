"""The contract: what every plugin keeps, checked through its public face alone; each broken rule is one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from .cache import Cache
from .errors import SettingsError, VdescError
from .kinds import Plugin
from .registry import create
from .verbs import VERBS, Rules, trying

HEAVY = (
    "av", "cv2", "onnxruntime", "scenedetect", "sentence_transformers", "tensorflow", "torch",
    "torchvision", "transformers", "ultralytics",
)  # fmt: skip
"""Packages that nobody should wait for who only lists plugins."""


def check(plugin: type[Plugin], options: Mapping[str, Any] | None = None) -> list[str]:
    """The rules that a plugin breaks, a sentence each; none where it keeps the contract.

    Args:
        options: options to check it with; its defaults where there are none.
    Raises:
        SettingsError: the plugin has no such option, or a value is wrong.
    """
    problems = [*_named(plugin), *_optioned(plugin), *_light(plugin)]
    try:
        with trying(cast(Plugin, plugin), "could not be made"):
            made = create(plugin, **(options or {}))
        with tempfile.TemporaryDirectory() as folder:
            problems.extend(_works(made, Path(folder)))  # those before a failure stay
    except VdescError as error:
        if isinstance(error, SettingsError) and options:
            raise
        problems.append(str(error))
    return list(dict.fromkeys(problems))


def _named(plugin: type[Plugin]) -> Rules:
    name = getattr(plugin, "name", None)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_-]+", name):
        yield f"the name {name!r} must be of lower-case letters, digits, - and _"
    if plugin.shorthand and plugin.shorthand not in plugin.Options.model_fields:
        yield f"the shorthand '{plugin.shorthand}' is none of its options"
    if not (plugin.__doc__ or "").strip().split("\n")[0]:
        yield f"{plugin.__name__} needs a docstring whose first line says what it does"


def _optioned(plugin: type[Plugin]) -> Rules:
    config, fields = plugin.Options.model_config, plugin.Options.model_fields
    if not config.get("frozen") or config.get("extra") != "forbid":
        yield "its Options must be frozen and forbid unknown keys: derive them from the Options of its kind"
    for name, field in fields.items():
        if not field.description:
            yield f"the option '{name}' needs a description"
        if field.is_required():
            yield f"the option '{name}' needs a default"


def _light(plugin: type[Plugin]) -> Rules:
    """Imports and makes the plugin in a process of its own, to see what that drags in."""
    if getattr(sys.modules.get(plugin.__module__), plugin.__qualname__, None) is not plugin:
        return  # it stands in a function, say, where no other process can reach it
    code = (
        f"import sys, {plugin.__module__}; sys.modules[{plugin.__module__!r}].{plugin.__qualname__}();"
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    path = os.pathsep.join(part or str(Path.cwd()) for part in sys.path)
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    if done.returncode == 0 and (heavy := done.stdout.split()):
        yield f"importing or making it imports {', '.join(heavy)}: do that inside load"


def _works(plugin: Plugin, folder: Path) -> Rules:
    """Loads, tries its verb, closes twice, and loads again."""
    rules = next((VERBS[kind] for kind in VERBS if isinstance(plugin, kind)), None)
    plugin.cache = Cache(folder / "cache")
    with trying(plugin, "could not be loaded"):
        plugin.load("cpu")
    if rules:
        yield from rules(plugin, folder)
    with trying(plugin, "could not be closed twice"):
        plugin.close()
        plugin.close()
    with trying(plugin, "could not be loaded again"):
        plugin.load("cpu")
        plugin.close()
