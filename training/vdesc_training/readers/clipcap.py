"""The pickles of ClipCap and of clip-gpt-captioning: captions, and CLIP embeddings for the feature store."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vdesc.errors import InputError
from vdesc.files import digest

from ..report import Report
from ..splits import by_file
from ..unpickling import unpickle
from .entry import Encoded, Entry
from .lines import parsed
from .sources import Sources, stem


def clipcap(sources: Sources, report: Report) -> Iterator[Entry]:
    """`oscar_split_*.pkl`: `clip_embedding` (M, D), `captions` with their rows; and the `_tokens.pkl` made of it.

    The embeddings are CLIP's projected ones, not normalised. A photo's captions each have a row of their own; the
    first one's is kept.
    """
    paths = sources.annotations("oscar_split_*.pkl")
    tokens = [path for path in paths if path.name.endswith("_tokens.pkl")]
    pickles = [path for path in paths if path not in tokens]
    if not pickles:
        raise InputError(f"{tokens[0]} holds tokens alone: give the pickle that it was made of as well")
    found = {path: _pickle(path) for path in pickles}
    for path in tokens:
        _compare(path, found, report)
    files = {path.name: digest(path) for path in pickles}
    for path, split in by_file(pickles).items():
        matrix, captions = found[path]
        encoder = re.sub(r"^oscar_split_|_(train|val|test)$", "", path.stem)
        about = {"format": "clipcap", "encoder": encoder, "width": matrix.shape[1], "normalised": False, "files": files}
        make = partial(_caption, matrix=matrix, split=split, about=about)
        yield from parsed(captions, make, report, path.name)


def clip_gpt(sources: Sources, report: Report) -> Iterator[Entry]:
    """`dataset.pkl` of clip-gpt-captioning: a list of (photo's name, embedding (D), caption).

    The embeddings are CLIP's pooled ones, before the projection: 768 wide for size S, 1024 for L.
    """
    paths = sources.annotations("dataset*.pkl")
    files = {path.name: digest(path) for path in paths}

    def entry(row: Any) -> Entry:
        name, vector, caption = row
        about = {"format": "clip-gpt", "width": vector.reshape(-1).shape[0], "projected": False, "files": files}
        return Entry(stem(name), (_text(caption),), photo=name, encoded=_encoded("clip-gpt", about, vector))

    for path in paths:
        pairs = unpickle(path)
        if not isinstance(pairs, list):
            raise InputError(f"{path} holds no list of (name, embedding, caption): is it of clip-gpt-captioning?")
        yield from parsed(pairs, entry, report, path.name)


def _pickle(path: Path) -> tuple[Any, list[Any]]:
    data = unpickle(path)
    try:
        matrix, captions = data["clip_embedding"], data["captions"]
        if matrix.ndim == 2 and isinstance(captions, list):
            return matrix, captions
    except (KeyError, TypeError, AttributeError):
        pass
    raise InputError(f"{path} holds no clip_embedding (rows, width) beside a list of captions: is it of ClipCap?")


def _caption(row: dict[str, Any], matrix: Any, split: str, about: dict[str, Any]) -> Entry:
    number = int(row["clip_embedding"])
    if not 0 <= number < len(matrix):
        raise IndexError(number)
    encoded = _encoded(f"clipcap-{about['encoder']}", about, matrix[number])
    return Entry(str(row["image_id"]), (_text(row["caption"]),), split, encoded=encoded)


def _compare(path: Path, found: dict[Path, tuple[Any, list[Any]]], report: Report) -> None:
    """Notes whether ClipCap's token cache, [tokens, row of each caption, longest], belongs to its pickle."""
    cached = unpickle(path)
    origin = path.with_name(path.name.replace("_tokens.pkl", ".pkl"))
    rows = [row.get("clip_embedding") for row in found[origin][1]] if origin in found else []
    same = isinstance(cached, list) and len(cached) == 3 and list(cached[1]) == rows
    report.note(
        f"{path.name} {'agrees with' if same else 'does not belong to'} {origin.name}; the table holds the words"
    )


def _encoded(name: str, about: dict[str, Any], vector: Any) -> Encoded:
    return Encoded(f"{name}-{about['width']}", about, partial(_tensor, vector))


def _tensor(vector: Any) -> Any:
    import torch

    return torch.as_tensor(vector).reshape(1, 1, -1)


def _text(value: Any) -> str:
    if not isinstance(value, str):  # a missing caption is NaN there
        raise TypeError("a caption that is no text")
    return value
