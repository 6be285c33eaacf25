"""The registry: finds plugins by entry point, imports one only when it is used, and names what is broken or doubled."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pluggy
from pydantic import BaseModel, ValidationError

from . import hookspecs
from .entries import Entry, entries
from .errors import PluginError, SettingsError, nearest
from .kinds import KINDS, Plugin

HOOKS = {kind: kind + "s" for kind in KINDS}
SLOW = 1.0  # seconds of import above which a plugin is said to slow the program

P = TypeVar("P", bound=Plugin)


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin class and the entry it came from; `version` is that of the package that brought it."""

    plugin: type[Plugin]
    package: str
    version: str


@dataclass(frozen=True, slots=True)
class Broken:
    """An entry that could not be imported, or whose plugins cannot be used, and why."""

    entry: str
    package: str
    reason: str


class Registry:
    """All plugins that are installed. Nothing is imported before it is asked for."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("vdesc")
        self.manager.add_hookspecs(hookspecs)
        self.entries = entries()
        self.broken: list[Broken] = []
        self.seconds: dict[str, float] = {}
        self._found: list[Found] = []
        self._seen: set[str] = set()

    def register(self, module: Any, package: str = "local", version: str = "0", entry: str = "") -> None:
        """Adds a module, or any object with hook implementations, as if it had been installed."""
        try:
            self.manager.register(module)
            self.manager.check_pending()
            classes = [plugin for kind in KINDS for plugin in self._classes(module, kind)]
        except Exception as error:  # whatever a stranger's code does, the program goes on
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            self.broken.append(Broken(entry or getattr(module, "__name__", str(module)), package, _reason(error)))
            return
        self._found += [Found(plugin, package, version) for plugin in classes]

    def find(self, name: str, kinds: tuple[str, ...]) -> Found:
        """The plugin of that name among the kinds. Raises `PluginError` where there is none, or more than one."""
        for entry in self.entries:
            if entry.name == name:
                self._import(entry)
        matches = self._named(name, kinds)
        if not matches:
            matches = [found for found in self.all(kinds) if found.plugin.name == name]
        if len(matches) > 1:
            owners = " and ".join(sorted(found.package for found in matches))
            raise PluginError(f"two plugins are called '{name}', from {owners}: uninstall one of them")
        if not matches:
            raise PluginError(self._unknown(name, kinds))
        return matches[0]

    def all(self, kinds: tuple[str, ...] = tuple(KINDS)) -> list[Found]:
        """Every plugin of the kinds, by kind and name; imports all entries."""
        for entry in self.entries:
            self._import(entry)
        chosen = [found for found in self._found if found.plugin.kind in kinds]
        return sorted(chosen, key=lambda found: (list(KINDS).index(found.plugin.kind), found.plugin.name))

    def _named(self, name: str, kinds: tuple[str, ...]) -> list[Found]:
        return [f for f in self._found if f.plugin.name == name and f.plugin.kind in kinds]

    def _unknown(self, name: str, kinds: tuple[str, ...]) -> str:
        modules = {entry.value for entry in self.entries if entry.name == name}
        names = {name} | {entry.name for entry in self.entries if entry.value in modules}
        for broken in self.broken:
            if broken.entry in names:
                return f"plugin '{name}' of {broken.package} cannot be used: {broken.reason}"
        known = {found.plugin.name for found in self.all(kinds)}
        word = "plugin" if len(kinds) == len(KINDS) else " or ".join(kinds)
        return f"there is no {word} called '{name}' ({nearest(name, known)}); see `vdesc plugins`"

    def _import(self, entry: Entry) -> None:
        """Imports an entry's module once, however many entries name it."""
        if entry.value in self._seen:
            return
        self._seen.add(entry.value)
        start = time.perf_counter()
        try:
            module = entry.point.load()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.broken.append(Broken(entry.name, entry.package, _reason(error)))
            return
        self.seconds[entry.name] = time.perf_counter() - start
        self.register(module, entry.package, entry.version, entry.name)

    def _classes(self, module: Any, kind: str) -> Iterator[type[Plugin]]:
        others = [p for p in self.manager.get_plugins() if p is not module]
        for classes in self.manager.subset_hook_caller(HOOKS[kind], others)():
            for plugin in classes:
                if not (isinstance(plugin, type) and issubclass(plugin, KINDS[kind])):
                    raise PluginError(
                        f"the hook {HOOKS[kind]} gave {plugin!r}, which is no {KINDS[kind].__name__} class"
                    )
                if not isinstance(getattr(plugin, "name", None), str):
                    raise PluginError(f"{plugin.__name__} has no name")
                if inspect.isabstract(plugin):
                    raise PluginError(f"{plugin.__name__} has no {' and no '.join(sorted(plugin.__abstractmethods__))}")
                yield plugin


def create(plugin: type[P], shorthand: str = "", **options: Any) -> P:
    """A plugin with its options checked. Raises `SettingsError` that names the option and the nearest known one.

    Args:
        shorthand: the value after the colon in `uniform:10`, given to the option that the plugin names.
    """
    if shorthand:
        if not plugin.shorthand:
            raise SettingsError(f"{plugin.name} takes no value after a colon, but '{shorthand}' was given")
        options[plugin.shorthand] = shorthand
    known = plugin.Options.model_fields
    for name in options:
        if name not in known:
            raise SettingsError(f"{plugin.name} has no option '{name}' ({nearest(name, known)})")
    try:
        return plugin(plugin.Options(**options))
    except ValidationError as error:
        raise SettingsError(f"{plugin.name}: {plain(error)}") from error


def plain(error: ValidationError) -> str:
    """A pydantic error as one sentence: the first wrong field, its value, and what is wrong."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "value"
    value = "" if isinstance(first["input"], dict | BaseModel) else f" {first['input']!r}"
    return f"{place}{value} is wrong: {first['msg'].removeprefix('Value error, ')}"


def split(spec: str) -> tuple[str, str]:
    """The name and the shorthand value of `uniform:10`; the value is empty where there is no colon."""
    name, _, value = spec.strip().partition(":")
    return name, value


def _reason(error: BaseException) -> str:
    if isinstance(error, PluginError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
