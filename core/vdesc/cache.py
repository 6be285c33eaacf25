"""The cache: results of stages, features and frames, each under a key made of everything it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import OutputError
from .files import write_atomic

if TYPE_CHECKING:
    import numpy as np

PARTS = ("catalogue", "look", "observe", "propose", "score", "features", "frames", "audio", "models")


def default_root() -> Path:
    """Where the cache lies: `$VDESC_CACHE`, else `vdesc` in `$XDG_CACHE_HOME` or `~/.cache`."""
    if chosen := os.environ.get("VDESC_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vdesc"


def key(*parts: Any) -> str:
    """A short content key of JSON-able parts: equal parts give equal keys, in this run and the next."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Usage:
    """How many files one part of the cache holds, and their bytes."""

    part: str
    files: int
    size: int


class Cache:
    """Content-addressed files under one root; every write is atomic, so a killed run leaves only whole results.

    Args:
        root: the folder, made when something is first stored.
        enabled: False finds nothing but still stores, so that a run can start afresh.
    """

    def __init__(self, root: Path | None = None, enabled: bool = True):
        self.root, self.enabled = root or default_root(), enabled

    def get(self, part: str, key: str) -> Any | None:
        """The JSON value stored under a key, or None where there is none (or it is damaged)."""
        path = self._path(part, key, ".json")
        try:
            return json.loads(path.read_bytes()) if self.enabled else None
        except (OSError, ValueError):
            return None

    def put(self, part: str, key: str, value: Any) -> None:
        """Stores a JSON value under a key."""
        with self.writing():
            write_atomic(self._path(part, key, ".json"), json.dumps(value, ensure_ascii=False))

    def forget(self, part: str, key: str) -> None:
        """Removes the value stored under a key, if there is one."""
        self._path(part, key, ".json").unlink(missing_ok=True)

    def get_arrays(self, key: str) -> dict[str, np.ndarray] | None:
        """The named arrays stored under a key, or None."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self._path("features", key, ".safetensors")
        try:
            return load_file(path) if self.enabled else None
        except (OSError, SafetensorError):
            return None

    def put_arrays(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Stores named arrays under a key, as safetensors."""
        from safetensors.numpy import save

        with self.writing():
            write_atomic(self._path("features", key, ".safetensors"), save(dict(arrays)))

    def frames(self, key: str) -> Path:
        """The folder for the frames under a key; it may not exist yet."""
        return self.root / "frames" / key

    def samples(self, key: str) -> Path:
        """The file for the sound under a key; it may not exist yet."""
        return self._path("audio", key, ".s16")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Writes in the block that fail do so with a sentence that names the cache."""
        try:
            yield
        except OutputError as error:
            raise OutputError(
                f"cannot write to the cache in {self.root}: make room there, or set VDESC_CACHE to another folder"
            ) from error

    def usage(self) -> list[Usage]:
        """What each part of the cache holds now."""
        rows = []
        for part in PARTS:
            files = [path for path in (self.root / part).rglob("*") if path.is_file()]
            rows.append(Usage(part, len(files), sum(path.stat().st_size for path in files)))
        return rows

    def clear(self, part: str | None = None) -> None:
        """Removes one part of the cache, or all of it; nothing else that lies under the root is touched."""
        for name in [part] if part else PARTS:
            shutil.rmtree(self.root / name, ignore_errors=True)

    def _path(self, part: str, key: str, ending: str) -> Path:
        return self.root / part / (key + ending)
