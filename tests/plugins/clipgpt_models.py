"""Tiny clipgpt models of the real classes, their folders, and frames in memory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from vdesc import Keyframe, Picture, Shot, Slot, Span
from vdesc_clipgpt import words
from vdesc_clipgpt.config import ClipGPTConfig
from vdesc_clipgpt.model import ClipGPTModel

torch.set_num_threads(1)  # the models are too small for more

SAID = [
    "a man rides a brown horse",
    "two dogs run on the green grass",
    "a woman reads a book in the park",
    "the red car",
]
CLIP = dict(
    model_type="clip_vision_model", hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    image_size=32, patch_size=16, projection_dim=24,
)  # fmt: skip
MOBILE = dict(model_type="mobilenet_v2", image_size=32, depth_multiplier=0.25)
IMAGE = dict(size=32, resize="squash", mean=[0.5] * 3, std=[0.25] * 3)
KINDS: dict[str, dict[str, Any]] = {
    "mlp": dict(mapper="mlp", reads="projected", prefix=4),
    "transformer": dict(mapper="transformer", reads="projected", prefix=3, constants=5, layers=2, heads=2),
    "encoder": dict(mapper="encoder", reads="pooled", prefix=4, layers=2, heads=4, begin=True),
    "concat": dict(mapper="concat", reads="projected", prefix=3, layers=2, heads=2, frames=3),
    "cross": dict(mapper="cross", reads="projected", prefix=3, layers=2, heads=2, frames=3),
    "grid": dict(mapper="grid", reads="grid", prefix=4, layers=1, heads=2),
}


def tokenizer() -> Any:
    return words.train_tokenizer(SAID * 4, 320)


def config(kind: str = "mlp", **more: Any) -> ClipGPTConfig:
    end = tokenizer().eos_token_id
    decoder = dict(n_embd=32, n_layer=2, n_head=4, n_positions=64, vocab_size=320, bos_token_id=end, eos_token_id=end)
    return ClipGPTConfig(**{"encoder": CLIP, "decoder": decoder, "image": IMAGE, "max_tokens": 12} | KINDS[kind] | more)


def model(kind: str = "mlp", seed: int = 0, **more: Any) -> ClipGPTModel:
    """A random model that says different things of different pictures: its layers outweigh the last word."""
    torch.manual_seed(seed)
    made = ClipGPTModel(config(kind, **more)).eval()
    with torch.no_grad():
        for block in made.decoder.transformer.h:
            for layer in (block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj):
                layer.weight.normal_(0, 0.4)
        made.decoder.transformer.wte.weight.mul_(5)
        made.decoder.transformer.ln_f.weight.mul_(5)
    return made


def folder(path: Path, kind: str = "mlp", **more: Any) -> Path:
    model(kind, **more).save_pretrained(path)
    tokenizer().save_pretrained(path)
    return path


@dataclass(frozen=True, slots=True)
class Memory(Picture):
    """A frame in memory: noise of its number, which counts how often it is read."""

    number: int
    read: list[int]

    def pixels(self) -> np.ndarray:
        self.read.append(self.number)
        return np.random.default_rng(self.number).integers(0, 256, (48, 64, 3), np.uint8)


def slots(n: int, keyframes: int = 1, read: list[int] | None = None) -> list[Slot]:
    read = [] if read is None else read
    made = []
    for i in range(n):
        span = Span(i * 1000, (i + 1) * 1000)
        frames = [
            Keyframe(k, span.start + (2 * j + 1) * 500 // keyframes, Shot(i, span), Memory(Path(f"{k}.jpg"), k, read))
            for j, k in enumerate(range(i * keyframes, (i + 1) * keyframes))
        ]
        made.append(Slot(i, span, tuple(frames)))
    return made
