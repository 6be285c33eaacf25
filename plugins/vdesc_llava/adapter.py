"""The LLM's adapter: LoRA (Hu et al. 2021, arXiv 2106.09685) through peft, made, read and written."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import MissingExtra, ModelError
from vdesc.pretrained import quietly

from .weights import compare

if TYPE_CHECKING:
    from torch import Tensor

    from .model import LlavaModel

LORA: dict[str, Any] = {"r": 16, "alpha": 32, "dropout": 0.05, "targets": None}


def adapt(model: LlavaModel, lora: dict[str, Any] | None = None) -> None:
    """Gives the LLM a fresh LoRA adapter, which changes nothing yet; the config records it.

    Args:
        lora: `r`, `alpha`, `dropout`, `targets`, as the config has them; what is missing is `LORA`'s.
    Raises:
        ModelError: the LLM has no such layers, or `lora` has another key.
        MissingExtra: peft is not installed.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # which peft imports, and which tells what it lacks
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise MissingExtra("llava with an adapter", "peft", "llm") from error
    values = LORA | (lora or {})
    targets = values["targets"] or "all-linear"
    plan = LoraConfig(
        r=values["r"], lora_alpha=values["alpha"], lora_dropout=values["dropout"], target_modules=targets,
        task_type="CAUSAL_LM",
    )  # fmt: skip
    try:
        with quietly():
            model.llm = get_peft_model(model.llm, plan)
    except ValueError as error:
        raise ModelError(
            f"llava: the LLM '{model.config.llm}' has no layers {targets} for an adapter: set lora.targets to names "
            "of its linear layers"
        ) from error
    plan.base_model_name_or_path = model.config.llm
    model.config.lora = values


def save_adapter(model: LlavaModel, folder: Path) -> None:
    """Writes the adapter in peft's format."""
    named: Any = model.llm.peft_config["default"]
    named.base_model_name_or_path = model.config.llm
    model.llm.save_pretrained(folder, save_embedding_layers=False)  # which would ask the hub


def plain_weights(llm: Any) -> dict[str, Tensor]:
    """The weights of an LLM without those of the adapter inside it, under the names they have without it."""
    state = llm.state_dict()
    return {key.replace(".base_layer.", "."): value for key, value in state.items() if "lora_" not in key}


def read_adapter(model: LlavaModel, folder: Path) -> None:
    """Fills the model's adapter from a folder of peft's. Raises `ModelError` where it is for another LLM."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        said = json.loads((folder / "adapter_config.json").read_bytes())
        state = load_file(folder / "adapter_model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"llava: the adapter in {folder} cannot be read ({error}): train or fetch it again") from error
    ours = model.config.llm
    if (base := said.get("base_model_name_or_path") or ours) != ours:
        raise ModelError(
            f"llava: the adapter in {folder} is for the LLM '{base}', but the model's is '{ours}': name the "
            "LLM that it was trained on"
        )
    plan = get_peft_model_state_dict(model.llm, save_embedding_layers=False)
    compare(state, plan, f"the adapter in {folder} is for another LLM than '{ours}', or of another rank")
    set_peft_model_state_dict(model.llm, state)
