"""Training clipgpt: a recipe and a caption table in, a model folder that `vdesc run` loads out."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import set_seed
from vdesc import PluginError
from vdesc_training.items import usable
from vdesc_training.lessons import Lessons
from vdesc_training.metrics import score
from vdesc_training.progress import Watch
from vdesc_training.running import arguments_of, callbacks, check, one_device, run, silence

from ..matcher import RECALLS
from .batches import encoded
from .beginning import begin
from .items import source
from .recipe import CACHED, IMAGES, Recipe
from .trainer import ClipGPTCaptionTrainer
from .tuning import Thaw, tune


def train(recipe: Recipe, data: Path, out: Path) -> Path:
    """The folder of the best model by the recipe's metric on the validation split, written under `out`.

    A run that stopped goes on from its last checkpoint, and ends with the same weights as if it had not stopped.

    Raises:
        InputError: the table, or all its pictures, cannot be used.
        SettingsError: the recipe does not fit the table, the machine, or the run that is to go on.
        ModelError: weights that the recipe names are missing or of another shape.
        OutputError: a checkpoint cannot be written; the last good one is kept.
        PluginError: the loss is not finite, memory does not suffice for one item, or all captions collapsed.
    """
    watch = Watch()
    check(recipe, out, _scores(recipe))
    try:
        with silence():
            set_seed(recipe.seed)
            return run(recipe, out, watch, lambda: prepare(recipe, data, out, watch)).finish()
    except torch.OutOfMemoryError as error:
        raise PluginError(f"clipgpt: out of memory ({error}): take a smaller model, or fewer beams") from error
    finally:
        watch.close()


def prepare(recipe: Recipe, data: Path, out: Path, watch: Watch) -> ClipGPTCaptionTrainer:
    """A trainer that is ready to begin: its model, its data, its callbacks."""
    arguments = arguments_of(recipe, out, bool(recipe.encoder_from_epoch))
    one_device(arguments, watch)
    table = usable(data, recipe.items, recipe.features in (IMAGES, CACHED), watch.say)
    model: Any
    tokenizer, model = begin(recipe, (caption for item in table["train"] for caption in item.captions))
    tune(model, recipe)
    model.to(arguments.device)
    with PartialState().main_process_first():
        origin = source(data, table, recipe, model, watch.say, watch.report)
    lessons = {
        split: Lessons(origin, items, encoded([item.captions for item in items], tokenizer, model.config), recipe.seed,
                       recipe.captions)
        for split, items in table.items()
    }  # fmt: skip
    following = callbacks(recipe, watch, bool(table["val"]), arguments)
    if recipe.encoder_from_epoch:
        following.append(Thaw(recipe.encoder_from_epoch))
    return ClipGPTCaptionTrainer(
        recipe, tokenizer, lessons["train"], lessons["val"], watch, model=model, args=arguments, callbacks=following
    )


def _scores(recipe: Recipe) -> Collection[str]:
    """What validation measures."""
    return RECALLS if recipe.learn == "match" else [*score({"a": "a dog runs"}, {"a": ["a dog runs"]}), "loss"]
