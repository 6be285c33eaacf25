"""Weights: files of tensors in, a model out; nothing in a file is ever run."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from vdesc import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from .config import ClipGPTConfig
    from .model import ClipGPTModel

PICKLES = (".bin", ".pt", ".pth", ".ckpt")
SHOWN = 3  # keys that an error names
ARCHIVE, OLD = b"PK\x03\x04", b"\x80\x02"  # how files begin that PyTorch wrote: a zip, before 1.6 a bare pickle


def of_folder(folder: Path) -> dict[str, Tensor]:
    """All weights of a folder by name: of its safetensors where there are some, else of one pickle."""
    state: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        state |= of_file(path)
    if state:
        return state
    pickles = sorted(path for path in folder.iterdir() if path.suffix in PICKLES)
    if not pickles:
        raise ModelError(f"clipgpt: {folder} has no weights: a file such as model.safetensors is missing")
    return of_file(pickles[0])


def of_file(path: Path, inside: str | None = None) -> dict[str, Tensor]:
    """The tensors of a file by name.

    Args:
        inside: the key of a table of more than weights under which they may lie, as training programs write it.
    Raises:
        ModelError: it is damaged, of another kind, or a pickle with more in it than values.
    """
    if not path.is_file():
        raise ModelError(f"clipgpt: there is no file {path}: check its name")
    import torch

    state = _safetensors(path) if path.suffix == ".safetensors" else _unpickled(path)
    if inside is not None and isinstance(state, Mapping) and inside in state:
        state = state[inside]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"clipgpt: {path} is no table of tensors by name: give the weights alone")
    return dict(state)


def _safetensors(path: Path) -> object:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"clipgpt: {path} is damaged ({error}): fetch or train it again") from error


def _unpickled(path: Path) -> object:
    import torch

    try:
        with path.open("rb") as file:
            begin = file.read(4)
        if not begin.startswith((ARCHIVE, OLD)):
            raise ModelError(f"clipgpt: {path} is no file of PyTorch's: fetch it again, or give another")
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"clipgpt: {path} is refused, because it is a pickle with more in it than tensors, which could run code: "
            "get the model as safetensors"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        if "TorchScript" in str(error):
            raise ModelError(
                f"clipgpt: {path} is refused, because it is a program (TorchScript), not weights"
            ) from error
        raise ModelError(f"clipgpt: {path} is damaged: fetch or train it again") from error


def compare(state: Mapping[str, Tensor], plan: Mapping[str, Tensor], tied: Collection[str], told: str) -> None:
    """Raises `ModelError`, naming the keys, where tensors are not what the plan asks for.

    Args:
        tied: keys that may be missing, since another holds the same.
        told: the beginning of the sentence: what does not match what.
    """
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(plan[name].shape)}"
        for name in sorted(plan.keys() & state.keys())
        if state[name].shape != plan[name].shape
    ]
    groups = (
        (sorted(plan.keys() - state.keys() - set(tied)), "missing"),
        (sorted(state.keys() - plan.keys()), "not known"),
        (shapes, "of another shape"),
    )
    wrong = [f"{len(keys)} {what} ({some(keys)})" for keys, what in groups if keys]
    if wrong:
        raise ModelError(f"clipgpt: {told}: keys {'; '.join(wrong)}")


def some(keys: Iterable[str]) -> str:
    """The first few of some keys."""
    keys = list(keys)
    return ", ".join(keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")


def build(
    config: ClipGPTConfig,
    state: Mapping[str, Tensor],
    source: str,
    told: str,
    names: Iterable[tuple[str, str]] = (),
) -> ClipGPTModel:
    """The model of a config, holding the weights, in float32.

    Args:
        source: what describes the model, for an error.
        told: see `compare`.
        names: pairs of how a name begins in the model and among the weights; the first that fits holds.
    Raises:
        ModelError: the config describes no model; or the weights are not its own: named as they are in their file.
    """
    import torch

    from .model import ClipGPTModel

    try:
        with torch.device("meta"):
            plan = ClipGPTModel(config).state_dict()
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"clipgpt: {source} describes no model that can be built: {error}") from error
    theirs = {name: _renamed(name, names) for name in plan}
    compare(state, {theirs[name]: value for name, value in plan.items()}, {theirs["decoder.lm_head.weight"]}, told)
    state = {name: state[theirs[name]] for name in plan if theirs[name] in state}
    with no_bar():
        return ClipGPTModel.from_pretrained(None, config=config, state_dict=state, dtype=torch.float32)


@contextmanager
def no_bar() -> Iterator[None]:
    """In the block transformers shows no progress bars: what it does there takes a fraction of a second."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _renamed(name: str, names: Iterable[tuple[str, str]]) -> str:
    for ours, theirs in names:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name
