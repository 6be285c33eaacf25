"""Keyframes of videos as pictures of a table: chosen by the engine's keyframers, made once, named by their time."""

import shutil
from bisect import bisect_left
from functools import cached_property
from pathlib import Path

from vdesc.crew import blamed
from vdesc.errors import InputError, OutputError, PluginError
from vdesc.kinds import Keyframer
from vdesc.media import probe, save_picture
from vdesc.registry import Registry, create, split


class Keyframes:
    """The keyframes of a table's videos, under `frames/<keyframer>/<video>/<milliseconds>.jpg`.

    What lies there is not made again, so that a killed run goes on.

    Args:
        folder: the table's.
        spec: a keyframer, as in `uniform:28`, `every:2s` or `shots`.
    """

    def __init__(self, folder: Path, spec: str):
        self.folder, self.spec = folder, spec
        self._failed: dict[Path, str] = {}

    @cached_property
    def keyframer(self) -> Keyframer:
        """The plugin, ready for work. Raises `PluginError`, `SettingsError`."""
        name, shorthand = split(self.spec)
        plugin = create(Registry().find(name, ("keyframer",)).plugin, shorthand)
        assert isinstance(plugin, Keyframer)
        plugin.load("cpu")
        return plugin

    def of(self, video: Path, name: str, span: tuple[int, int] | None = None) -> tuple[str, ...]:
        """Paths within the folder of a video's keyframes, or of those in a span (milliseconds), at least the nearest.

        Raises:
            InputError: it cannot be decoded, or has no keyframe.
            OutputError: they cannot be written.
        """
        place = self.folder / "frames" / self.spec.replace(":", "-") / name
        if not place.is_dir():
            self._make(video, place)
        paths = sorted(place.glob("*.jpg"))
        if span:
            times = [int(path.stem) for path in paths]
            inside = paths[bisect_left(times, span[0]) : bisect_left(times, span[1])]
            middle = sum(span) / 2
            paths = inside or [min(paths, key=lambda path: abs(int(path.stem) - middle))]
        return tuple(path.relative_to(self.folder).as_posix() for path in paths)

    def _make(self, video: Path, place: Path) -> None:
        if video in self._failed:
            raise InputError(self._failed[video])
        partial, keyframer = place.with_name(f".{place.name}.partial"), self.keyframer
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with blamed(keyframer, f"failed at {video}"):
                for keyframe in keyframer.select(probe(video)):
                    save_picture(keyframe.image, partial / f"{keyframe.at:08}.jpg")
            if not partial.is_dir():
                raise InputError(f"{keyframer.name} found no keyframe in {video}")
        except (InputError, PluginError) as error:
            self._failed[video] = str(error)
            shutil.rmtree(partial, ignore_errors=True)
            raise InputError(str(error)) from error
        try:
            partial.rename(place)
        except OSError as error:
            raise OutputError(f"cannot write {place}: {error.strerror or error}") from error
