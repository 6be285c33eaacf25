"""Training llava: a recipe and a caption table in, a model folder that `vdesc run` loads out."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors.torch import load_file
from transformers import set_seed
from vdesc import ModelError, PluginError, SettingsError
from vdesc.prompts import instruction
from vdesc_training.items import usable
from vdesc_training.lessons import Source
from vdesc_training.metrics import score
from vdesc_training.progress import Watch
from vdesc_training.resume import WEIGHTS, checkpoints, fits
from vdesc_training.running import arguments_of, callbacks, check, one_device, run, silence

from ..model import LlavaModel
from .beginning import begin
from .clips import Clips, collator, cut, encoded, longest
from .extraction import source
from .judging import Judge
from .recipe import CACHED, IMAGES, Recipe
from .reporting import write_report
from .sharding import processes
from .trainer import LlavaCaptionTrainer
from .tuning import learned_names, tune

BEST = "best"


def train(recipe: Recipe, data: Path, out: Path) -> Path:
    """The folder of the best model by the recipe's metric on the validation split, written under `out`.

    Each stage has its own checkpoints, in `stage-1`, `stage-2`, ...; each begins with what the one before ended with. A
    run that stopped goes on from its last checkpoint, and ends with the same weights as if it had not stopped.
    `report.html` shows how it went.

    Raises:
        InputError: the table, or all its pictures, cannot be used.
        SettingsError: the recipe does not fit the table, the machine, or the run that is to go on.
        ModelError: bases that the recipe names are missing or do not fit each other.
        MissingExtra: bitsandbytes is needed and not there.
        OutputError: a checkpoint cannot be written; the last good one is kept.
        PluginError: the loss is not finite, memory does not suffice for one item, or all captions collapsed.
    """
    watch = Watch()
    _undivided()
    scores = [*score({"a": "a dog runs"}, {"a": ["a dog runs"]}), "loss", "meteor_exact", "joint"]
    for stage in recipe.of_stages:
        check(stage, out, [*scores, *(["alignment"] if recipe.judge else [])])
    try:
        with silence():
            return _stages(recipe, data, out, watch)
    except torch.OutOfMemoryError as error:
        raise PluginError(
            f"llava: out of memory ({error}): set bits to 4, checkpointing to true, or take a smaller model"
        ) from error
    finally:
        watch.close()


def _undivided() -> None:
    """Raises `SettingsError` where accelerate is to divide the model: it would divide what learns as well."""
    if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true" or PartialState().distributed_type == "DEEPSPEED":
        raise SettingsError(
            "llava itself divides an LLM among GPUs: launch it with configs/llava/accelerate-ddp.yaml, and set shard "
            "to true where the LLM is too large for one"
        )


def _stages(recipe: Recipe, data: Path, out: Path, watch: Watch) -> Path:
    material = Material(recipe, data, watch)
    trainer: Any = None
    for number, stage in enumerate(recipe.of_stages, 1):
        folder = out / f"stage-{number}"
        watch.say(f"stage {number} of {len(recipe.of_stages)}: {LEARNS[stage.learn]}")
        set_seed(recipe.seed + number)
        trainer = run(stage, folder, watch, partial(_prepare, material, stage, recipe, folder, out / BEST, watch))
        trainer.release()
    best = trainer.finish()
    if trainer.args.should_save:
        write_report(recipe, data, material.table["val"], out)
    return best


LEARNS = {
    "projector": "the projector learns",
    "lora": "the projector and adapters on the LLM learn",
    "all": "the projector and the LLM learn",
}


class Material:
    """What all stages of a run have in common: the model, the items with their captions, where their features are."""

    def __init__(self, recipe: Recipe, data: Path, watch: Watch):
        set_seed(recipe.seed)
        self.table = usable(data, recipe.items, recipe.features in (IMAGES, CACHED), watch.say)
        said = (caption for item in self.table["train"] for caption in item.captions)
        device = PartialState().device
        self.model: LlavaModel = begin(recipe, said, str(device))
        self.names = learned_names(self.model, recipe)
        with PartialState().main_process_first():
            self.source: Source = source(data, self.table, recipe, self.model, watch.say, watch.report)
        if recipe.features != IMAGES and self.model.tower is not None:
            self.model.tower.to("cpu")  # its work is done
        config = self.model.config
        self.instruction = recipe.instruction or instruction(config.style, config.language)
        self.ids = self._lengths(recipe, watch)
        self.judge = Judge(recipe.judge, data, str(device)) if recipe.judge else None

    def _lengths(self, recipe: Recipe, watch: Watch) -> dict[str, list[list[list[int]]]]:
        """Token ids of all captions, cut where the longest one that is learned ends, which the model records."""
        ids = {split: encoded([item.captions for item in items], self.model) for split, items in self.table.items()}
        most, longer = longest(ids["train"], recipe.whole)
        if "max_tokens" in recipe.model:
            most = self.model.config.max_tokens
            lengths = [len(caption) for some in ids["train"] for caption in some]
            longer = sum(length > most for length in lengths) / len(lengths)
        self.model.config.max_tokens = most
        watch.say(f"captions are learned up to {most} tokens: {100 * longer:.1f} % of them are longer and are cut")
        return {split: cut(some, most) for split, some in ids.items()}

    def lessons(self, split: str, seed: int, captions: int) -> Clips:
        """The items of a split."""
        made = Clips(self.source, self.table[split], self.ids[split], seed, captions)
        made.frames = self.model.config.frames
        return made

    def read(self, checkpoint: Path) -> None:
        """Takes the weights of a checkpoint. Raises `ModelError` where they are of another model."""
        fits(checkpoint, self.model)
        state = load_file(checkpoint / WEIGHTS)
        if missing := sorted(set(self.names) - state.keys()):
            raise ModelError(f"{checkpoint} does not fit the recipe's model: it has no {missing[0]}")
        self.model.load_state_dict(state, strict=False)


def _prepare(
    material: Material, stage: Recipe, entire: Recipe, folder: Path, chosen: Path, watch: Watch
) -> LlavaCaptionTrainer:
    """The trainer of a stage, with the weights of its last checkpoint where it has one."""
    arguments = arguments_of(stage, folder)
    arguments.logging_first_step = True
    steps = stage.epochs * len(material.table["train"]) / (stage.photos * stage.accumulate * processes())
    arguments.logging_steps = max(1, min(int(arguments.logging_steps), int(steps / 20)))  # a stage may have few
    one_device(arguments, watch)
    if kept := checkpoints(folder):
        material.read(kept[0])
    tune(material.model, stage)
    lessons = [material.lessons(split, stage.seed, stage.captions) for split in ("train", "val")]
    return LlavaCaptionTrainer(
        stage, *lessons, watch, collator(material.model, material.instruction), chosen, entire=entire,
        instruction=material.instruction, judge=material.judge, model=material.model, args=arguments,
        callbacks=callbacks(stage, watch, bool(material.table["val"]), arguments),
    )  # fmt: skip
