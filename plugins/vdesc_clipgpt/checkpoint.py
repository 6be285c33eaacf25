"""Checkpoints: a model's name in, a model and its tokenizer out; nothing in a file is ever run."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import ModelError
from vdesc.files import digest
from vdesc.hub import model_folder

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

    from .config import ClipGPTConfig
    from .model import ClipGPTModel

UNTRAINED = ("S", "L")
OWN = {"mini": Path(__file__).parent / "mini"}
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
SHOWN = 3  # keys that an error names


def load_model(name: str, device: str = "cpu") -> tuple[ClipGPTModel, PreTrainedTokenizerBase]:
    """The model in eval mode on `device`, in float32, and its tokenizer.

    Args:
        name: `mini`, a folder, or a hub id; `S` or `L` for an untrained model of that size (the same at each call).
    Raises:
        ModelError: in one sentence, what is missing or wrong.
    """
    model: Any
    if name in UNTRAINED:
        model, tokenizer = _untrained(name)
    else:
        folder = locate(name)
        model, tokenizer = _read(folder), _tokenizer(folder)
    return model.to(device).eval(), tokenizer


def locate(name: str) -> Path:
    """The folder of a model, downloaded where need be. Raises `ModelError`."""
    if folder := OWN.get(name):
        if not folder.is_dir():
            raise ModelError(f"clipgpt: the model '{name}' is missing from this installation: install vdesc again")
        return folder
    if Path(name).is_file():
        raise ModelError(f"clipgpt: {name} is a file: give the folder that holds it with its config.json")
    return model_folder(name, "clipgpt")


def fingerprint(name: str) -> str:
    """A digest of the files that a model is made of; the name of an untrained one."""
    if name in UNTRAINED:
        return name
    endings = (".json", ".safetensors", ".txt", *PICKLES)
    files = sorted(path for path in locate(name).iterdir() if path.suffix in endings)
    whole = hashlib.sha256()
    for path in files:
        whole.update(f"{path.name} {digest(path)}\n".encode())
    return whole.hexdigest()


def _untrained(name: str) -> tuple[ClipGPTModel, PreTrainedTokenizerBase]:
    import torch

    from .config import SHAPES, ClipGPTConfig
    from .model import ClipGPTModel
    from .words import numbered_tokenizer

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ClipGPTModel(ClipGPTConfig(**SHAPES[name]))
    return model, numbered_tokenizer(model.decoder.config.vocab_size)


def _read(folder: Path) -> ClipGPTModel:
    import torch
    from transformers.utils import logging

    from .model import ClipGPTModel

    config = _config(folder)
    try:
        with torch.device("meta"):
            plan = ClipGPTModel(config).state_dict()
    except (AssertionError, AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(f"clipgpt: {folder / 'config.json'} describes no model that can be built: {error}") from error
    state = _state(folder)
    _compare(folder, state, plan)
    bar = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # it takes a fraction of a second
    try:
        return ClipGPTModel.from_pretrained(None, config=config, state_dict=dict(state), dtype=torch.float32)
    finally:
        if bar:
            logging.enable_progress_bar()


def _config(folder: Path) -> ClipGPTConfig:
    from .config import ClipGPTConfig

    path = folder / "config.json"
    try:
        values = json.loads(path.read_bytes())
        kind = values.get("model_type")
    except FileNotFoundError:
        raise ModelError(f"clipgpt: {folder} is no model folder: it has no config.json") from None
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"clipgpt: {path} cannot be read as a config: {error}") from error
    if kind != "clipgpt":
        raise ModelError(f"clipgpt: {path} describes a model of type '{kind}', not 'clipgpt': give another folder")
    return ClipGPTConfig.from_dict(values)


def _state(folder: Path) -> Mapping[str, Tensor]:
    """All weights of a folder by name: safetensors where there are some, else one pickle of tensors only."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    state: dict[str, Tensor] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            state |= load_file(path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"clipgpt: {path} is damaged ({error}): fetch or train it again") from error
    if state:
        return state
    pickles = sorted(path for path in folder.iterdir() if path.suffix in PICKLES)
    if not pickles:
        raise ModelError(f"clipgpt: {folder} has no weights: a file such as model.safetensors is missing")
    return _unpickled(pickles[0])


def _unpickled(path: Path) -> Mapping[str, Tensor]:
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"clipgpt: {path} is refused, because it is a pickle with more in it than tensors, which could run code: "
            "get the model as safetensors"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError) as error:
        raise ModelError(f"clipgpt: {path} is damaged: fetch or train it again") from error
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ModelError(f"clipgpt: {path} is no table of tensors by name: give the weights alone")
    return state


def _compare(folder: Path, state: Mapping[str, Tensor], plan: Mapping[str, Tensor]) -> None:
    """Raises `ModelError`, naming the keys, where a checkpoint is not what the config asks for."""
    tied = {"decoder.lm_head.weight"}
    missing = sorted(plan.keys() - state.keys() - tied)
    unknown = sorted(state.keys() - plan.keys())
    shapes = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(plan[name].shape)}"
        for name in sorted(plan.keys() & state.keys())
        if state[name].shape != plan[name].shape
    ]
    wrong = [
        f"{len(keys)} {what} ({', '.join(keys[:SHOWN])}{', ...' if len(keys) > SHOWN else ''})"
        for keys, what in ((missing, "missing"), (unknown, "not known"), (shapes, "of another shape"))
        if keys
    ]
    if wrong:
        raise ModelError(f"clipgpt: the weights in {folder} do not match its config.json: keys {'; '.join(wrong)}")


def _tokenizer(folder: Path) -> Any:
    from transformers import GPT2Tokenizer, PreTrainedTokenizerFast

    if (folder / "tokenizer.json").is_file():
        kind: Any = PreTrainedTokenizerFast
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        kind = GPT2Tokenizer
    else:
        raise ModelError(f"clipgpt: {folder} has no tokenizer: tokenizer.json is missing")
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception
        raise ModelError(f"clipgpt: the tokenizer in {folder} cannot be read: {error}") from error
