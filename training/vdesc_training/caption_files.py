"""Captions in files: predictions and references, in the forms that evaluation scripts write and read."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vdesc.errors import InputError

from .table import Item, read_table

IDS = ("image_id", "video_id", "id", "video", "image")
TEXTS = ("captions", "caption", "texts", "text", "prediction")
"""What a row calls its item and its words. The first it has counts: the `id` of a COCO row is the caption's own."""

Captions = dict[str, list[str]]
"""The captions of each id, in the file's order."""


def read_predictions(path: Path) -> Captions:
    """What was said of each item; the first caption of an id is its prediction, the others are its candidates.

    Forms: JSON `{id: text}` or `{id: [texts]}` (as NYU's `pred.json`), COCO results `[{image_id, caption}]`, and JSON
    lines with an id and a caption or captions each.

    Raises:
        InputError: the file cannot be read or is of no such form, is empty, or names an id twice.
    """
    return _checked(path, _rows(path), together=False)


def read_references(path: Path, split: str) -> Captions:
    """The references of each item: the forms of `read_predictions`, COCO captions JSON, or a caption table's folder.

    Args:
        split: of a table; a file has none.
    Raises:
        InputError: as `read_predictions`; but rows of one id belong together.
    """
    if path.is_dir():
        return {item.id: list(item.captions) for item in read_items(path, split)}
    return _checked(path, _rows(path), together=True)


def read_items(folder: Path, split: str) -> list[Item]:
    """The items of a table's split. Raises `InputError`: no table, nothing in that split, an id twice."""
    items = list(read_table(folder))
    chosen = [item for item in items if item.split == split]
    if not chosen:
        splits = ", ".join(sorted({item.split for item in items})) or "none"
        raise InputError(f"{folder} has no items in the split '{split}' (splits: {splits}): choose one with --split")
    seen: set[str] = set()
    for item in chosen:
        if item.id in seen:
            raise InputError(f"{folder} has the id '{item.id}' twice: make the table again with `vdesc data`")
        seen.add(item.id)
    return chosen


def _checked(path: Path, rows: Iterable[tuple[Any, Any]], together: bool) -> Captions:
    captions: Captions = {}
    for key, said in rows:
        texts = [said] if isinstance(said, str) else said
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise InputError(f"{path}: the captions of '{key}' are no text and no list of texts: correct that entry")
        if str(key) in captions and not together:
            raise InputError(f"{path} has the id '{key}' twice: keep one caption for it, or a list of candidates")
        captions.setdefault(str(key), []).extend(_sound(text) for text in texts)
    if not captions:
        raise InputError(f"{path} holds no captions: give a file with at least one")
    return captions


def _rows(path: Path) -> Iterator[tuple[Any, Any]]:
    """Ids and captions of a file, one or several captions a row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}") from error
    found = _parsed(path, text)
    if isinstance(found, dict) and isinstance(found.get("annotations"), list):
        found = found["annotations"]
    if isinstance(found, dict) and not _named(found):
        yield from found.items()
        return
    for number, row in enumerate(found if isinstance(found, list) else [found], 1):
        yield _row(path, number, row)


def _parsed(path: Path, text: str) -> Any:
    """The one JSON value of a file, or the list of those of its lines."""

    def load(part: str) -> Any:
        return json.loads(part, object_pairs_hook=lambda pairs: _once(path, pairs))

    try:
        try:
            return load(text)
        except json.JSONDecodeError:
            return [load(line) for line in text.split("\n") if line.strip()]
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(
            f"{path} is no JSON and no JSON lines: give {{id: text}}, COCO results [{{image_id, caption}}], or one "
            "object a line"
        ) from error


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; one that names a key twice would silently lose the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InputError(f"{path} has the id '{twice}' twice: keep one caption for it, or a list of candidates")
    return found


def _row(path: Path, number: int, row: Any) -> tuple[Any, Any]:
    if found := _named(row) if isinstance(row, dict) else None:
        return found
    raise InputError(
        f"{path}: entry {number} has no id and caption: it needs one of {', '.join(IDS)} and one of {', '.join(TEXTS)}"
    )


def _named(row: dict[str, Any]) -> tuple[Any, Any] | None:
    """The id and the words of a row, where it has both."""
    key = next((row[name] for name in IDS if isinstance(row.get(name), str | int)), None)
    words = next((row[name] for name in TEXTS if name in row), None)
    return None if key is None or words is None else (key, words)


def _sound(text: str) -> str:
    """The text without halves of characters, which JSON can hold and no file or program can."""
    return text.encode("utf-8", "replace").decode()
