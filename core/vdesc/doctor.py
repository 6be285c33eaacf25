"""The doctor: what is installed, which models are on disk, which device is used, and what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from .cache import Cache
from .crew import WORKERS
from .registry import SLOW, Registry

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "vdesc"
SKIPPED = ("all", "dev")  # extras that bring nothing of their own to a person who describes videos
ROOM = 2e9  # bytes that a model and the frames of some videos need


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: `state` is ok, missing (some feature needs it) or broken (it must be mended).

    `next_step` is what to do where it is not ok, else "".
    """

    topic: str
    state: Literal["ok", "missing", "broken"]
    text: str
    next_step: str = ""


def examine(registry: Registry, cache: Cache) -> list[Check]:
    """Everything that was looked at. Imports all plugins and torch, and nothing else that is heavy."""
    return [*_python(), *_packages(), *_torch(), *_plugins(registry), *_models(), *_cache(cache)]


def _python() -> Iterator[Check]:
    yield Check("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _packages() -> Iterator[Check]:
    """vdesc, each package that it needs, and each extra."""
    from packaging.requirements import Requirement

    try:
        own = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        yield Check("vdesc", "broken", "runs without being installed", "pip install . in its source folder")
        return
    yield Check("vdesc", "ok", own.version)
    needed = [Requirement(text) for text in own.requires or ()]
    for requirement in needed:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            text, fits = _installed(requirement)
            step = "" if fits else f"pip install '{requirement.name}{requirement.specifier}'"
            yield Check(requirement.name, "ok" if fits else "broken", text, step)
    for extra in own.metadata.get_all("Provides-Extra") or ():
        if extra not in SKIPPED:
            parts = [r for r in needed if _only_with(r, extra)]
            found = [(part.name, *_installed(part)) for part in parts]
            fits = all(good for *_, good in found)
            step = "" if fits else f"pip install 'vdesc[{extra}]'"
            text = ", ".join(f"{name} {version}" for name, version, _ in found)
            yield Check(f"extra {extra}", "ok" if fits else "missing", text, step)


def _only_with(requirement: Requirement, extra: str) -> bool:
    marker = requirement.marker
    return marker is not None and marker.evaluate({"extra": extra}) and not marker.evaluate({"extra": ""})


def _installed(requirement: Requirement) -> tuple[str, bool]:
    """The version that is installed, as text, and whether it fits."""
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "is not installed", False
    fits = requirement.specifier.contains(version, prereleases=True)
    return version + ("" if fits else f" does not fit {requirement.specifier}"), fits


def _torch() -> Iterator[Check]:
    try:
        import torch
    except Exception as error:  # a broken build fails in many ways
        yield Check("device", "broken", f"torch cannot be imported: {error}", "install torch again")
        return
    devices = [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    yield Check("device", "ok", ", ".join([*devices, f"cpu ({torch.get_num_threads()} threads)"]))


def _plugins(registry: Registry) -> Iterator[Check]:
    found = registry.all()
    yield Check("plugins", "ok", f"{len(found)} usable")
    for broken in registry.broken:
        step = f"update or uninstall {broken.package}"
        yield Check(f"plugin {broken.entry}", "broken", f"of {broken.package}: {broken.reason}", step)
    names = Counter((f.plugin.name, WORKERS if f.plugin.kind in WORKERS else (f.plugin.kind,)) for f in found)
    for (name, kinds), times in names.items():
        if times > 1:
            owners = " and ".join(sorted(f.package for f in found if f.plugin.name == name and f.plugin.kind in kinds))
            yield Check(f"plugin {name}", "broken", f"is brought by {owners}", "uninstall one of them")
    for entry, seconds in registry.seconds.items():
        if seconds > SLOW:
            yield Check(f"plugin {entry}", "broken", f"takes {seconds:.1f} s to import", "tell its author")


def _models() -> Iterator[Check]:
    """Models of the hub that lie on this machine whole enough to be read."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = sorted(scan_cache_dir().repos, key=lambda repo: repo.repo_id)
    except (CacheNotFound, ValueError, OSError):
        repos = []
    models = [repo for repo in repos if repo.repo_type == "model"]
    for repo in models:
        files = {file.file_name for revision in repo.revisions for file in revision.files}
        if "config.json" in files:
            yield Check("model", "ok", f"{repo.repo_id}, {repo.size_on_disk / 1e6:.0f} MB")
    if not models:
        yield Check("model", "ok", "none from the hub on disk; what ships needs none")


def _cache(cache: Cache) -> Iterator[Check]:
    usage = cache.usage()
    files, size = sum(use.files for use in usage), sum(use.size for use in usage)
    there = next(folder for folder in (cache.root.absolute(), *cache.root.absolute().parents) if folder.exists())
    if there.is_dir() and os.access(there, os.W_OK):
        yield Check("cache", "ok", f"{cache.root}: {files} files, {size / 1e6:.1f} MB")
    else:
        yield Check("cache", "broken", f"{cache.root} cannot be written", "set VDESC_CACHE to a folder that can")
    free = shutil.disk_usage(there).free
    enough = free >= ROOM
    step = "" if enough else "make room, or run: vdesc cache clear"
    yield Check("disk", "ok" if enough else "missing", f"{free / 1e9:.1f} GB free at {_home(there)}", step)


def _home(path: Path) -> str:
    home = Path.home()
    return str(Path("~") / path.relative_to(home)) if path.is_relative_to(home) else str(path)
