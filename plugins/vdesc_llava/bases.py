"""Bases: the LLM and its tokenizer by name; what a config does not know of tower and LLM."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PretrainedConfig
from vdesc import ModelError
from vdesc.pretrained import quantized, quietly

from .config import LlavaConfig, base_config, width
from .pixels import settings_of
from .places import PARTS, base_folder
from .tower import vision_config

WORDS = ("tokenizer.json", "tokenizer_config.json")


def fitted(config: LlavaConfig, folder: Path | None = None, tower: bool = True) -> None:
    """Lets a config know the configs of the bases that it names, and how the tower wants its pictures.

    Args:
        tower: whether the tower must be at hand even where its config is known.
    Raises:
        ModelError: a base is not at hand, or has other dims than the config says.
    """
    for part in PARTS if tower or not config.tower_config else PARTS[1:]:
        name, known = getattr(config, part), getattr(config, f"{part}_config")
        if not name and known and folder is None:
            continue  # it gets random weights
        read = (vision_config if part == "tower" else llm_config)(base_folder(name, part, folder))
        if not known:
            setattr(config, f"{part}_config", plain(read))
        elif (said := width(base_config(known))) != width(read):
            raise ModelError(
                f"llava: the {part} '{name}' is {width(read)} wide, but the model was made for one {said} wide: name "
                f"the {part} that it was made with"
            )
    if not config.image.keys() >= {"size", "resize", "mean", "std"}:
        place = base_folder(config.tower, "tower", folder) if config.tower else None
        config.image = settings_of(place, base_config(config.tower_config)) | config.image


def plain(config: PretrainedConfig) -> dict[str, Any]:
    """A base's config as our config holds it."""
    return config.to_diff_dict() | {"model_type": config.model_type}


def llm_config(place: Path) -> PretrainedConfig:
    """The config of the LLM in a folder. Raises `ModelError`."""
    try:
        return AutoConfig.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError(f"llava: {place} holds no LLM that transformers knows ({reason})") from error


def load_llm(
    config: LlavaConfig,
    device: str,
    weights: bool,
    bits: int | None,
    dtype: torch.dtype,
    attention: str | None = None,
    folder: Path | None = None,
) -> Any:
    """The LLM, frozen, in eval mode. Raises `ModelError`, `MissingExtra`."""
    more: dict[str, Any] = {"attn_implementation": attention} if attention else {}
    if bits and not weights:
        raise ModelError(f"llava: the config names no llm, so there are no weights to load in {bits} bits")
    with quietly():
        if not weights:
            made = AutoModelForCausalLM.from_config(base_config(config.llm_config), dtype=dtype, **more)
        else:
            made = _pretrained(base_folder(config.llm, "llm", folder), dtype, bits, device, more)
    made = (made if bits else made.to(device)).eval().requires_grad_(False)
    if bits:
        _probe(made, bits, device)
    return made


@torch.inference_mode()
def _probe(llm: Any, bits: int, device: str) -> None:
    """Says one token: bitsandbytes finds out only then whether it can run here.

    On a CPU it would lay weights out anew when it first speaks, into a form through which no gradient passes: a model
    that was evaluated would then learn nothing, and not say so.
    """
    for module in llm.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    try:
        llm(torch.zeros(1, 1, dtype=torch.long, device=device))
    except Exception as error:  # whatever its backends raise
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"llava: the LLM does not run in {bits} bits on '{device}' ({reason}): leave bits away"
        ) from error


def _pretrained(place: Path, dtype: torch.dtype, bits: int | None, device: str, more: dict[str, Any]) -> Any:
    if bits:
        logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # else it tells of each layer that it casts
        more = more | {"quantization_config": quantized("llava", bits, dtype, device), "device_map": {"": device}}
    try:
        loader: Any = AutoModelForCausalLM
        made, found = loader.from_pretrained(
            place, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True, **more
        )
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"llava: the LLM in {place} cannot be loaded ({reason}): give another") from error
    if found["missing_keys"]:
        first = sorted(found["missing_keys"])[0]
        raise ModelError(f"llava: the LLM in {place} lacks weights ({first}, ...): fetch it again")
    return made


def load_tokenizer(config: LlavaConfig, folder: Path | None = None) -> Any:
    """The tokenizer of the model's folder, or the LLM's own. Raises `ModelError`."""
    place = folder if folder and any((folder / name).is_file() for name in WORDS) else None
    place = place or base_folder(config.llm, "llm", folder)
    try:
        with quietly():
            return AutoTokenizer.from_pretrained(place, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises bare Exception
        reason = str(error).partition("\n")[0]
        raise ModelError(f"llava: the tokenizer in {place} cannot be read ({reason}): fetch it again") from error


def word_scale(llm: Any) -> float:
    """The root mean square of an LLM's word vectors, as they enter its first layer."""
    vectors = llm.get_input_embeddings()
    if vectors.weight.device.type == "meta":
        return 1.0
    with torch.no_grad():
        some = torch.linspace(0, vectors.num_embeddings - 1, 1024, device=vectors.weight.device).long()
        return float(vectors(some).float().square().mean().sqrt())


def check_fit(config: LlavaConfig, tower: Any, llm: Any, tokenizer: Any) -> None:
    """Raises `ModelError`, naming both, where the config says other dims than the parts have."""
    if tower is not None and tower.config.hidden_size != config.width:
        raise ModelError(
            f"llava: the tower '{config.tower}' gives features {tower.config.hidden_size} wide, but the config says "
            f"{config.width}: name the tower that the model was made with"
        )
    hidden = llm.get_input_embeddings().embedding_dim
    if hidden != config.hidden:
        raise ModelError(
            f"llava: the word vectors of the LLM '{config.llm}' are {hidden} wide, but the config says "
            f"{config.hidden}: name the LLM that the model was made with"
        )
    if len(tokenizer) > (rows := llm.get_input_embeddings().num_embeddings):
        raise ModelError(f"llava: the tokenizer knows {len(tokenizer)} tokens, but the LLM {rows}: they do not fit")
