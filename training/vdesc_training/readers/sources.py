"""Sources: the files, folders and zips that a person gives, and the photos and videos in them."""

import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path, PurePosixPath

from vdesc.errors import InputError, SettingsError

PHOTOS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
VIDEOS = {".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a photo or video lies: a file, or a member of a zip."""

    file: Path
    member: str = ""

    @property
    def suffix(self) -> str:
        """The ending of its name, in lower case."""
        return PurePosixPath(self.member or self.file.name).suffix.lower()


class NotFound(LookupError):
    """A photo or video is `missing`, or `ambiguous`: several bear its name."""


class Media:
    """Photos or videos, found by their path, their name, or their name without its ending."""

    def __init__(self, places: Iterable[tuple[str, Place]]):
        self.paths = dict(places)
        self._loose: dict[str, Place | None] = {}
        for path, place in self.paths.items():
            name = PurePosixPath(path)
            for key in {name.name, name.stem}:
                self._loose[key] = None if key in self._loose else place

    def find(self, name: str) -> Place:
        """Where it lies; the ending may differ. Raises `NotFound`."""
        bare = name.replace("\\", "/").rpartition("/")[2]
        for key in (bare, stem(bare)):
            if place := self.paths.get(name) or self._loose.get(key):
                return place
        raise NotFound("ambiguous" if bare in self._loose or stem(bare) in self._loose else "missing")


class Sources:
    """What a person gave to a reader.

    Args:
        paths: annotation files, folders (searched to the bottom) and zips.
        folder: the table's, which is passed over where it lies within a source.
    Raises:
        InputError: one of them does not exist, or is no zip.
        SettingsError: the table's folder is a source itself.
    """

    def __init__(self, paths: Sequence[Path], folder: Path):
        self.folder = folder.resolve()
        for path in paths:
            if not path.exists():
                raise InputError(f"there is no {path}: check the name")
            if path.resolve() == self.folder:
                raise SettingsError(
                    f"{path} is read and cannot hold the table as well: give a new folder as the last one"
                )
        self.folders = [path for path in paths if path.is_dir()]
        files = [path for path in paths if not path.is_dir()]
        self.given = [path for path in files if path.suffix.lower() != ".zip"]
        self._zips = [path for path in files if path.suffix.lower() == ".zip"]

    @cached_property
    def tree(self) -> list[tuple[str, Path]]:
        """All files of all folders, in order, each with its path within its folder."""
        return [pair for top in self.folders for pair in self._walk(top)]

    def _walk(self, top: Path) -> Iterator[tuple[str, Path]]:
        for place, folders, files in os.walk(top):
            folders[:] = sorted(f for f in folders if f[0] != "." and f != "__MACOSX" and not self._own(Path(place, f)))
            for name in sorted(files):
                if name[0] != ".":
                    yield Path(place, name).relative_to(top).as_posix(), Path(place, name)

    def _own(self, path: Path) -> bool:
        return path.name == self.folder.name and path.resolve() == self.folder

    def annotations(self, *alternatives: str | tuple[str, ...]) -> list[Path]:
        """The files given by name, else those in the folders that match the first alternative that any does.

        Raises `InputError` where there are none, or where some in different folders bear one name.
        """
        if self.given:
            return self.given
        for patterns in alternatives:
            if found := self.named(*([patterns] if isinstance(patterns, str) else patterns)):
                self._once(found)
                return found
        wanted = " or ".join(p if isinstance(p, str) else ", ".join(p) for p in alternatives)
        raise InputError(f"there is no {wanted} in {', '.join(map(str, self.folders))}: give the file itself")

    def _once(self, paths: list[Path]) -> None:
        names = [path.name for path in paths]
        if same := [str(path) for path in paths if names.count(path.name) > 1]:
            raise InputError(f"{' and '.join(same)} may be the same: give the one that is meant by its path")

    def named(self, *patterns: str) -> list[Path]:
        """The files, given or in the folders, whose names match one of the patterns (`.gz` may follow)."""
        files = self.given + [path for _, path in self.tree]
        wanted = [pattern.lower() for pattern in patterns]
        return [f for f in files if any(fnmatch(f.name.lower().removesuffix(".gz"), p) for p in wanted)]

    @cached_property
    def photos(self) -> Media:
        """The photos of the folders and zips."""
        zips = self._zips + [path for name, path in self.tree if name.lower().endswith(".zip")]
        return Media([*self._of(PHOTOS), *(pair for path in zips for pair in _members(path))])

    @cached_property
    def videos(self) -> Media:
        """The videos of the folders."""
        return Media(self._of(VIDEOS))

    def _of(self, endings: set[str]) -> Iterator[tuple[str, Place]]:
        return ((name, Place(path)) for name, path in self.tree if path.suffix.lower() in endings)


def _members(path: Path) -> Iterator[tuple[str, Place]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no zip or is damaged: get the whole file") from error
    for name in names:
        member = PurePosixPath(name)
        if member.suffix.lower() in PHOTOS and member.name[0] != "." and "__MACOSX" not in member.parts:
            yield name, Place(path, name)


def stem(name: str) -> str:
    """A path without the ending of a photo or video: what ids are made of; never one that leads out of a folder."""
    parts = name.strip().replace("\\", "/").split("/")
    path = "/".join(part for part in parts if part not in ("", ".", "..") and not part.endswith(":"))
    bare, _, ending = path.rpartition(".")
    return bare if bare and f".{ending.lower()}" in PHOTOS | VIDEOS else path
