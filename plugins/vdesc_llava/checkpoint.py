"""Checkpoints: a folder holds config, projector, adapter and tokenizer, and names the bases; here is what reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vdesc import ModelError, OutputError, write_atomic
from vdesc.hub import model_folder
from vdesc.pretrained import quietly

from .adapter import adapt, plain_weights, read_adapter, save_adapter
from .bases import fitted, load_llm, load_tokenizer
from .config import LlavaConfig
from .model import LlavaModel
from .places import PARTS, PATTERNS, base_folder, inside
from .tower import load_tower
from .weights import compare

PROJECTOR = "projector.safetensors"
UNMERGEABLE = "llava: an adapter cannot be merged into weights of 4 or 8 bits: ask for merge or bits alone"
OURS = ("projector.", "positions.")


def new(
    config: LlavaConfig,
    device: str = "cpu",
    weights: bool = True,
    *,
    tokenizer: Any = None,
    bits: int | None = None,
    dtype: torch.dtype | None = None,
    attention: str | None = None,
    tower: bool = True,
) -> LlavaModel:
    """A model with a fresh projector, and a fresh adapter where the config has `lora`, in eval mode.

    Args:
        config: learns the bases' own configs and the tower's preprocessing, where it does not know them.
        weights: read the bases that are named; else all get random weights, as the config describes them.
        tokenizer: of the LLM; unset: of the folder, or the LLM's own.
        bits: 4 or 8 to load the LLM quantised, with bitsandbytes.
        dtype: of tower and LLM; unset: bfloat16 on a GPU that has it, else float32. Projector and adapter are float32.
        attention: transformers' `attn_implementation` of the LLM, such as `sdpa` or `flash_attention_2`.
        tower: whether the tower is loaded; a model without it reads cached features only.
    Raises:
        ModelError: a base is not at hand, or does not fit.
        MissingExtra: a package is not installed that `bits` or an adapter needs.
    """
    dtype = dtype or default_dtype(device)
    made = _assembled(config, device, weights, tokenizer, bits, dtype, attention, tower)
    made.projector.to(device)
    made.positions.to(device)
    if config.lora:
        adapt(made, config.lora)
    return made.eval()


def _assembled(
    config: LlavaConfig,
    device: str,
    weights: bool,
    tokenizer: Any,
    bits: int | None,
    dtype: torch.dtype,
    attention: str | None,
    tower: bool,
    folder: Path | None = None,
) -> LlavaModel:
    """The bases, joined: with a fresh projector on the CPU, or with one without weights if the model has a folder."""
    fitted(config, folder, tower and weights)
    seen: Any = None
    if tower:
        named = weights and config.tower
        seen = load_tower(str(base_folder(named, "tower", folder)) if named else config.tower_config, device, dtype)
    llm = load_llm(config, device, weights and bool(config.llm), bits, dtype, attention, folder)
    return LlavaModel(config, seen, llm, tokenizer or load_tokenizer(config, folder), fresh=folder is None)


def default_dtype(device: str) -> torch.dtype:
    """The number format of bases on a device."""
    return torch.bfloat16 if device.startswith("cuda") and torch.cuda.is_bf16_supported() else torch.float32


def load(
    folder: str | Path,
    device: str = "cpu",
    bits: int | None = None,
    merge: bool = False,
    *,
    train: bool = False,
    dtype: torch.dtype | None = None,
    attention: str | None = None,
    tower: bool = True,
) -> LlavaModel:
    """The model of a folder, in eval mode.

    Args:
        folder: or a hub id.
        bits: 4 or 8 to load the LLM quantised, with bitsandbytes.
        merge: add the adapter to the LLM's weights: the same answers, faster.
        train: keep projector and adapter in float32, to train them further; else they are as the LLM is.
        dtype, attention, tower: see `new`.
    Raises:
        ModelError: in one sentence, what is missing or does not fit.
        MissingExtra: see `new`.
    """
    folder = model_folder(str(folder), "llava", PATTERNS)
    config = read_config(folder)
    if merge and bits and config.lora:
        raise ModelError(UNMERGEABLE)
    lora, config.lora = config.lora, None
    dtype = dtype or default_dtype(device)
    model = _assembled(config, device, True, None, bits, dtype, attention, tower, folder)
    _read_projector(model, folder / PROJECTOR, device)
    if lora:
        adapt(model, lora)
        read_adapter(model, folder / "adapter")
    for part in PARTS:
        if inside(getattr(config, part), folder):
            setattr(config, part, "")  # it has no home but this folder, and is saved with the model
    if merge:
        merge_adapter(model)
    if not train:
        for name, weight in model.named_parameters():
            if name.startswith(OURS) or "lora_" in name:
                weight.data = weight.data.to(dtype)
    return model.eval()


def save(model: LlavaModel, folder: Path) -> None:
    """Writes a model's folder: projector.safetensors, adapter/ (peft's format), the tokenizer, and last config.json.

    Of bases the names are written; weights only of those that have no name.

    Raises:
        OutputError: it cannot be written.
    """
    config = LlavaConfig(**model.config.to_dict())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with quietly():
            for part in PARTS:
                if not getattr(config, part) and getattr(model, part) is not None:
                    _save_base(model, part, folder / part)
                    setattr(config, part, part)
            if config.lora:
                save_adapter(model, folder / "adapter")
            model.tokenizer.save_pretrained(folder)
        write(config, {key: value for key, value in model.state_dict().items() if key.startswith(OURS)}, folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}; give another folder") from error


def write(config: LlavaConfig, state: dict[str, Tensor], folder: Path) -> None:
    """Writes projector and positions, then the config: a folder without config.json is no model."""
    from safetensors.torch import save

    held = {key: value.detach().cpu().contiguous() for key, value in state.items()}
    write_atomic(folder / PROJECTOR, save(held, metadata={"format": "pt"}))
    write_atomic(folder / "config.json", config.to_json_string())


def _save_base(model: LlavaModel, part: str, folder: Path) -> None:
    base = getattr(model, part)
    if part == "llm" and model.config.lora:
        base = base.get_base_model()
        base.save_pretrained(folder, state_dict=plain_weights(base))
    else:
        base.save_pretrained(folder)


def merge_adapter(model: LlavaModel) -> None:
    """Adds the adapter to the LLM's weights, in place; the model then has none. Raises `ModelError`."""
    if getattr(model.llm, "is_quantized", False):
        raise ModelError(UNMERGEABLE)
    if model.config.lora:
        model.llm = model.llm.merge_and_unload()
        model.config.lora = None


def merged(model: LlavaModel, folder: Path) -> None:
    """Writes a model's folder that holds its LLM too, the adapter merged into it; merges the model by that.

    Raises:
        ModelError: it has weights of 4 or 8 bits.
        OutputError: it cannot be written.
    """
    merge_adapter(model)
    named, model.config.llm = model.config.llm, ""
    try:
        save(model, folder)
    finally:
        model.config.llm = named


def read_config(folder: Path) -> LlavaConfig:
    """The config of a model's folder. Raises `ModelError`."""
    path = folder / "config.json"
    try:
        values = json.loads(path.read_bytes())
        kind = values.get("model_type")
    except FileNotFoundError:
        raise ModelError(f"llava: {folder} is no model folder: it has no config.json") from None
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"llava: {path} cannot be read as a config: {error}") from error
    if kind != LlavaConfig.model_type:
        raise ModelError(f"llava: {path} describes a model of type '{kind}', not '{LlavaConfig.model_type}'")
    return LlavaConfig(**values)


def _read_projector(model: LlavaModel, path: Path, device: str) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ModelError(f"llava: {path.parent} has no {path.name}: it is no whole model folder")
    try:
        state = load_file(path, device=device)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"llava: {path} is damaged ({error}): fetch or train it again") from error
    plan = {key: value for key, value in model.state_dict().items() if key.startswith(OURS)}
    compare(state, plan, f"{path} does not fit its config.json")
    model.load_state_dict({key: value.float() for key, value in state.items()}, strict=False, assign=True)
