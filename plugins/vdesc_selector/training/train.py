"""Training a selector: a recipe and a file of rows in, a model folder that the ranker loads out."""

from pathlib import Path

import torch
from transformers import set_seed
from vdesc import InputError, PluginError
from vdesc.prompts import evidence, quoted
from vdesc_training.progress import Watch
from vdesc_training.running import arguments_of, callbacks, check, one_device, run, silence
from vdesc_training.sft import Row, read_rows

from ..judging import Judge
from ..question import ANSWER, ASK, BEGIN, END, Asking
from .beginning import begin
from .guide import guides
from .lessons import Questions
from .measures import Choice, figures
from .recipe import Recipe
from .trainer import SelectorCaptionTrainer

ROWS = "sft.jsonl"


def train(recipe: Recipe, data: Path, out: Path) -> Path:
    """The folder of the best model by the recipe's metric on the validation rows, written under `out`.

    A run that stopped goes on from its last checkpoint, and ends with the same weights as if it had not stopped.

    Raises:
        InputError: the rows cannot be used.
        SettingsError: the recipe does not fit the machine, or the run that is to go on.
        ModelError: the base is missing or has no such layers.
        OutputError: a checkpoint cannot be written; the last good one is kept.
        PluginError: the loss is not finite, or memory does not suffice for one question.
    """
    watch = Watch()
    check(recipe, out, figures([Choice((1.0,), (1.0,))]))
    try:
        with silence():
            set_seed(recipe.seed)
            return run(recipe, out, watch, lambda: prepare(recipe, data, out, watch)).finish()
    except torch.OutOfMemoryError as error:
        raise PluginError(f"selector: out of memory ({error}): set bits to 4, or take a smaller base") from error
    finally:
        watch.close()


def prepare(recipe: Recipe, data: Path, out: Path, watch: Watch) -> SelectorCaptionTrainer:
    """A trainer that is ready to begin: its model, its data, its callbacks."""
    arguments = arguments_of(recipe, out)
    one_device(arguments, watch)
    rows = usable(recipe, data, watch)
    llm, tokenizer = begin(recipe, (text for row in rows["train"] for text in _texts(row)), str(arguments.device))
    judge = Judge(llm, Asking(tokenizer, recipe.limits))
    told = guides(rows["train"]) if recipe.guided else ()
    lessons = {"train": Questions(rows["train"], judge, recipe, told), "val": Questions(rows["val"], judge, recipe)}
    following = callbacks(recipe, watch, bool(rows["val"]), arguments)
    return SelectorCaptionTrainer(
        recipe, judge, lessons["train"], lessons["val"], watch, model=llm, args=arguments, callbacks=following
    )


def usable(recipe: Recipe, data: Path, watch: Watch) -> dict[str, list[Row]]:
    """The rows of `train` and `val`, as many as the recipe wants. Raises `InputError` where none is to learn from."""
    path = data / ROWS if data.is_dir() else data
    rows: dict[str, list[Row]] = {"train": [], "val": []}
    for row in read_rows(path):
        if row.split in rows and not 0 < recipe.items <= len(rows[row.split]):
            rows[row.split].append(row)
    if not rows["train"]:
        raise InputError(f"{path} has no rows in the split 'train': make them with `vdesc data sft`")
    if not rows["val"]:
        watch.say(f"{path} has no rows in the split 'val': nothing is measured, and the last model is kept")
    return rows


def _texts(row: Row) -> list[str]:
    """What the tokenizer of a new model should know."""
    asked = [BEGIN, END, *ASK.values(), *ANSWER.values(), evidence(row.context, 1000, row.language)]
    return asked + [quoted(text) for text in row.candidates]
