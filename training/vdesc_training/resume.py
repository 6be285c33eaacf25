"""Folders of a run: whole or not there, a recipe in each; where a run that stopped goes on."""

import importlib.metadata
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError, safe_open
from torch import nn
from vdesc import ModelError, OutputError, SettingsError
from vdesc.files import write_atomic

from .caption_recipe import CaptionRecipe

RECIPE, STATE, WEIGHTS = "recipe.yaml", "trainer_state.json", "model.safetensors"


@contextmanager
def whole(folder: Path, kept: str) -> Iterator[Path]:
    """A folder of the same name to write into, which takes the place of `folder` when the block ends well.

    Args:
        kept: what the person still has when the disk is full, as half a sentence.
    Raises:
        OutputError: it cannot be written; the old folder is as it was.
    """
    partial = beside(folder)
    try:
        shutil.rmtree(partial.parent, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        if folder.exists():
            folder.rename(_old(folder))
        partial.rename(folder)
    except (OSError, RuntimeError, SafetensorError) as error:  # torch.save raises RuntimeError where the disk is full
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise OutputError(
            f"cannot write {folder}: {reason}; {kept}: make room and run the same command again"
        ) from error
    finally:
        shutil.rmtree(partial.parent, ignore_errors=True)
        restore(folder)


def beside(folder: Path) -> Path:
    """Where `folder` is written before it is whole."""
    return folder.parent / f".{folder.name}.partial" / folder.name


def restore(folder: Path) -> None:
    """Puts the old folder back where the new one did not take its place, or removes it."""
    if _old(folder).is_dir() and not folder.exists():
        _old(folder).rename(folder)
    shutil.rmtree(_old(folder), ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def as_it_ran(recipe: CaptionRecipe) -> dict[str, Any]:
    """The recipe with its defaults, without a path of this machine."""
    values = recipe.model_dump(mode="json")
    return values | {key: local(values[key]) for key in recipe.places}


def local(name: Any) -> Any:
    """A name as it may be written into a model folder: of a path of this machine, only its last part."""
    return Path(name).name if isinstance(name, Path) or Path(str(name)).exists() else name


def write_recipe(recipe: CaptionRecipe, folder: Path) -> None:
    """Writes the recipe as it ran; it can be given to `--config` again."""
    version = importlib.metadata.version("vdesc")
    write_atomic(
        folder / RECIPE, f"# {recipe.trainer}, trained by vdesc {version}\n{yaml.safe_dump(as_it_ran(recipe))}"
    )


def checkpoints(out: Path) -> list[Path]:
    """The whole checkpoints of a run, the last one first."""
    found = [path for path in out.glob("checkpoint-*") if (path / STATE).is_file()]  # it is written last
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)


def same(checkpoint: Path, recipe: CaptionRecipe) -> None:
    """Raises `SettingsError` where a checkpoint was made by another recipe than this one."""
    path = checkpoint / RECIPE
    old, new = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}, as_it_ran(recipe)
    for key, value in new.items():
        if key not in recipe.free and old.get(key, value) != value:
            raise SettingsError(
                f"{checkpoint.parent} holds a run of another recipe ({key}: {_short(old[key])}, not {_short(value)}): "
                "give it the same recipe to go on, or another folder with -o"
            )


def fits(checkpoint: Path, model: nn.Module) -> None:
    """Raises `ModelError` where a checkpoint's weights are not of the model's names and shapes."""
    state = model.state_dict()
    with safe_open(checkpoint / WEIGHTS, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118 - it is no dict
            found, wanted = tuple(file.get_slice(name).get_shape()), tuple(state[name].shape) if name in state else None
            if found != wanted:
                raise ModelError(
                    f"{checkpoint} does not fit the recipe's model: its {name} is {found}, not {wanted or 'there'}: "
                    "choose another folder with -o"
                )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def finished(checkpoint: Path, recipe: CaptionRecipe) -> bool:
    """Whether the run had come to its end, or run out of patience, when it wrote this checkpoint."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    return state["global_step"] >= state["max_steps"] or patience_spent(state["log_history"], recipe)


def patience_spent(history: Sequence[Mapping[str, float]], recipe: CaptionRecipe) -> bool:
    """Whether as many validations as the recipe allows have passed since the best one."""
    worths = [worth(entry, recipe, "eval_") for entry in history if f"eval_{recipe.metric}" in entry]
    return bool(recipe.patience and worths) and len(worths) - 1 - worths.index(max(worths)) >= recipe.patience


def worth(numbers: Mapping[str, float], recipe: CaptionRecipe, prefix: str = "") -> float:
    """How good a validation is: the recipe's metric, higher is better; minus infinity for captions that collapsed."""
    if numbers.get(f"{prefix}collapsed"):
        return float("-inf")
    value = numbers[prefix + recipe.metric]
    return -value if recipe.metric == "loss" else value
