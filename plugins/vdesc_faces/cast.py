"""The cast: a file of the user's that says which photos show whom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import InputError
from vdesc.media import Photo

if TYPE_CHECKING:
    import numpy as np

    from .detector import Detector, Face
    from .identity import Identity

FORM = "give each name one photo or a list of photos, as in `Ann: [ann1.jpg, ann2.jpg]`"


def photos(file: Path) -> dict[str, tuple[Path, ...]]:
    """The photos of each name, from a YAML or JSON file; their paths are relative to it. Raises `InputError`."""
    try:
        found = _parsed(file)
    except OSError as error:
        raise InputError(f"cannot read the cast file {file}: {error.strerror or error}") from error
    except ValueError as error:
        line = " ".join(str(error).split())
        raise InputError(f"the cast file {file} is neither YAML nor JSON ({line}): {FORM}") from error
    if not isinstance(found, dict) or not found:
        raise InputError(f"the cast file {file} names nobody: {FORM}")
    return {_name(name, file): _paths(name, given, file) for name, given in found.items()}


def _parsed(file: Path) -> Any:
    text = file.read_text("utf-8-sig")
    if file.suffix.lower() == ".json":
        return json.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def _name(name: Any, file: Path) -> str:
    words = " ".join(str(name).split())
    if not isinstance(name, str) or not words.isprintable() or not words:
        raise InputError(f"the cast file {file} has the name {name!r}, which is none: {FORM}")
    return words


def _paths(name: str, given: Any, file: Path) -> tuple[Path, ...]:
    some = [given] if isinstance(given, str) else given
    if not isinstance(some, list) or not some or not all(isinstance(photo, str) and photo for photo in some):
        raise InputError(f"the cast file {file} has no photos for {name}: {FORM}")
    return tuple(file.parent / photo for photo in some)


def vectors(
    cast: dict[str, tuple[Path, ...]], detector: Detector, identity: Identity
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """The unit vectors of each name's photos, float32 (photos, width), and what is wrong with photos, with its level.

    The largest face of a photo is taken. A photo that is of no use is left out, and so is a name without photos.
    """
    import numpy as np

    known: dict[str, np.ndarray] = {}
    trouble: list[tuple[str, str]] = []
    for name, paths in cast.items():
        rows = []
        for path in paths:
            try:
                pixels, face = _portrait(path, detector)
            except InputError as error:
                trouble.append((f"the cast photo {path} of {name} {error}, and is left out", "warning"))
                continue
            rows.append(identity.vectors(pixels, [face])[0])
        if rows:
            known[name] = np.stack(rows)
        else:
            trouble.append((f"the cast has no usable photo of {name}, who will not be recognised", "warning"))
    return known, trouble


def _portrait(path: Path, detector: Detector) -> tuple[np.ndarray, Face]:
    """A photo's pixels and its largest face. Raises `InputError` with what is wrong as the end of a sentence."""
    from PIL import Image

    try:
        pixels = Photo(path).pixels()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError("cannot be read" if path.is_file() else "does not exist") from error
    faces = detector.faces(pixels)
    if not faces:
        raise InputError("shows no face")
    return pixels, max(faces, key=lambda face: (face.box.right - face.box.left) * (face.box.bottom - face.box.top))
