"""Which items of a table a run learns from."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vdesc.errors import InputError

from .table import TABLE, Item, read_table

NAMED = 3  # items that a note names; of the rest it gives the number
Say = Callable[[str], object]


def usable(data: Path, most: int, pictures: bool, say: Say) -> dict[str, list[Item]]:
    """The items of `train` and `val` that have captions and, where needed, pictures; `say` hears of the others.

    Args:
        data: the table's folder.
        most: of each split; 0: all.
        pictures: whether each must have its pictures.
    Raises:
        InputError: there is no table, or nothing to train on.
    """
    splits: Counter[str] = Counter()
    kept: dict[str, list[Item]] = {"train": [], "val": []}
    wrong: dict[str, list[str]] = {}
    for item in read_table(data):
        splits[item.split] += 1
        if item.split not in kept or 0 < most <= len(kept[item.split]):
            continue
        item = replace(item, captions=tuple(caption for caption in item.captions if caption.strip()))
        if reason := _wrong(data, item, pictures):
            wrong.setdefault(reason, []).append(item.id)
        else:
            kept[item.split].append(item)
    for reason, ids in wrong.items():
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        say(f"left out, for want of {reason}: {', '.join(ids[:NAMED])}{more}")
    if not kept["train"]:
        there = ", ".join(f"{count} in '{split}'" for split, count in splits.items()) or "none"
        raise InputError(f"{data / TABLE} has no items in the split 'train' that can be learned from (items: {there})")
    if not kept["val"]:
        say("the table has no split 'val': nothing is measured, and the last model is kept")
    return kept


def _wrong(data: Path, item: Item, pictures: bool) -> str:
    """What an item lacks."""
    if not item.captions:
        return "captions"
    if pictures:
        if not item.images:
            return "pictures"
        if not all((data / name).is_file() for name in item.images):
            return "picture files"
    return ""
