"""The crew: the plugins of a run, each made once, and loaded once, when it is first needed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

from .cache import Cache
from .data import Finding
from .errors import MissingExtra, PluginError, SettingsError, VdescError, nearest
from .kinds import Captioner, Keyframer, Observer, Plugin, Ranker, Writer
from .registry import Registry, create, split
from .settings import Settings

P = TypeVar("P", bound=Plugin)
WORKERS = ("captioner", "observer", "ranker")
TRANSCRIPT = "transcript"
"""The observer that reads the file of the setting `speech`."""


class Crew:
    """All plugins that the settings name, with their options checked; nothing is loaded yet.

    Args:
        kinds: the workers that take part; others that the settings name stay at home.
    Raises:
        PluginError: a name that is unknown, broken or doubled.
        SettingsError: a wrong option, or options for a plugin that does not take part.
    """

    def __init__(self, settings: Settings, registry: Registry, cache: Cache, kinds: Sequence[str] = WORKERS):
        self.settings, self.registry, self.cache = settings, registry, cache
        self.versions: dict[str, str] = {}
        self._loaded: set[int] = set()
        self.keyframer = cast(Keyframer, self._hire(settings.keyframes, ("keyframer",)))
        hired = [self._hire(name, WORKERS) for name in self._named()]
        workers = [worker for worker in hired if worker.kind in kinds]
        self.captioners = [worker for worker in workers if isinstance(worker, Captioner)]
        self.observers = [worker for worker in workers if isinstance(worker, Observer)]
        self.rankers = [worker for worker in workers if isinstance(worker, Ranker)]
        self.writers = [cast(Writer, self._hire(name, ("writer",))) for name in settings.formats]
        if "captioner" in kinds and not self.captioners:
            raise SettingsError("no captioner among the plugins: add one, as in --plugins clipgpt")
        self._all_once()
        if set(WORKERS) <= set(kinds):
            self._all_used()

    @property
    def everyone(self) -> list[Plugin]:
        """All plugins of the run."""
        return [self.keyframer, *self.observers, *self.captioners, *self.rankers, *self.writers]

    def options(self) -> dict[str, dict[str, Any]]:
        """The options in force, by plugin; namesakes of different kinds share a name and thus an entry."""
        options: dict[str, dict[str, Any]] = {}
        for plugin in self.everyone:
            options.setdefault(plugin.name, {}).update(plugin.options.model_dump(mode="json"))
        return options

    def identity(self, plugin: Plugin) -> list[Any]:
        """All that a plugin's results depend on beside its input: for cache keys."""
        words = plugin.language if not isinstance(plugin, Keyframer) else ""  # frames are the same in any language
        return [plugin.kind, plugin.name, self.versions[plugin.name], plugin.options.model_dump(mode="json"),
                plugin.fingerprint(), words]  # fmt: skip

    def ready(self, plugin: P) -> P:
        """The plugin, loaded. Raises `MissingExtra` where a package is missing, `PluginError` where loading fails."""
        if id(plugin) not in self._loaded:
            if type(plugin).load is not Plugin.load:  # asking for the device imports torch: only for those who load
                with blamed(plugin, "could not be loaded"):
                    plugin.load(device(self.settings.device))
            self._loaded.add(id(plugin))
        return plugin

    def close(self) -> None:
        """Lets every loaded plugin go; one that fails at it does not keep the others."""
        for plugin in self.everyone:
            if id(plugin) in self._loaded:
                with contextlib.suppress(Exception):
                    plugin.close()
        self._loaded.clear()

    def _named(self) -> list[str]:
        """The workers that the settings name; a transcript that is given needs its reader."""
        named = list(self.settings.plugins)
        return named + [TRANSCRIPT] * (bool(self.settings.speech) and TRANSCRIPT not in named)

    def _hire(self, spec: str, kinds: tuple[str, ...]) -> Plugin:
        name, shorthand = split(spec)
        found = self.registry.find(name, kinds)
        with blamed(cast(Plugin, found.plugin), "could not be made"):
            plugin = create(found.plugin, shorthand, **self._given(name, found.plugin))
        plugin.language, plugin.cache = self.settings.language, self.cache
        self.versions[name] = found.version
        return plugin

    def _given(self, name: str, plugin: type[Plugin]) -> dict[str, Any]:
        """The options given for a plugin; one that also a namesake takes part with leaves those of the other alone."""
        given = self.settings.options.get(name, {})
        if name == TRANSCRIPT and self.settings.speech:
            given = {**given, "file": self.settings.speech}
        specs = (self.settings.keyframes, *self.settings.plugins, *self.settings.formats)
        if [split(spec)[0] for spec in specs].count(name) < 2:
            return given
        return {option: value for option, value in given.items() if option in plugin.Options.model_fields}

    def _all_once(self) -> None:
        names = [split(spec)[0] for spec in self.settings.plugins]
        for name in names:
            if names.count(name) > 1:
                raise SettingsError(f"'{name}' is among the plugins more than once: name it once")

    def _all_used(self) -> None:
        names = {plugin.name for plugin in self.everyone}
        for name in self.settings.options:
            if name not in names:
                raise SettingsError(f"options are given for '{name}', which takes no part ({nearest(name, names)})")


@contextlib.contextmanager
def blamed(plugin: Plugin, failing: str) -> Iterator[None]:
    """Turns whatever a plugin raises into an error that names it."""
    try:
        yield
    except VdescError:
        raise
    except ImportError as error:
        if error.name and plugin.extra:
            raise MissingExtra(plugin.name, error.name, plugin.extra, plugin.notice) from error
        raise PluginError(f"{plugin.name} {failing}: {error}") from error
    except Exception as error:
        raise PluginError(f"{plugin.name} {failing}: {type(error).__name__}: {error}") from error


def finding(plugin: Plugin, error: VdescError) -> Finding:
    """What the person is told of a plugin that failed while the run goes on."""
    return Finding(plugin.name, str(error), "error")


def device(name: str) -> str:
    """The torch device that `name` means; `auto` takes cuda, then mps, then cpu. Raises `SettingsError`."""
    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(name).type
    except RuntimeError:
        raise SettingsError(f"there is no device '{name}': use auto, cpu, cuda, cuda:1 or mps") from None
    if (kind == "cuda" and not torch.cuda.is_available()) or (kind == "mps" and not torch.backends.mps.is_available()):
        raise SettingsError(f"the device '{name}' is not available here: use --device cpu")
    return name
