"""Which items of a table a run learns from, and where their input comes from."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vdesc import InputError, SettingsError
from vdesc_training.features import FeatureStore
from vdesc_training.table import TABLE, Item, read_table

from ..model import ClipGPTModel
from .batches import Blind, Photos, Source, Stored
from .extraction import stored
from .recipe import CACHED, IMAGES, NONE, Recipe

NAMED = 3  # items that a note names; of the rest it gives the number
Say = Callable[[str], object]


def usable(data: Path, recipe: Recipe, say: Say) -> dict[str, list[Item]]:
    """The items of `train` and `val` that have captions and, where needed, pictures; `say` hears of the others.

    Raises:
        InputError: there is no table, or nothing to train on.
    """
    splits: Counter[str] = Counter()
    kept: dict[str, list[Item]] = {"train": [], "val": []}
    wrong: dict[str, list[str]] = {}
    for item in read_table(data):
        splits[item.split] += 1
        if item.split not in kept or 0 < recipe.items <= len(kept[item.split]):
            continue
        item = replace(item, captions=tuple(caption for caption in item.captions if caption.strip()))
        if reason := _wrong(data, item, recipe):
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


def _wrong(data: Path, item: Item, recipe: Recipe) -> str:
    """What an item lacks."""
    if not item.captions:
        return "captions"
    if recipe.features in (IMAGES, CACHED):
        if not item.images:
            return "pictures"
        if not all((data / name).is_file() for name in item.images):
            return "picture files"
    return ""


def source(
    data: Path, table: dict[str, list[Item]], recipe: Recipe, model: ClipGPTModel, say: Say,
    report: Callable[[int, int], object],
) -> Source:  # fmt: skip
    """Where the input comes from; items without features leave the table.

    Raises:
        InputError: the features are not there, or of no item to train on.
        SettingsError: the recipe's model cannot read them.
    """
    if recipe.features == IMAGES:
        return Photos(data, model, recipe.smallest_crop)
    if recipe.features == NONE:
        return Blind()
    if recipe.features == CACHED:
        store = stored(model, data, [item for items in table.values() for item in items], recipe, say, report)
    else:
        store = FeatureStore(data, recipe.features)
    for split, items in table.items():
        table[split] = [item for item in items if item.id in store]
        if len(table[split]) < len(items) and recipe.features != CACHED:
            say(f"left out, for want of features: {len(items) - len(table[split])} items of '{split}'")
    if not table["train"]:
        raise InputError(f"{store.place} has no features of any item in the split 'train'")
    made, first = Stored(store, model.pictures), table["train"][0]
    try:
        model.map(made.plain(first)[None].to(model.device))
    except RuntimeError as error:
        raise SettingsError(
            f"the features in {store.place} are {tuple(store.get(first.id).shape)} an item, which the recipe's mapper "
            f"'{model.config.mapper}' cannot read: name the encoder that made them"
        ) from error
    return made
