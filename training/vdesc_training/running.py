"""Running a trainer: what is checked first, where a run goes on, and what the Hugging Face trainer is told."""

import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import TrainerCallback, TrainingArguments
from transformers.utils import logging
from vdesc.errors import OutputError, SettingsError, nearest

from .caption_recipe import CaptionRecipe
from .pace import Pace
from .progress import Watch, curves
from .resume import checkpoints, finished, fits, same
from .trainer import CaptionTrainer


def check(recipe: CaptionRecipe, out: Path, scores: Collection[str]) -> None:
    """Raises what would else come up after an epoch.

    Args:
        scores: what validation measures.
    Raises:
        SettingsError: the recipe's metric or precision is not to be had here.
        OutputError: the folder cannot be made.
    """
    if recipe.metric not in scores:
        raise SettingsError(f"there is no validation score '{recipe.metric}' ({nearest(recipe.metric, scores)})")
    if recipe.precision == "float16" and not torch.cuda.is_available():
        raise SettingsError("precision float16 needs a GPU: set precision to bfloat16 or float32")
    if recipe.precision == "bfloat16" and torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        raise SettingsError("this GPU has no bfloat16: set precision to float16")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {out}: {error.strerror or error}; choose another folder with -o") from error


@contextmanager
def silence() -> Iterator[None]:
    """What transformers has to say of each file it writes, and of what will be called otherwise, is left out."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def run(recipe: CaptionRecipe, out: Path, watch: Watch, prepare: Callable[[], CaptionTrainer]) -> CaptionTrainer:
    """The trainer of a run that is at its end; one that stopped has gone on from its last checkpoint.

    Args:
        out: where its checkpoints are.
        prepare: makes the trainer, ready to begin.
    Raises:
        SettingsError: the folder holds a run of another recipe.
        ModelError: its weights are of another shape.
    """
    last = next(iter(checkpoints(out)), None)
    if last:
        same(last, recipe)
    trainer = prepare()
    if last:
        fits(last, trainer.model)
    if last and finished(last, recipe):
        watch.say(f"the run in {out} was at its end already")
    else:
        if last:
            watch.say(f"going on from {last}")
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    return trainer


def one_device(arguments: TrainingArguments, watch: Watch) -> None:
    """Uses one GPU of several that this process sees, and says how all are used."""
    if arguments.n_gpu > 1:
        watch.say(f"one of {arguments.n_gpu} GPUs is used; for all of them: accelerate launch -m vdesc train ...")
        arguments._n_gpu = 1


def callbacks(
    recipe: CaptionRecipe, watch: Watch, measured: bool, arguments: TrainingArguments
) -> list[TrainerCallback]:
    """What follows a run: the watch, the pace of measuring and saving, the curves."""
    drawn = curves(recipe.report, Path(arguments.output_dir or ".")) if arguments.process_index == 0 else []
    return [watch, Pace(recipe.save_steps, measured), *drawn]


def arguments_of(recipe: CaptionRecipe, out: Path, unused: bool = False) -> TrainingArguments:
    """The arguments of the Hugging Face trainer; `unused`: whether some of what learns may have no gradient."""
    return TrainingArguments(
        output_dir=str(out), num_train_epochs=recipe.epochs, learning_rate=recipe.rate, warmup_steps=recipe.warmup,
        per_device_train_batch_size=recipe.photos * recipe.accumulate, lr_scheduler_type="cosine",
        max_grad_norm=recipe.clip, bf16=recipe.precision == "bfloat16", fp16=recipe.precision == "float16",
        eval_strategy="no", save_strategy="no", logging_steps=20, logging_nan_inf_filter=False, seed=recipe.seed,
        report_to=[], dataloader_num_workers=recipe.workers, remove_unused_columns=False, label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(), use_cpu=not torch.cuda.is_available(), disable_tqdm=True,
        ddp_find_unused_parameters=unused,
    )  # fmt: skip
