"""The caption table: the one form that every data set is brought into, and the only one that training reads.

A folder with `captions.jsonl` (one item a line: id, image path within the folder, split, captions) beside its images.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

TABLE = "captions.jsonl"


@dataclass(frozen=True, slots=True)
class Item:
    """One picture with its reference captions; `split` is train, val or test."""

    id: str
    image: str
    split: str
    captions: tuple[str, ...]


def write_table(folder: Path, items: Iterable[Item]) -> int:
    """The number of items written to the folder's table; the old table stays until the new one is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    partial, count = folder / (TABLE + ".partial"), 0
    with partial.open("w", encoding="utf-8") as file:
        for item in items:
            file.write(json.dumps(asdict(item), ensure_ascii=False) + "\n")
            count += 1
    partial.replace(folder / TABLE)
    return count


def read_table(folder: Path, split: str | None = None) -> Iterator[Item]:
    """The items of a table, of one split where that is given."""
    with (folder / TABLE).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if split in (None, row["split"]):
                yield Item(row["id"], row["image"], row["split"], tuple(row["captions"]))
