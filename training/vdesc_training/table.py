"""The caption table: the one form that every data set is brought into, and the only one that training reads.

A folder with `captions.jsonl`, one item a line, beside its pictures.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

TABLE = "captions.jsonl"


@dataclass(frozen=True, slots=True)
class Item:
    """What has captions: a photo, a video or a stretch of one, or words alone.

    Args:
        id: distinct within the table.
        images: paths within the folder: one for a photo, the keyframes in order for a video, none for text alone.
        split: `train`, `val` or `test`.
        captions: the references.
        video: the name of the video that it is a stretch of; all its stretches are in one split.
        span: where in the video it starts and ends, in milliseconds.
    """

    id: str
    images: tuple[str, ...]
    split: str
    captions: tuple[str, ...]
    video: str = ""
    span: tuple[int, int] | None = None


def write_table(folder: Path, items: Iterable[Item]) -> int:
    """The number of items written to the folder's table; the old table stays until the new one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    partial, count = folder / (TABLE + ".partial"), 0
    with partial.open("w", encoding="utf-8") as file:
        for item in items:
            row = {key: value for key, value in asdict(item).items() if value or key == "images"}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    partial.replace(folder / TABLE)
    return count


def read_table(folder: Path, split: str | None = None) -> Iterator[Item]:
    """The items of a table, of one split where that is given."""
    with (folder / TABLE).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if split in (None, row["split"]):
                span = row.get("span")
                yield Item(
                    row["id"], tuple(row["images"]), row["split"], tuple(row["captions"]), row.get("video", ""),
                    (span[0], span[1]) if span else None,
                )  # fmt: skip
