"""Comparing: each video is looked at once, each captioner speaks of all of them, and all that is said is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from vdesc import Cache, Description, PluginError, SettingsError, VdescError
from vdesc.crew import Crew
from vdesc.errors import nearest
from vdesc.media import probe
from vdesc.pipeline import Progress, scene
from vdesc.registry import Registry, split
from vdesc.settings import Settings

from .columns import Asked
from .comparison import Comparison, Reference
from .hearing import heard
from .references import references
from .scoring import compared

SHARED = ("observer", "ranker")
MEASURES = {"match": "alignment", "grounding": "grounding"}
"""Rankers that measure without being asked, and have no weight; not where the one that they stand in for is asked."""
Report = Callable[[Progress], None]


def compare(
    paths: Sequence[Path], asked: Sequence[Asked], settings: Settings, said: Mapping[Path, Path], cache: Cache,
    report: Report = lambda progress: None, registry: Registry | None = None,
) -> dict[Path, Comparison | VdescError]:  # fmt: skip
    """For each video its comparison, or why there is none.

    Args:
        asked: the captioners.
        settings: of all; its plugins are observers and rankers.
        said: files of references of some of the videos.
    Raises:
        SettingsError, PluginError: a setting, an observer or a ranker is wrong: told before any work.
    """
    registry = registry or Registry()
    _all_used(settings, asked)
    shared, unweighed = _measured(settings, registry)
    crew = Crew(shared, registry, cache, SHARED)
    try:
        made: dict[Path, Comparison | VdescError] = {}
        seen: dict[Path, tuple[Description, tuple[Reference, ...]]] = {}
        for path in paths:
            try:
                seen[path] = _seen(path, said.get(path), crew, report)
            except VdescError as error:
                made[path] = error
        scenes = [found for found, _ in seen.values()]
        spoken = [heard(one, scenes, settings, registry, cache, _step(one, report)) for one in asked if scenes]
        for i, (path, (found, truth)) in enumerate(seen.items()):
            columns = [columns[i] for columns in spoken]
            if all(column.error and not column.candidates for column in columns):
                made[path] = PluginError("; ".join(dict.fromkeys(column.error for column in columns)))
            else:
                made[path] = compared(found, columns, crew, truth, unweighed)
        return {path: made[path] for path in paths}
    finally:
        crew.close()


def _all_used(settings: Settings, asked: Sequence[Asked]) -> None:
    """Options are of a plugin that takes part, or a `SettingsError`."""
    shared = [split(spec)[0] for spec in (*settings.plugins, settings.keyframes)]
    names = {*shared, *(one.plugin for one in asked), *MEASURES, "transcript"}
    for name in settings.options:
        if name not in names:
            raise SettingsError(f"options are given for '{name}', which takes no part ({nearest(name, names)})")


def _measured(settings: Settings, registry: Registry) -> tuple[Settings, list[str]]:
    """The settings with the rankers that measure without being asked, and their names."""
    named = [split(spec)[0] for spec in settings.plugins]
    looks = settings.speech or any(registry.find(name, SHARED).plugin.kind == "observer" for name in named)
    added = [
        name
        for name, stands_for in MEASURES.items()
        if not {name, stands_for} & set(named) and (looks or name != "grounding") and _there(name, registry)
    ]
    return settings.model_copy(update={"plugins": (*settings.plugins, *added), "formats": ()}), added


def _there(name: str, registry: Registry) -> bool:
    try:
        return bool(registry.find(name, ("ranker",)))
    except PluginError:
        return False


def _seen(path: Path, said: Path | None, crew: Crew, report: Report) -> tuple[Description, tuple[Reference, ...]]:
    """The scene and what people said of it; what is wrong with that is told before anybody looks."""
    truth = references(said, probe(path)) if said else ()
    return scene(path, crew, report), truth


def _step(asked: Asked, report: Report) -> Callable[[int, int], object]:
    return lambda done, total: report(Progress(asked.label, done, total, "slots"))
