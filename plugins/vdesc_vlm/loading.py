"""Models by name: what a folder holds, whether it may run code of its own, its processor and its weights."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vdesc import MissingExtra, ModelError
from vdesc.files import digest
from vdesc.hub import model_folder
from vdesc.pretrained import quantized, quietly

from .quiet import told

WORDS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
"""What says how a model is made and spoken to."""
WEIGHTS = ("*.safetensors",)
CODE = ("*.py",)
LOADERS = ("AutoModelForImageTextToText", "AutoModelForCausalLM")
"""What a model's own code may stand for, the best first."""
HINT = "see that it is a whole image-text-to-text model"


def place(name: str, revision: str, trusted: bool) -> Path:
    """The folder of a model whose code, if it needs any, may run; downloaded where need be.

    What it says of itself is fetched and judged before its weights and its code are.

    Raises:
        ModelError: there is no such model, it is none for pictures, or it needs code of its own that may not run.
    """
    if not name:
        raise ModelError(
            "vlm: no model is named: --set vlm.model=FOLDER, or a hub id such as HuggingFaceTB/SmolVLM-Instruct"
        )
    local = Path(name).expanduser().is_dir()
    full = f"{name}@{revision}" if revision and not local else name
    folder = model_folder(full, "vlm", [*WORDS])
    judge(folder, name, revision, trusted, local)
    return folder if local else model_folder(full, "vlm", [*WORDS, *WEIGHTS, *CODE * trusted])


def judge(folder: Path, name: str, revision: str, trusted: bool, local: bool) -> None:
    """Raises `ModelError` unless the folder holds a model for pictures that may be loaded as it is asked for."""
    config = read_config(folder, name)
    kind = str(config.get("model_type", ""))
    if not needs_code(config) and not speaks(kind):
        known = f"a '{kind}' model, which takes no pictures" if knows(kind) else f"of a kind '{kind}' unknown here"
        step = "name a vision-language model" if knows(kind) else "a newer transformers may know it, or name another"
        raise ModelError(f"vlm: '{name}' is {known}: {step}")
    if not trusted:
        if needs_code(config):
            raise _unasked(name, local)
        return
    own = code(folder)
    if elsewhere := next((one for one in own if "--" in one), None):
        raise ModelError(
            f"vlm: '{name}' takes its code from another repository ({elsewhere}), which no revision pins: put a copy "
            "of that code into the model's folder and give the folder"
        )
    if own and not local and not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ModelError(
            f"vlm: the code of '{name}' may change at any time: set vlm.revision to the commit that you looked at, 40 "
            "hexadecimal digits"
        )


def code(folder: Path) -> list[str]:
    """The code that the files of a folder ask for, as `module.Class` or, of another one, `repository--module.Class`."""
    found: list[Any] = []
    for path in sorted(folder.glob("*config.json")):
        try:
            own = json.loads(path.read_bytes()).get("auto_map") or {}
            for value in own.values():
                found += value if isinstance(value, list) else [value]
        except (OSError, ValueError, AttributeError):  # it will be told of when it is read
            continue
    return [str(one) for one in found if one]


def _unasked(name: str, local: bool) -> ModelError:
    pin = "" if local else " and vlm.revision to the commit that you looked at"
    return ModelError(
        f"vlm: '{name}' brings Python code of its own, which vdesc does not run unasked: read it, then set "
        f"vlm.trust_remote_code=true{pin}"
    )


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """The config.json of a folder. Raises `ModelError`."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"vlm: '{name}' is no model: there is no config.json in {folder}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"vlm: {path} cannot be read ({error}): fetch the model again") from error
    if not isinstance(config, dict):
        raise ModelError(f"vlm: {path} is no config of a model: fetch the model again")
    return config


def needs_code(config: dict[str, Any]) -> bool:
    """Whether only the model's own code knows what it is."""
    return bool(config.get("auto_map")) and not speaks(str(config.get("model_type", "")))


def knows(kind: str) -> bool:
    """Whether transformers knows a model type."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return kind in CONFIG_MAPPING_NAMES


def speaks(kind: str) -> bool:
    """Whether transformers has an image-text-to-text model of a type."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES

    return kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES


def load_processor(folder: Path, name: str, trusted: bool) -> Any:
    """The model's processor, which takes pictures. Raises `ModelError`, or `ImportError` where it needs a package."""
    from transformers import AutoProcessor

    if not any((folder / file).is_file() for file in ("preprocessor_config.json", "processor_config.json")):
        raise ModelError(
            f"vlm: '{name}' has no processor: put processor_config.json or preprocessor_config.json of the model that "
            f"it was made from into {folder}"
        )
    with quietly(), told(f"vlm: the processor of '{name}' cannot be read", HINT):
        try:
            made = AutoProcessor.from_pretrained(folder, trust_remote_code=trusted, local_files_only=True)
        except ValueError as error:
            if not trusted and "trust_remote_code" in str(error):
                raise _unasked(name, Path(name).expanduser().is_dir()) from error
            raise
    if getattr(made, "image_processor", None) is None or getattr(made, "tokenizer", None) is None:
        raise ModelError(f"vlm: the processor of '{name}' takes no pictures with words: {HINT}")
    return made


def load_model(folder: Path, name: str, trusted: bool, device: str, precision: str, bits: int | None) -> Any:
    """The model in eval mode. Raises `ModelError`, `MissingExtra`."""
    import torch
    import transformers

    dtype = _dtype(precision, device)
    own = read_config(folder, name).get("auto_map") or {} if trusted else {}
    loader = getattr(transformers, next((one for one in LOADERS if one in own), LOADERS[0]))
    more: dict[str, Any] = {}
    if bits:
        more = {"quantization_config": quantized("vlm", bits, dtype, device), "device_map": {"": device}}
    with quietly(), told(f"vlm: '{name}' cannot be loaded", HINT):
        model, found = loader.from_pretrained(
            folder, dtype=dtype, trust_remote_code=trusted, local_files_only=True, use_safetensors=True,
            output_loading_info=True, **more,
        )  # fmt: skip
    if missing := sorted(found["missing_keys"]):
        raise ModelError(f"vlm: '{name}' lacks weights ({missing[0]}, ...): fetch it again")
    if not hasattr(model, "generate"):
        raise ModelError(f"vlm: '{name}' is no model that generates text: {HINT}")
    return (model if bits else model.to(torch.device(device))).eval().requires_grad_(False)


def adapted(model: Any, adapter: str, merge: bool) -> Any:
    """The model with a LoRA adapter of peft's format, from a folder or hub id.

    Raises:
        ModelError: there is none, or it is for another model.
        MissingExtra: peft is not installed.
    """
    folder = adapter_folder(adapter)
    if find_spec("peft") is None:
        raise MissingExtra("vlm with an adapter", "peft", "llm")
    from peft import PeftConfig, PeftModel

    if not all((folder / file).is_file() for file in ("adapter_config.json", "adapter_model.safetensors")):
        raise ModelError(f"vlm: {folder} holds no adapter: it needs adapter_config.json and adapter_model.safetensors")
    with quietly(), told(f"vlm: the adapter in {folder} does not fit the model", "name the model it was trained on"):
        made = PeftModel(model, PeftConfig.from_pretrained(str(folder)))
        found = made.load_adapter(folder, "default")
        if odd := [*found.missing_keys, *found.unexpected_keys]:
            raise ValueError(f"{odd[0]} is in one of them only")
    return made.merge_and_unload() if merge else made.get_base_model()


def adapter_folder(name: str) -> Path:
    """The folder of an adapter, downloaded where need be. Raises `ModelError`."""
    return model_folder(name, "vlm", ["adapter_*.json", "adapter_*.safetensors"])


def identity(folder: Path) -> str:
    """What results depend on of a model's folder: small files by content, weights by name, size and time."""
    whole = hashlib.sha256()
    for path in _files(folder, (*WORDS, *CODE)):
        whole.update(f"{path.relative_to(folder).as_posix()} {digest(path)}\n".encode())
    for path in _files(folder, WEIGHTS):
        state = path.stat()
        whole.update(f"{path.relative_to(folder).as_posix()} {state.st_size} {state.st_mtime_ns}\n".encode())
    return whole.hexdigest()


def _files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})


def _dtype(precision: str, device: str) -> Any:
    import torch

    if precision != "auto":
        return getattr(torch, precision)
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float32 if device == "cpu" else torch.float16
