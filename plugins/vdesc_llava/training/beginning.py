"""The model that a run begins with: made as the recipe says, from the bases that it names."""

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from transformers.utils import is_flash_attn_2_available
from vdesc import ModelError, SettingsError
from vdesc.errors import nearest

from ..checkpoint import new
from ..config import LlavaConfig
from ..model import LlavaModel
from ..places import PARTS
from .recipe import Recipe
from .sharding import shard

END, PAD = "<|end|>", "<|pad|>"


def begin(recipe: Recipe, captions: Iterable[str], device: str) -> LlavaModel:
    """The model before its first step.

    Args:
        captions: of the training split; an LLM from scratch learns its vocabulary from them.
    Raises:
        SettingsError: a model has no such setting, or `shard` or `attention` asks for what there is not.
        ModelError: a base is missing, or does not fit.
    """
    known = inspect.signature(LlavaConfig.__init__).parameters.keys() - {"self", "kwargs"}
    for name in recipe.model.keys() - known:
        raise SettingsError(f"a llava model has no setting '{name}' ({nearest(name, known)})")
    if recipe.attention == "flash_attention_2" and not is_flash_attn_2_available():
        raise SettingsError(
            "attention flash_attention_2 needs a GPU and the package flash-attn, and is not to be had here: set "
            "attention to sdpa"
        )
    lora = recipe.lora.model_dump(mode="json") if recipe.adapted else None
    config = LlavaConfig(**recipe.model | {"tower": recipe.tower, "llm": recipe.llm, "lora": lora})
    for base in PARTS:
        if not getattr(config, base) and not getattr(config, f"{base}_config"):
            raise ModelError(f"the recipe names no {base}: give {base}, or model.{base}_config for a random one")
    tokenizer = None if recipe.llm else _speaking(config, captions, recipe.vocabulary)
    how: dict[str, Any] = dict(bits=recipe.bits, dtype=_dtype(recipe), attention=recipe.attention)
    try:
        model = new(config, "cpu" if recipe.shard else device, tokenizer=tokenizer, **how)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the model that the recipe describes cannot be built: {error}") from error
    if recipe.shard:
        shard(model, torch.device(device))
    return model


def _speaking(config: LlavaConfig, captions: Iterable[str], size: int) -> Any:
    """The tokenizer of an LLM from scratch, which the LLM's config then knows."""
    tokenizer = learned(captions, size)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": pad}
    config.llm_config = config.llm_config | {"vocab_size": len(tokenizer), **ends}
    return tokenizer


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
