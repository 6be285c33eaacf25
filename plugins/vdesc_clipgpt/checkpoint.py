"""Checkpoints: a model's name in, a model and its tokenizer out."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import ModelError
from vdesc.files import digest
from vdesc.hub import model_folder

from . import weights

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .config import ClipGPTConfig
    from .model import ClipGPTModel

UNTRAINED = ("S", "L")
OWN = {"mini": Path(__file__).parent / "mini"}


def load_model(name: str, device: str = "cpu") -> tuple[ClipGPTModel, PreTrainedTokenizerBase]:
    """The model in eval mode on `device`, in float32, and its tokenizer.

    Args:
        name: `mini`, a public checkpoint by its name in the catalogue, a folder, a file of another program, or a hub
            id; `S` or `L` for an untrained model of that size (the same at each call).
    Raises:
        ModelError: in one sentence, what is missing or wrong.
    """
    model: Any
    if name in UNTRAINED:
        model, tokenizer = _untrained(name)
    elif (place := locate(name)).is_file():
        from .foreign import load

        model, tokenizer, _ = load(place)
    else:
        model, tokenizer = _read(place), read_tokenizer(place)
    return model.to(device).eval(), tokenizer


def locate(name: str) -> Path:
    """The folder of a model, or the file of a foreign one, downloaded where need be. Raises `ModelError`."""
    from .catalogue import PUBLIC, public_folder

    if folder := OWN.get(name):
        if not folder.is_dir():
            raise ModelError(f"clipgpt: the model '{name}' is missing from this installation: install vdesc again")
        return folder
    if name in PUBLIC:
        return public_folder(name)
    if Path(name).is_file():
        return Path(name)
    return model_folder(name, "clipgpt")


def fingerprint(name: str) -> str:
    """A digest of the files that a model is made of; the name of an untrained one."""
    if name in UNTRAINED:
        return name
    place = locate(name)
    if place.is_file():
        from .foreign import parts

        return _digest(parts(place))
    return _digest([place])


def _digest(places: list[Path]) -> str:
    """The SHA-256 of files, and of the files of folders that make a model."""
    endings = (".json", ".safetensors", ".txt", *weights.PICKLES)
    whole = hashlib.sha256()
    for place in places:
        files = [place] if place.is_file() else sorted(path for path in place.iterdir() if path.suffix in endings)
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
    told = f"the weights in {folder} do not match its config.json"
    config = _config(folder)
    return weights.build(config, weights.of_folder(folder), str(folder / "config.json"), told)


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


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder: its tokenizer.json, or GPT-2's vocab.json and merges.txt. Raises `ModelError`."""
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
