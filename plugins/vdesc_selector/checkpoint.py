"""Models on disk: a whole causal language model, or an adapter in peft's format for one. No pickle, no remote code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vdesc import MissingExtra, ModelError
from vdesc.files import digest
from vdesc.hub import model_folder
from vdesc.pretrained import quantized, quietly

PATTERNS = ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors"]
ADAPTER, ADAPTED = "adapter_config.json", "adapter_model.safetensors"
WORDS = ("tokenizer.json", "tokenizer.model", "vocab.json")


def load(model: str, device: str, base: str = "", bits: int | None = None, precision: str = "auto") -> tuple[Any, Any]:
    """A causal language model in eval mode, its adapter merged in, and its tokenizer.

    Args:
        model: a folder or hub id of an adapter in peft's format, or of a whole model.
        base: the model that an adapter is for, where its own config's name is not to be followed.
        bits: 4 or 8, with bitsandbytes.
        precision: `float32`, `bfloat16`, `float16`, or `auto`.
    Raises:
        ModelError: something is missing, damaged, or the adapter is for another base.
        MissingExtra: peft or bitsandbytes is needed.
    """
    folder = model_folder(model, "selector", PATTERNS)
    if not (folder / ADAPTER).is_file():
        llm, tokenizer = load_base(folder, device, bits, precision)
        return llm, tokenizer
    place = base_folder(base or str(_said(folder).get("base_model_name_or_path") or ""), folder)
    llm, tokenizer = load_base(place, device, bits, precision, words=folder)
    return _adapted(llm, folder, place, merge=bits is None), tokenizer


def load_base(
    place: Path, device: str, bits: int | None = None, precision: str = "auto", words: Path | None = None
) -> tuple[Any, Any]:
    """A whole model of a folder in eval mode, and its tokenizer, which that in the folder `words` replaces.

    Raises `ModelError`, `MissingExtra`; see `load`.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if precision == "auto":
        precision = "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"
    dtype = getattr(torch, precision)
    more = (
        {"quantization_config": quantized("selector", bits, dtype, device), "device_map": {"": device}} if bits else {}
    )
    loader: Any = AutoModelForCausalLM
    try:
        with quietly():
            llm, found = loader.from_pretrained(
                place, dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True, **more
            )
    except Exception as error:  # of many libraries, and each has its own
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"selector: the language model in {place} cannot be loaded ({reason})") from error
    if found["missing_keys"]:
        first = sorted(found["missing_keys"])[0]
        raise ModelError(f"selector: the language model in {place} lacks weights ({first}, ...): fetch it again")
    llm = llm if bits else llm.to(device)
    return llm.eval(), load_tokenizer(words if words and has_words(words) else place)


def load_tokenizer(place: Path) -> Any:
    """The tokenizer of a folder. Raises `ModelError`."""
    from transformers import AutoTokenizer

    try:
        with quietly():
            return AutoTokenizer.from_pretrained(place, local_files_only=True)
    except Exception as error:  # the tokenizers library raises bare Exception
        reason = str(error).strip().partition("\n")[0]
        raise ModelError(f"selector: the tokenizer in {place} cannot be read ({reason}): fetch it again") from error


def has_words(folder: Path) -> bool:
    """Whether a folder has a tokenizer."""
    return any((folder / name).is_file() for name in WORDS)


def base_folder(name: str, folder: Path) -> Path:
    """The folder of the model that the adapter in `folder` is for. Raises `ModelError`."""
    if not name:
        raise ModelError(f"selector: the adapter in {folder} does not name its base: give it as selector.base")
    try:
        return model_folder(name, "selector", PATTERNS)
    except ModelError as error:
        told = str(error).removeprefix("selector: ")
        raise ModelError(
            f"selector: the adapter in {folder} needs its base '{name}': {told}; selector.base names another place"
        ) from error


def fingerprint(model: str, base: str = "") -> str:
    """The SHA-256 of the files of a model folder, and the name of its base. Raises `ModelError`."""
    folder = model_folder(model, "selector", PATTERNS)
    names = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    return " ".join([base, *(f"{path.name}:{digest(path)}" for path in names)])


def _said(folder: Path) -> dict[str, Any]:
    """An adapter's config. Raises `ModelError`."""
    try:
        said = json.loads((folder / ADAPTER).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError(f"selector: {folder / ADAPTER} cannot be read ({error}): fetch it again") from error
    if not isinstance(said, dict):
        raise ModelError(f"selector: {folder / ADAPTER} is no config of an adapter: fetch it again")
    return said


def _adapted(llm: Any, folder: Path, place: Path, merge: bool) -> Any:
    """The model with the adapter, after a look at whether each of its weights has its place."""
    try:
        from peft import PeftConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
    except ImportError as error:
        raise MissingExtra("selector with an adapter", "peft", "llm") from error
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    other = f"selector: the adapter in {folder} is for another model than {place}"
    try:
        plan, state = PeftConfig.from_pretrained(str(folder)), load_file(folder / ADAPTED)
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise ModelError(f"selector: the adapter in {folder} cannot be read ({error}): fetch it again") from error
    try:
        plan.inference_mode = True
        plan.base_model_name_or_path = None  # peft would warn that the base lies elsewhere
        made = get_peft_model(llm, plan)
    except ValueError as error:
        raise ModelError(f"{other}: it has no layers {plan.target_modules}; name the right one as base") from error
    wanted = {name: tuple(weight.shape) for name, weight in get_peft_model_state_dict(made).items()}
    found = {name: tuple(weight.shape) for name, weight in state.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ModelError(
                f"{other}: its {name} is {found.get(name, 'not there')}, not {wanted.get(name, 'expected')}; name the "
                "right one as base"
            )
    set_peft_model_state_dict(made, state)
    return (made.merge_and_unload() if merge else made).eval()
