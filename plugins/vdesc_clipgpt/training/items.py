"""Where the input of a table's items comes from."""

from collections.abc import Callable
from pathlib import Path

from vdesc import InputError, SettingsError
from vdesc_training.features import FeatureStore
from vdesc_training.items import Say
from vdesc_training.lessons import Source
from vdesc_training.table import Item

from ..model import ClipGPTModel
from .batches import Blind, Photos, Stored
from .extraction import stored
from .recipe import CACHED, IMAGES, NONE, Recipe


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
