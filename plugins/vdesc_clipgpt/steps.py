"""GPT-2 one token at a time: the model's own layers over a cache that is allocated once."""

from typing import Any

from torch import Tensor, nn
from transformers import GPT2LMHeadModel


class Steps:
    """The state of a batch of captions that are being said; a row is one hypothesis of one image.

    Hugging Face's `generate` grows its cache by copying and does much bookkeeping a step: 64 captions of size S in int8
    took it 3.3 s where this took 2.1 s. It calls the model's own layers, so that it works in any precision.

    Args:
        decoder: in eval mode.
        prefix: (images, prefix, hidden), at least one vector an image.
        beams: rows for each image.
        length: the most tokens that will be said.
        doubled: whether place vectors count as `positions: doubled` says.
    Attributes:
        logits: float32 (images, vocabulary) for the first token.
    """

    def __init__(self, decoder: GPT2LMHeadModel, prefix: Tensor, beams: int, length: int, doubled: bool = False):
        gpt, config = decoder.transformer, decoder.config
        self.blocks, self.norm, self.head = list[Any](gpt.h), gpt.ln_f, decoder.lm_head
        self.words, self.places = gpt.wte.weight, gpt.wpe.weight * 2 if doubled else gpt.wpe.weight
        self.at = self.start = prefix.shape[1]
        self.shape = (config.n_head, config.n_embd // config.n_head)
        rows = len(prefix) * beams
        self.cache = prefix.new_empty((config.n_layer, 2, rows, self.shape[0], self.start + length, self.shape[1]))
        hidden = prefix + self.places[: self.start]
        self.logits = self.head(self.norm(self._begin(hidden, beams)[:, -1])).float()
        if doubled:
            self._begin(hidden + gpt.wpe.weight[: self.start], beams)

    def step(self, tokens: Tensor) -> Tensor:
        """Float32 logits (rows, vocabulary) of what follows `tokens` (rows)."""
        hidden = self.words[tokens] + self.places[self.at]
        end = self.at + 1
        for block, (keys, values) in zip(self.blocks, self.cache, strict=True):
            query, keys[:, :, self.at], values[:, :, self.at] = self._split(block, hidden)
            mixed = nn.functional.scaled_dot_product_attention(
                query[:, :, None], keys[:, :, :end], values[:, :, :end], scale=block.attn.scaling
            )
            hidden = self._rest(block, hidden, mixed[:, :, 0])
        self.at = end
        return self.head(self.norm(hidden)).float()

    def follow(self, rows: Tensor) -> None:
        """Row i goes on from what was row `rows[i]` of the same image (their prefix is the same)."""
        said = self.cache[:, :, :, :, self.start : self.at]
        said.copy_(said[:, :, rows])

    def keep(self, rows: Tensor) -> None:
        """Goes on with these rows only."""
        self.cache = self.cache[:, :, rows]

    def _begin(self, hidden: Tensor, beams: int) -> Tensor:
        """What the blocks make of the prefix; the cache then holds it."""
        for block, (keys, values) in zip(self.blocks, self.cache, strict=True):
            hidden = self._prompt(block, hidden, keys, values, beams)
        return hidden

    def _prompt(self, block: Any, hidden: Tensor, keys: Tensor, values: Tensor, beams: int) -> Tensor:
        query, key, value = (part.transpose(1, 2) for part in self._split(block, hidden))
        keys[:, :, : self.start] = key.repeat_interleave(beams, dim=0)
        values[:, :, : self.start] = value.repeat_interleave(beams, dim=0)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=block.attn.scaling)
        return self._rest(block, hidden, mixed.transpose(1, 2))

    def _split(self, block: Any, hidden: Tensor) -> tuple[Tensor, ...]:
        """Query, key and value, each (..., heads, width of a head)."""
        return block.attn.c_attn(block.ln_1(hidden)).unflatten(-1, (3, *self.shape)).unbind(-3)

    def _rest(self, block: Any, hidden: Tensor, mixed: Tensor) -> Tensor:
        hidden = hidden + block.attn.c_proj(mixed.flatten(-2))
        return hidden + block.mlp(block.ln_2(hidden))
