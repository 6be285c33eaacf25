"""What is found in a foreign checkpoint: its format and settings, told by the shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vdesc import ModelError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Found:
    """A foreign checkpoint, understood.

    Attributes:
        format: its program, and its size where that has a name.
        settings: of `ClipGPTConfig`, with its original's way to speak; tokens are not in it.
        names: pairs of how a name begins in our model and in the file.
        stop: the text of the token that ends a caption and belongs to it, or "".
        encoder: the folder or hub id of the CLIP model that is not in the file, or None.
        width: of the features that the mapper reads.
        dropped: how many tensors were no weights.
    """

    format: str
    settings: dict[str, Any]
    names: tuple[tuple[str, str], ...]
    width: int
    stop: str = ""
    encoder: str | None = None
    dropped: int = 0

    def lines(self) -> list[str]:
        """What it is, for people."""
        s, decoder = self.settings, self.settings["decoder"]
        sizes = f"{s['layers']} layers, {s['heads']} heads, " if "layers" in s else ""
        frames = f", {s['frames']} frames" if "frames" in s else ""
        lines = [
            self.format,
            f"encoder: {self.encoder or 'in the file'}, {s['reads']} features, {self.width} wide"
            f"{', normalised' if s.get('normalize') else ''}",
            f"mapper: {s['mapper']}, {sizes}prefix {s['prefix']}{frames}",
            f"decoder: GPT-2, {decoder['n_embd']} wide, {decoder['n_layer']} layers, {decoder['vocab_size']} tokens",
        ]
        return [*lines, f"dropped: {self.dropped} buffers of transformers 4"] if self.dropped else lines


@dataclass(frozen=True, slots=True)
class Shapes:
    """What the shapes of a checkpoint's tensors say.

    Args:
        path: its file, for errors.
        state: its tensors by name.
        head: the width of an attention head in CLIP and GPT-2, which no shape shows: 64 in all that are public.
    """

    path: Path
    state: Mapping[str, Tensor]
    head: int = 64

    def of(self, key: str) -> tuple[int, ...]:
        """The shape of a tensor. Raises `ModelError` where it is missing."""
        if key not in self.state:
            raise ModelError(f"clipgpt: {self.path} has no {key}: it is not whole; fetch it again")
        return tuple(self.state[key].shape)

    def layers(self, prefix: str) -> int:
        """How many layers are numbered after a prefix."""
        numbers = [key.removeprefix(prefix).split(".")[0] for key in self.state if key.startswith(prefix)]
        return 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)

    def heads(self, width: int) -> int:
        """How many heads a layer of CLIP or GPT-2 has. Raises `ModelError` where the width cannot be split."""
        if width % self.head:
            raise ModelError(
                f"clipgpt: {self.path} is {width} wide, which is no multiple of {self.head}, the width of an attention "
                "head of CLIP and GPT-2: give its own to vdesc convert with --set head=N"
            )
        return width // self.head

    def gpt2(self, prefix: str) -> dict[str, Any]:
        """The settings of a GPT-2 language model."""
        vocabulary, width = self.of(f"{prefix}transformer.wte.weight")
        return dict(
            model_type="gpt2", vocab_size=vocabulary, n_embd=width, n_head=self.heads(width),
            n_positions=self.of(f"{prefix}transformer.wpe.weight")[0], n_layer=self.layers(f"{prefix}transformer.h."),
            n_inner=self.of(f"{prefix}transformer.h.0.mlp.c_fc.weight")[1],
        )  # fmt: skip

    def vision(self, prefix: str) -> dict[str, Any]:
        """The settings of a CLIP vision transformer."""
        (width,) = self.of(f"{prefix}embeddings.class_embedding")
        patch = self.of(f"{prefix}embeddings.patch_embedding.weight")[-1]
        places = self.of(f"{prefix}embeddings.position_embedding.weight")[0]
        return dict(
            model_type="clip_vision_model", hidden_size=width, num_attention_heads=self.heads(width), patch_size=patch,
            image_size=patch * isqrt(places - 1), num_hidden_layers=self.layers(f"{prefix}encoder.layers."),
            intermediate_size=self.of(f"{prefix}encoder.layers.0.mlp.fc1.weight")[0],
        )  # fmt: skip
