"""Photos as pictures of a table: decoded once to see that they are whole, and brought into its folder."""

import io
import os
import shutil
import zipfile
from contextlib import ExitStack
from pathlib import Path

from vdesc.errors import InputError, OutputError

from .readers.sources import Place


class Photos:
    """Brings photos into a table's folder, under `images/`; may be called from several threads. Close it at the end.

    A photo is linked where the file system can (one file under two names, which costs no room), and copied elsewhere;
    one of a zip is unpacked.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._open = ExitStack()

    def bring(self, place: Place, name: str) -> str:
        """The photo's path within the folder; it now lies there.

        Raises:
            InputError: it cannot be decoded to its end.
            OutputError: it cannot be written.
        """
        path = f"images/{name}{place.suffix}"
        data = self._member(place) if place.member else None
        _check(place, data)
        _store(place.file, data, self.folder / path)
        return path

    def close(self) -> None:
        """Closes the zips."""
        self._open.close()

    def _member(self, place: Place) -> bytes:
        if place.file not in self._archives:
            self._archives[place.file] = self._open.enter_context(zipfile.ZipFile(place.file))
        try:
            return self._archives[place.file].read(place.member)
        except Exception as error:  # a damaged zip fails in many ways
            raise InputError(f"{place.member} of {place.file} is damaged") from error


def _check(place: Place, data: bytes | None) -> None:
    from PIL import Image

    try:
        with Image.open(place.file if data is None else io.BytesIO(data)) as photo:
            photo.draft("RGB", (1, 1))  # JPEGs are read to their end all the same, and drawn eight times smaller
            photo.load()
    except Exception as error:  # so does a damaged photo
        raise InputError(f"{place.member or place.file} cannot be decoded: {error}") from error


def _store(source: Path, data: bytes | None, target: Path) -> None:
    size = source.stat().st_size if data is None else len(data)
    if target.is_file() and target.stat().st_size == size:
        return
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        if data is None:
            _link(source, partial)
        else:
            partial.write_bytes(data)
        partial.replace(target)
    except OSError as error:
        raise OutputError(
            f"cannot write {target}: {error.strerror or error}; make room or choose another folder"
        ) from error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file of somebody else
        shutil.copyfile(source, target)
