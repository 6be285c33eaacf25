"""The caption table: the one form that every data set is brought into, and the only one that training reads.

A folder with `captions.jsonl`, one item a line, beside its pictures.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from vdesc.errors import InputError
from vdesc.files import replacing

TABLE = "captions.jsonl"


@dataclass(frozen=True, slots=True)
class Item:
    """What has captions: a photo, a video or a stretch of one, or words alone.

    Args:
        id: distinct within the table.
        images: paths within the folder: one for a photo, the keyframes in order for a video, none for text alone.
        split: `train`, `val` or `test`.
        captions: the references.
        video: the name of the video that it is, or is a stretch of; all its stretches are in one split.
        span: where in the video it starts and ends, in milliseconds; None for the whole of it.
    """

    id: str
    images: tuple[str, ...]
    split: str
    captions: tuple[str, ...]
    video: str = ""
    span: tuple[int, int] | None = None


KEYS = tuple(field.name for field in fields(Item))


def write_table(folder: Path, items: Iterable[Item]) -> int:
    """The number of items written to the folder's table; the old table stays until the new one is whole.

    Raises `OutputError` where it cannot be written.
    """
    count = 0
    with replacing(folder / TABLE) as partial, partial.open("w", encoding="utf-8") as file:
        for item in items:
            row = {key: value for key in KEYS if (value := getattr(item, key)) or key == "images"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def read_table(folder: Path, split: str | None = None) -> Iterator[Item]:
    """The items of a table, of one split where that is given. Raises `InputError`: no table, or a line is damaged."""
    path = folder / TABLE
    if not path.is_file():
        raise InputError(f"there is no caption table in {folder}: make one with `vdesc data`")
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                item = _item(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"line {number} of {path} is no item: make the table again with `vdesc data`"
                ) from error
            if split in (None, item.split):
                yield item


def _item(row: dict) -> Item:
    span = (row["span"][0], row["span"][1]) if row.get("span") else None
    return Item(row["id"], tuple(row["images"]), row["split"], tuple(row["captions"]), row.get("video", ""), span)
