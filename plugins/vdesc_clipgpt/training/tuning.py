"""What of a model learns: the mapper, parts of GPT-2, all of it, or adapters; and the encoder from an epoch on."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from ..model import ClipGPTModel
from .recipe import Recipe


def tune(model: ClipGPTModel, recipe: Recipe) -> None:
    """Marks what learns; for LoRA the adapters are put into the decoder."""
    model.requires_grad_(False)
    if recipe.learn == "match":
        assert model.matcher is not None
        model.matcher.requires_grad_(True)
        return
    model.mapper.requires_grad_(True)
    gpt = model.decoder.transformer
    match recipe.tune:
        case "all":
            model.decoder.requires_grad_(True)
        case "parts":  # clip-gpt-captioning's choice: the first and last 14 tensors of GPT-2
            for part in (gpt.wte, gpt.wpe, gpt.h[0], gpt.h[-1], gpt.ln_f):
                part.requires_grad_(True)
        case "lora":
            _adapt(model.decoder, recipe)
    model.encoder.requires_grad_(recipe.encoder_from_epoch is not None)


def rest(model: ClipGPTModel) -> None:
    """Switches the dropout of those parts off of which nothing learns."""
    for part in (model.encoder, model.mapper, model.decoder, model.matcher):
        if part and not any(parameter.requires_grad for parameter in part.parameters()):
            part.eval()


def groups(model: ClipGPTModel, recipe: Recipe) -> list[dict[str, Any]]:
    """What AdamW is handed: matrices, vectors without decay, the encoder at its own rate; nothing that is fixed."""
    learn = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    own = [p for name, p in learn if not name.startswith("encoder.")]
    made = [
        {"params": [p for p in own if p.dim() >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in own if p.dim() < 2], "weight_decay": 0.0},
        {
            "params": [p for name, p in learn if name.startswith("encoder.")],
            "lr": recipe.encoder_rate,
            "weight_decay": 0.0,
        },
    ]
    return [group for group in made if group["params"]]


class Thaw(TrainerCallback):
    """Keeps the encoder fixed until an epoch, so that an untrained decoder does not spoil it."""

    def __init__(self, epoch: float):
        self.epoch = epoch

    def on_step_begin(self, args, state, control, model=None, **_):  # type: ignore[no-untyped-def]
        """Decides anew at every step, so that a resumed run does as well."""
        learn = (state.epoch or 0) >= self.epoch
        for parameter in model.encoder.parameters():
            parameter.requires_grad_(learn)


def _adapt(decoder: nn.Module, recipe: Recipe) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    lora = recipe.lora
    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=list(lora.targets),
        fan_in_fan_out=True,
    )  # fmt: skip
    inject_adapter_in_model(config, decoder)


def merged(model: nn.Module) -> dict[str, Tensor]:
    """The model's weights under the names of a model without adapters, these added in. The model stays as it is."""
    state = dict(model.state_dict())
    for name, layer in _adapted(model):
        for key in [key for key in state if key.startswith(f"{name}.")]:
            value = state.pop(key)
            if ".base_layer." in key:
                state[key.replace(".base_layer.", ".")] = value
        with torch.no_grad():
            state[f"{name}.weight"] = state[f"{name}.weight"] + layer.get_delta_weight("default")
    return state


def _adapted(model: nn.Module) -> Iterator[tuple[str, Any]]:
    yield from ((name, module) for name, module in model.named_modules() if hasattr(module, "lora_A"))
