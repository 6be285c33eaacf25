"""The model that a run begins with: made as the recipe says, from the bases that it names."""

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from vdesc import ModelError, SettingsError
from vdesc.errors import nearest

from ..adapter import adapt
from ..bases import load_llm
from ..checkpoint import new
from ..config import LlavaConfig
from ..model import LlavaModel
from ..tower import load_tower
from .recipe import Recipe

END, PAD = "<|end|>", "<|pad|>"


def begin(recipe: Recipe, captions: Iterable[str], device: str) -> LlavaModel:
    """The model before its first step.

    Args:
        captions: of the training split; an LLM from scratch learns its vocabulary from them.
    Raises:
        SettingsError: a model has no such setting.
        ModelError: a base is missing, or does not fit.
    """
    known = inspect.signature(LlavaConfig.__init__).parameters.keys() - {"self", "kwargs"}
    for name in recipe.model.keys() - known:
        raise SettingsError(f"a llava model has no setting '{name}' ({nearest(name, known)})")
    lora = recipe.lora.model_dump(mode="json") if recipe.adapted else None
    config = LlavaConfig(**recipe.model | {"tower": recipe.tower, "llm": recipe.llm})
    dtype = _dtype(recipe)
    if recipe.tower and recipe.llm:
        config.lora = lora
        return new(config, device, bits=recipe.bits, dtype=dtype, attention=recipe.attention)
    model = _from_scratch(recipe, config, captions, device, dtype)
    if lora:
        adapt(model, lora)
    return model.eval()


def _from_scratch(
    recipe: Recipe, config: LlavaConfig, captions: Iterable[str], device: str, dtype: torch.dtype
) -> LlavaModel:
    """A model of which at least one base has random weights."""
    from ..bases import base_folder, load_tokenizer
    from ..bases import llm_config as read_llm
    from ..pixels import settings_of
    from ..tower import vision_config

    for base in ("tower", "llm"):
        if not getattr(recipe, base) and not getattr(config, f"{base}_config"):
            raise ModelError(f"the recipe names no {base}: give {base}, or model.{base}_config for a random one")
    if recipe.tower:
        place = base_folder(recipe.tower, "tower")
        seen = vision_config(place)
        config.tower_config = seen.to_diff_dict() | {"model_type": seen.model_type}
        config.image = settings_of(place, seen) | recipe.model.get("image", {})
    if recipe.llm:
        tokenizer, read = load_tokenizer(config), read_llm(base_folder(recipe.llm, "llm"))
        config.llm_config = read.to_diff_dict() | {"model_type": read.model_type}
    else:
        tokenizer = learned(captions, recipe.vocabulary)
        end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
        ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": pad}
        config.llm_config |= {"vocab_size": len(tokenizer), **ends}
    try:
        tower: Any = load_tower(recipe.tower or config.tower_config, device, dtype)
        llm = load_llm(config, device, bool(recipe.llm), recipe.bits, dtype, recipe.attention)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the model that the recipe describes cannot be built: {error}") from error
    return LlavaModel(config, tower, llm, tokenizer).to(device)


def learned(captions: Iterable[str], size: int) -> Any:
    """A byte-level BPE of at most `size` tokens learned from the captions, with tokens of their own for end and pad."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    core.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END, PAD], show_progress=False, initial_alphabet=letters
    )
    core.train_from_iterator(captions, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, pad_token=PAD)


def _dtype(recipe: Recipe) -> torch.dtype:
    """Of the bases: the arithmetic's, unless the LLM itself learns, which half precision would round away."""
    whole = any(stage.learn == "all" for stage in recipe.of_stages)
    return torch.float32 if whole else getattr(torch, recipe.precision)
