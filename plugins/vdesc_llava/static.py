"""Steps of static shapes: a cache that is as long from the start as it will get, and a GPU that replays one recording.

On a GPU a step of an LLM of billions of weights takes longer to be asked for, kernel by kernel, than to be done, and a
cache that grows is copied at each step. A CUDA graph asks once; that needs tensors that stay where they are. On a CPU
none of it pays.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import StaticCache

from .steps import Steps

EAGER = 2
"""Steps before the recording: they warm up what allocates at its first use."""


class StaticSteps(Steps):
    """As `Steps`, for at most `room` tokens after the prompts, with a CUDA graph where there is CUDA.

    Rows that have ended stay: fewer would be another shape, and cost nearly as much.
    """

    shrinks = False

    def __init__(self, llm: Any, embeds: Tensor, mask: Tensor, room: int):
        super().__init__(llm, embeds, mask)
        self.room, self.start, self.length = room, mask.shape[1], mask.shape[1]
        self.fixed, self.done = False, 0
        self.graph: torch.cuda.CUDAGraph | None = None

    @staticmethod
    def fits(llm: Any) -> bool:
        """Whether an LLM's layers all remember all tokens: those that forget lay their cache out otherwise."""
        kinds = getattr(llm.config.get_text_config(), "layer_types", None) or []
        sliding = getattr(llm.config.get_text_config(), "sliding_window", None)
        return not sliding if not kinds else set(kinds) == {"full_attention"}

    def keep(self, rows: Tensor) -> None:
        """Goes on with these rows; where they are as many as before, nothing moves to another place."""
        if not self.fixed:
            return super().keep(rows)
        if len(rows) != len(self.mask):
            return self._begin(rows)
        for layer in self.cache.layers:
            layer.keys.copy_(layer.keys[rows])
            layer.values.copy_(layer.values[rows])
        for held in (self.mask, self.place):
            held.copy_(held[rows])
        self.logits = self.logits[rows]

    def step(self, tokens: Tensor) -> None:
        """Says a token (rows,) in each row."""
        if not self.fixed:
            self._begin(torch.arange(len(self.mask), device=self.mask.device))
        self.tokens.copy_(tokens[:, None])
        if self.tokens.is_cuda and self.done == EAGER:
            self._record()
        if self.graph is None:
            self.out = self._forward()
        else:
            self.graph.replay()
        self.logits = self.out.float()
        self.place += 1
        self.length, self.done = self.length + 1, self.done + 1

    def _begin(self, rows: Tensor) -> None:
        """Lays the cache of some rows out anew, with room for what is still to come."""
        longest = self.start + self.room
        cache = StaticCache(config=self.llm.config.get_text_config(), max_cache_len=longest)
        for number, layer in enumerate(self.cache.layers):
            cache.update(layer.keys[rows][:, :, : self.length], layer.values[rows][:, :, : self.length], number)
        mask, self.place, self.logits = self.mask[rows], self.place[rows], self.logits[rows]
        self.mask = torch.cat([mask, mask.new_ones(len(mask), longest - mask.shape[1])], dim=1)
        self.cache, self.tokens = cache, torch.zeros_like(self.place)
        self.fixed, self.done, self.graph = True, 0, None

    def _forward(self) -> Tensor:
        out = self.llm(
            input_ids=self.tokens, attention_mask=self.mask, position_ids=self.place, use_cache=True,
            past_key_values=self.cache, logits_to_keep=1,
        )  # fmt: skip
        return out.logits[:, -1]

    def _record(self) -> None:
        """Records a step, without doing it. An LLM that does what cannot be recorded goes on as it did."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self.out = self._forward()
            self.graph = graph
        except RuntimeError:
            torch.cuda.synchronize()
