"""Training clipgpt: a recipe and a caption table in, a model folder that `vdesc run` loads out."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainingArguments, set_seed
from transformers.utils import logging
from vdesc import OutputError, PluginError, SettingsError
from vdesc.errors import nearest
from vdesc_training.metrics import score

from ..matcher import RECALLS
from .batches import Lessons, encoded
from .beginning import begin
from .items import source, usable
from .pace import Pace
from .progress import Watch, curves
from .recipe import Recipe
from .resume import checkpoints, finished, fits, same
from .trainer import CaptionTrainer
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
    _check(recipe, out)
    try:
        with _silence():
            return _run(recipe, data, out, watch)
    except torch.OutOfMemoryError as error:
        raise PluginError(f"clipgpt: out of memory ({error}): take a smaller model, or fewer beams") from error
    finally:
        watch.close()


@contextmanager
def _silence() -> Iterator[None]:
    """What transformers has to say of each file it writes, and of tied weights that it does not find, is left out."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def _run(recipe: Recipe, data: Path, out: Path, watch: Watch) -> Path:
    set_seed(recipe.seed)
    last = next(iter(checkpoints(out)), None)
    if last:
        same(last, recipe)
    trainer = prepare(recipe, data, out, watch)
    if last:
        fits(last, trainer.model)
    if last and finished(last, recipe):
        watch.say(f"the run in {out} was at its end already")
    else:
        if last:
            watch.say(f"going on from {last}")
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    return trainer.finish()


def prepare(recipe: Recipe, data: Path, out: Path, watch: Watch) -> CaptionTrainer:
    """A trainer that is ready to begin: its model, its data, its callbacks."""
    arguments = _arguments(recipe, out)
    if arguments.n_gpu > 1:
        watch.say(f"one of {arguments.n_gpu} GPUs is used; for all of them: accelerate launch -m vdesc train ...")
        arguments._n_gpu = 1
    table = usable(data, recipe, watch.say)
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
    callbacks = [
        watch,
        Pace(recipe.save_steps, bool(table["val"])),
        *(curves(recipe.report, out) if arguments.process_index == 0 else []),
    ]
    if recipe.encoder_from_epoch:
        callbacks.append(Thaw(recipe.encoder_from_epoch))
    return CaptionTrainer(
        recipe, tokenizer, lessons["train"], lessons["val"], watch, model=model, args=arguments, callbacks=callbacks
    )


def _check(recipe: Recipe, out: Path) -> None:
    """Raises what would else come up after an epoch."""
    known = RECALLS if recipe.learn == "match" else [*score({"a": "a dog runs"}, {"a": ["a dog runs"]}), "loss"]
    if recipe.metric not in known:
        raise SettingsError(f"there is no validation score '{recipe.metric}' ({nearest(recipe.metric, known)})")
    if recipe.precision == "float16" and not torch.cuda.is_available():
        raise SettingsError("precision float16 needs a GPU: set precision to bfloat16 or float32")
    if recipe.precision == "bfloat16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        raise SettingsError("this GPU has no bfloat16: set precision to float16")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}; choose another folder with -o") from error


def _arguments(recipe: Recipe, out: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(out), num_train_epochs=recipe.epochs, learning_rate=recipe.rate, warmup_steps=recipe.warmup,
        per_device_train_batch_size=recipe.photos * recipe.accumulate, lr_scheduler_type="cosine",
        max_grad_norm=recipe.clip, bf16=recipe.precision == "bfloat16", fp16=recipe.precision == "float16",
        eval_strategy="no", save_strategy="no", logging_steps=20, logging_nan_inf_filter=False, seed=recipe.seed,
        report_to=[], dataloader_num_workers=recipe.workers, remove_unused_columns=False, label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(), use_cpu=not torch.cuda.is_available(), disable_tqdm=True,
        ddp_find_unused_parameters=bool(recipe.encoder_from_epoch),
    )  # fmt: skip
