"""The model that training begins with: a base with fresh adapters, a base as it is, or a new one with its words."""

from collections.abc import Iterable
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from vdesc import MissingExtra, ModelError, SettingsError
from vdesc.hub import model_folder

from ..checkpoint import PATTERNS, load_base
from .recipe import Recipe

END = "<|endoftext|>"


def begin(recipe: Recipe, texts: Iterable[str], device: str) -> tuple[Any, Any]:
    """A causal language model, of which what is to learn has gradients, and its tokenizer.

    Args:
        texts: what a new tokenizer is learned from.
    Raises:
        ModelError, MissingExtra, SettingsError: the base or its adapters cannot be had, or the recipe's model is none.
    """
    if not recipe.base:
        tokenizer = learned(texts, recipe.vocabulary)
        return new(recipe, tokenizer).to(device), tokenizer
    folder = model_folder(recipe.base, "selector", PATTERNS)
    llm, tokenizer = load_base(folder, device, recipe.bits, "auto" if recipe.lora else "float32")
    return (adapted(llm, recipe) if recipe.lora else llm.requires_grad_(True)), tokenizer


def adapted(llm: Any, recipe: Recipe) -> Any:
    """The model, frozen, with adapters that change nothing yet. Raises `ModelError`, `MissingExtra`."""
    try:
        from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    except ImportError as error:
        raise MissingExtra("training selector with adapters", "peft", "train") from error
    lora = recipe.lora
    assert lora is not None
    if recipe.bits:
        llm = prepare_model_for_kbit_training(llm)
    targets: Any = list(lora.targets) or "all-linear"
    plan = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, task_type="CAUSAL_LM"
    )
    try:
        return get_peft_model(llm, plan)
    except ValueError as error:
        raise ModelError(
            f"selector: the base '{recipe.base}' has no layers {targets} for adapters: set lora.targets to names of "
            "its linear layers"
        ) from error


def new(recipe: Recipe, tokenizer: Any) -> Any:
    """A random model by the recipe's config. Raises `SettingsError` where that is none."""
    ends = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), tokenizer.eos_token_id)
    values = {"max_position_embeddings": recipe.tokens} | recipe.model | {"vocab_size": len(tokenizer), **ends}
    try:
        config = AutoConfig.for_model(**values)
        torch.manual_seed(recipe.seed)
        return AutoModelForCausalLM.from_config(config)
    except (TypeError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise SettingsError(f"the recipe's model is no causal language model of transformers ({reason})") from error


def learned(texts: Iterable[str], size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `size` tokens learned from the texts, with every digit a token of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    parts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    core.pre_tokenizer = pre_tokenizers.Sequence(parts)
    core.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[END], show_progress=False, initial_alphabet=letters)
    core.train_from_iterator(texts, trainer)
    tokens: dict[str, Any] = dict(eos_token=END, pad_token=END)
    return PreTrainedTokenizerFast(tokenizer_object=core, **tokens)
