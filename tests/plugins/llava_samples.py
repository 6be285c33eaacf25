"""Tiny llava models of the real classes: towers, LLMs, tokenizers trained here; their folders, and clips of noise."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast
from vdesc.pretrained import quietly
from vdesc_llava import checkpoint
from vdesc_llava.config import LlavaConfig, base_config
from vdesc_llava.model import LlavaModel

torch.set_num_threads(1)  # the models are too small for more

WIDTH, HIDDEN, WORDS, SIDE = 32, 48, 400, 32
SAID = [
    "a man rides a brown horse",
    "two dogs run on the green grass",
    "a woman reads a book in the park",
    "the red car stands before a house",
    "한 남자가 갈색 말을 탄다",
]
_VISION = dict(
    hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2, image_size=SIDE, patch_size=8
)
TOWERS: dict[str, dict[str, Any]] = {
    "clip": dict(model_type="clip_vision_model", **_VISION),
    "siglip": dict(model_type="siglip_vision_model", **_VISION),
    "siglip2": dict(model_type="siglip2_vision_model", num_patches=16, **_VISION),
    "dinov2": dict(model_type="dinov2", **_VISION),
    "dinov2_registers": dict(model_type="dinov2_with_registers", num_register_tokens=3, **_VISION),
}
_WORDS = dict(
    hidden_size=HIDDEN, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    vocab_size=WORDS, max_position_embeddings=1024, pad_token_id=0, bos_token_id=1, eos_token_id=2,
)  # fmt: skip
LLMS: dict[str, dict[str, Any]] = {
    "qwen3": dict(model_type="qwen3", head_dim=16, tie_word_embeddings=True, **_WORDS),
    "llama": dict(model_type="llama", **_WORDS),
    "gemma": dict(model_type="gemma", head_dim=16, **_WORDS),
    "gemma3": dict(
        model_type="gemma3_text", head_dim=16, sliding_window=8, layer_types=["sliding_attention", "full_attention"],
        **_WORDS,
    ),
    "phi3": dict(model_type="phi3", **_WORDS),
    "phi": dict(model_type="phi", **_WORDS | dict(num_key_value_heads=4)),
    "exaone4": dict(
        model_type="exaone4", sliding_window=8, layer_types=["sliding_attention", "full_attention"], **_WORDS
    ),
}  # fmt: skip
IMAGE = dict(size=SIDE, resize="squash", mean=[0.5] * 3, std=[0.25] * 3)
PROJECTORS: dict[str, dict[str, Any]] = {
    "linear": dict(projector="linear"),
    "mlp2x": dict(projector="mlp2x"),
    "perceiver": dict(projector="perceiver", queries=6, heads=4, depth=2),
    "c_abstractor": dict(projector="c_abstractor", queries=6, heads=4),
}
TEMPLATE = (
    "{% for message in messages %}<|begin|>{{ message.role }}\n"
    "{% if message.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|begin|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
SPECIAL = ["<pad>", "<s>", "</s>", "<|begin|>", "<|end|>"]


@cache
def tokenizer(chat: bool = True) -> Any:
    """A byte-level BPE with special tokens, `<think>` among the added ones that are not, and a chat template."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS - 2, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(SAID * 4, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", bos_token="<s>", eos_token="</s>")
    fast.add_tokens(["<think>", "</think>"])
    fast.chat_template = TEMPLATE if chat else None
    return fast


def config(
    projector: str = "mlp2x",
    tower: str = "clip",
    llm: str = "qwen3",
    places: tuple[Path, Path] | None = None,
    **more: Any,
) -> LlavaConfig:
    """A tiny config: 16 patches a frame, 3 frames at most; `places` are folders of the bases."""
    base: dict[str, Any] = dict(
        tower_config=TOWERS[tower], llm_config=LLMS[llm], image=IMAGE, frames=3, max_tokens=12, dropout=0.0
    )
    if places:
        base |= dict(tower=str(places[0]), llm=str(places[1]))
    return LlavaConfig(**base | PROJECTORS[projector] | more)


def model(
    projector: str = "mlp2x", tower: str = "clip", llm: str = "qwen3", seed: int = 0, chat: bool = True, **more: Any
) -> LlavaModel:
    """A random model, the same for the same seed, that says different things of different clips."""
    torch.manual_seed(seed)
    made = checkpoint.new(config(projector, tower, llm, **more), "cpu", weights=False, tokenizer=tokenizer(chat)).eval()
    with torch.no_grad():
        for name, weight in made.llm.named_parameters():
            if weight.dim() == 2 and "embed" not in name and "lm_head" not in name:
                weight.normal_(0, 0.2)
    return made


def features(clips: int = 2, frames: int = 3, patches: int = 16, seed: int = 0, width: int = WIDTH) -> torch.Tensor:
    """Features (clips, frames, patches, width) of clips of noise."""
    return torch.randn(clips, frames, patches, width, generator=torch.Generator().manual_seed(seed))


def pixels(clips: int = 2, frames: int = 3, seed: int = 0) -> torch.Tensor:
    """Preprocessed pixels (clips, frames, 3, SIDE, SIDE) of noise."""
    return torch.randn(clips, frames, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def bases(path: Path, tower: str = "clip", llm: str = "qwen3", seed: int = 0) -> tuple[Path, Path]:
    """Folders of a tower and of an LLM with its tokenizer, as the hub has them."""
    torch.manual_seed(seed)
    places = path / f"tower-{tower}", path / f"llm-{llm}"
    with quietly():
        AutoModel.from_config(base_config(TOWERS[tower])).save_pretrained(places[0])
        AutoModelForCausalLM.from_config(base_config(LLMS[llm])).save_pretrained(places[1])
    tokenizer().save_pretrained(places[1])
    return places


def folder(path: Path, projector: str = "mlp2x", tower: str = "clip", llm: str = "qwen3", **more: Any) -> Path:
    """The folder of a random model, whose bases lie beside it."""
    places = bases(path.parent / f"{path.name}-bases", tower, llm)
    checkpoint.save(checkpoint.new(config(projector, tower, llm, places, **more)), path)
    return path
