"""Tiny causal language models of the real classes with a tokenizer trained here, and questions to ask them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from vdesc import Context, Evidence, Span
from vdesc.pretrained import quietly
from vdesc_selector.judging import Judge
from vdesc_selector.limits import Limits
from vdesc_selector.question import Asking, Question
from vdesc_training.sft import Row

torch.set_num_threads(1)  # the models are too small for more

WORDS = dict(
    hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4,
    max_position_embeddings=2048, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
MODELS: dict[str, dict[str, Any]] = {
    "phi": dict(model_type="phi", **WORDS),
    "qwen3": dict(model_type="qwen3", head_dim=16, tie_word_embeddings=True, **WORDS),
    "llama": dict(model_type="llama", **WORDS),
    "gpt2": dict(model_type="gpt2", n_embd=48, n_layer=2, n_head=4, n_positions=2048, bos_token_id=1, eos_token_id=2),
    "gemma3": dict(
        model_type="gemma3_text", head_dim=16, sliding_window=8, layer_types=["sliding_attention", "full_attention"],
        **WORDS,
    ),
}  # fmt: skip
SPECIAL = ["<pad>", "<s>", "</s>", "<|begin|>", "<|end|>", "STOP"]
TEMPLATE = (
    "{% for m in messages %}<|begin|>{{ m.role }}\n{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant\n{% endif %}"
)
TEXTS = ("A man rides a horse.", "A dog runs on the grass.", "Two women talk.", "말을 탄 남자가 있다.")


@cache
def tokenizer(chat: bool = False, digits: bool = True) -> Any:
    """A byte-level BPE, the digits of which may be tokens of their own, so that 10 is two of them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    parts = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    made.pre_tokenizer = pre_tokenizers.Sequence([*parts, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    made.decoder = decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=letters, show_progress=False)
    numbers = " ".join(f"{number}" for number in range(1, 30))
    made.train_from_iterator([*TEXTS, numbers] * 9, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    fast.add_special_tokens({"additional_special_tokens": SPECIAL[3:]})
    fast.chat_template = TEMPLATE if chat else None
    return fast


def llm(name: str = "phi", seed: int = 0, **more: Any) -> Any:
    """A random model that thinks differently of different questions."""
    torch.manual_seed(seed)
    made = AutoModelForCausalLM.from_config(AutoConfig.for_model(**MODELS[name] | {"vocab_size": 440} | more)).eval()
    with torch.no_grad():
        for weight in made.parameters():
            if weight.dim() == 2:
                weight.normal_(0, 0.2)
    return made


def judge(name: str = "phi", limits: Limits | None = None, chat: bool = False, **more: Any) -> Judge:
    limits = limits or Limits()
    return Judge(llm(name), Asking(tokenizer(chat), limits), **more)


def question(count: int = 3, evidence: int = 2, texts: tuple[str, ...] = ()) -> Question:
    seen = tuple(Evidence("text", Span(0, 9), f"word number {i}", 0.9 - i / 100, "ocr") for i in range(evidence))
    return Question(Context(seen), texts or tuple(f"{TEXTS[i % 4]} {i}" for i in range(count)))


def folder(path: Path, name: str = "phi", seed: int = 0, chat: bool = False, **more: Any) -> Path:
    """A whole model, as the hub has it."""
    with quietly():
        llm(name, seed, **more).save_pretrained(path)
    tokenizer(chat).save_pretrained(path)
    return path


def adapter(path: Path, base: Path, named: str = "", rank: int = 8) -> Path:
    """An adapter as system F's: rank 8 on queries and values, in peft's format, with weights that change something."""
    from peft import LoraConfig, get_peft_model

    plan = LoraConfig(
        r=rank, lora_alpha=16, lora_dropout=0.1, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"
    )
    with quietly():
        made = get_peft_model(AutoModelForCausalLM.from_pretrained(base), plan)
    torch.manual_seed(7)
    with torch.no_grad():
        for weight_name, weight in made.named_parameters():
            if "lora_B" in weight_name:
                weight.normal_(0, 0.5)
    made.peft_config["default"].base_model_name_or_path = named or str(base)
    made.save_pretrained(path, save_embedding_layers=False)
    return path


def rows(count: int = 24, val: int = 8) -> list[Row]:
    """Rows that can be learned: the candidate that names what was seen is the best."""
    made = []
    things = ("man", "dog", "car")
    for i in range(count + val):
        seen = Evidence("object", Span(0, 0), things[i % 3], 0.9, "yolox")
        texts = tuple(f"A {things[(i + k) % 3]} is there." for k in (1, 0, 2))
        split = "train" if i < count else "val"
        made.append(Row(str(i), split, "en", Context((seen,)), texts, (0.2, 0.9, 0.1), "tokens"))
    return made
