"""Steps: the LLM's cache of keys and values, which grows by a token a row. Knows no search."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Steps:
    """A batch of prompts on its way through an LLM, one token a step.

    Attributes:
        logits: float32 (rows, vocabulary), of the token that comes next.
        shrinks: whether fewer rows go faster.
    """

    shrinks = True

    def __init__(self, llm: Any, embeds: Tensor, mask: Tensor):
        """Reads the prompts (rows, length, hidden), padded wherever `mask` (rows, length) is 0 but at the end."""
        self.llm, self.mask = llm, mask
        self.place = mask.sum(-1, keepdim=True)
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        out = llm(inputs_embeds=embeds, attention_mask=mask, position_ids=places, use_cache=True, logits_to_keep=1)
        self.cache = out.past_key_values
        self.logits = out.logits[:, -1].float()

    def repeat(self, times: int) -> None:
        """Makes so many rows of each."""
        if times > 1:
            self.keep(torch.arange(len(self.mask), device=self.mask.device).repeat_interleave(times))

    def keep(self, rows: Tensor) -> None:
        """Goes on with these rows, in this order; a row may go on more than once."""
        self.mask, self.place, self.logits = self.mask[rows], self.place[rows], self.logits[rows]
        self.cache.batch_select_indices(rows)

    def step(self, tokens: Tensor) -> None:
        """Says a token (rows,) in each row."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        out = self.llm(
            input_ids=tokens[:, None], attention_mask=self.mask, position_ids=self.place, use_cache=True,
            past_key_values=self.cache, logits_to_keep=1,
        )  # fmt: skip
        self.place = self.place + 1
        self.logits = out.logits[:, -1].float()
