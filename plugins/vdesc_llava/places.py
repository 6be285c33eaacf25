"""Where a model's files are, its own and its bases', and what they are, without reading gigabytes. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from vdesc import InputError, ModelError
from vdesc.files import digest
from vdesc.hub import model_folder

PATTERNS = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
PARTS = ("tower", "llm")
LARGE = 2**26
"""Bytes from which a file is known by its beginning, which names and shapes its tensors, its size and its time."""
BEGINNING = 2**20


def inside(name: str, folder: Path | None) -> bool:
    """Whether a base lies in the model's own folder."""
    return bool(name and folder and not Path(name).is_absolute() and (folder / name).is_dir())


def base_folder(name: str, part: str, folder: Path | None = None) -> Path:
    """The folder of a base, looked up in the model's own `folder` first. Raises `ModelError`, naming the part."""
    if not name:
        raise ModelError(f"llava: the config names no {part}: give a folder or a hub id as {part}")
    if folder is not None and inside(name, folder):
        return folder / name
    try:
        return model_folder(name, "llava", PATTERNS)
    except ModelError as error:
        told = str(error).removeprefix("llava: ")
        raise ModelError(f"llava: the model's {part} '{name}' is not at hand: {told}") from error


def identity(folder: Path) -> str:
    """A digest of all that a model's answers depend on: the files of its folder, and those of the bases it names.

    Raises:
        InputError: a file cannot be read.
        ModelError: a base is not at hand.
    """
    whole = hashlib.sha256()
    for part, place in (("", folder), *_bases(folder)):
        for path in sorted({path for pattern in PATTERNS for path in place.rglob(pattern) if path.is_file()}):
            whole.update(f"{part} {path.relative_to(place).as_posix()} {_known(path)}\n".encode())
    return whole.hexdigest()


def _bases(folder: Path) -> Iterator[tuple[str, Path]]:
    """The folders of bases outside the model's own; what is wrong with its config is told when it is loaded."""
    try:
        said = json.loads((folder / "config.json").read_bytes())
        names = {part: str(said.get(part) or "") for part in PARTS}
    except (OSError, ValueError, AttributeError):
        return
    for part, name in names.items():
        if name and not inside(name, folder):
            yield part, base_folder(name, part)


def _known(path: Path) -> str:
    """What tells a file from others of its name."""
    try:
        state = path.stat()
        if state.st_size < LARGE:
            return digest(path)
        with path.open("rb") as file:
            beginning = hashlib.sha256(file.read(BEGINNING)).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    return f"{beginning} {state.st_size} {state.st_mtime_ns}"
