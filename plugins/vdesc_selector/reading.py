"""Forward passes: what a causal language model expects after many rows of tokens, in few passes of bounded size.

Rows are padded at the right, which no causal model looks at. Rows of one question share their beginning: where that
saves enough, it goes through the model once, and its keys and values are used for all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

Ids = tuple[int, ...]
WORTH = 0.25
"""The part of all tokens that sharing must save to be worth a second pass."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with one beginning: row i is `start` + `ends[i]`; all are of one length or nearly."""

    start: Ids
    ends: tuple[Ids, ...]

    @property
    def tokens(self) -> int:
        """As many as its longest row has, for each row."""
        return len(self.ends) * (len(self.start) + max(map(len, self.ends)))

    @property
    def saves(self) -> float:
        """The part of its tokens that sharing the beginning saves."""
        return len(self.start) * (len(self.ends) - 1) / self.tokens

    def whole(self) -> list[Ids]:
        """The rows from their beginning."""
        return [self.start + end for end in self.ends]


class Reader:
    """A model's log-probabilities of the next token.

    Args:
        llm: a causal language model of transformers, in eval mode.
        batch: tokens that go through it at once, at most; one row always does.
    """

    def __init__(self, llm: Any, batch: int):
        self.llm, self.batch = llm, batch
        self.shares = _shares(llm)

    def read(self, rows: Sequence[Rows], columns: Sequence[int]) -> list[Tensor]:
        """For each of `rows`, log-probabilities float32 (its ends, columns) of the next token, on the CPU."""
        import torch

        told: dict[int, Tensor] = {}
        with torch.inference_mode():
            for shared in (True, False):
                mine = [i for i, some in enumerate(rows) if (self.shares and some.saves >= WORTH) is shared]
                mine.sort(key=lambda i: (rows[i].tokens // len(rows[i].ends), rows[i].start, rows[i].ends))
                for part in self._batches(mine, rows):
                    read = self._shared if shared else self._whole
                    found = read([rows[i] for i in part], columns).cpu()
                    told |= zip(part, found.split([len(rows[i].ends) for i in part]), strict=True)
        return [told[i] for i in range(len(rows))]

    def _batches(self, numbers: Sequence[int], rows: Sequence[Rows]) -> Iterator[list[int]]:
        """The numbers in parts whose rows, padded to the longest, have at most `batch` tokens."""
        part: list[int] = []
        count = 0
        for number in numbers:  # the longest row of a part is in its last
            more = len(rows[number].ends)
            if part and (count + more) * (rows[number].tokens // more) > self.batch:
                yield part
                part, count = [], 0
            part.append(number)
            count += more
        if part:
            yield part

    def _whole(self, rows: Sequence[Rows], columns: Sequence[int]) -> Tensor:
        import torch

        flat = [row for some in rows for row in some.whole()]
        most = max(1, self.batch // max(map(len, flat)))
        parts = (flat[i : i + most] for i in range(0, len(flat), most))
        return torch.cat([next_token(self.llm, part, columns) for part in parts])

    def _shared(self, rows: Sequence[Rows], columns: Sequence[int]) -> Tensor:
        import torch

        starts, seen = padded([some.start for some in rows], self.llm.device)
        kept = self.llm(input_ids=starts, attention_mask=seen, use_cache=True, **last(self.llm, 1)).past_key_values
        owner = torch.tensor([i for i, some in enumerate(rows) for _ in some.ends], device=self.llm.device)
        kept.batch_select_indices(owner)
        ends, mask = padded([end for some in rows for end in some.ends], self.llm.device)
        places = seen.sum(1)[owner, None] + torch.arange(ends.shape[1], device=ends.device)
        told = dict(attention_mask=torch.cat([seen[owner], mask], 1), position_ids=places, past_key_values=kept)
        return _after(self.llm, ends, mask, columns, use_cache=True, **told)


def next_token(llm: Any, rows: Sequence[Ids], columns: Sequence[int]) -> Tensor:
    """Log-probabilities float32 (rows, columns) of the next token after each row, of those tokens; with gradients."""
    ids, mask = padded(rows, llm.device)
    return _after(llm, ids, mask, columns, attention_mask=mask, use_cache=False)


def padded(rows: Sequence[Ids], device: Any) -> tuple[Tensor, Tensor]:
    """Rows as token ids (rows, longest), padded at the right, and a mask of the same shape, 1 where a token is."""
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([row + (0,) * (longest - len(row)) for row in rows], device=device)
    mask = torch.tensor([(1,) * len(row) + (0,) * (longest - len(row)) for row in rows], device=device)
    return ids, mask


def last(llm: Any, places: Any) -> dict[str, Any]:
    """The argument by which a model gives logits at these places alone; none where it knows no such."""
    plain = llm.get_base_model() if hasattr(llm, "get_base_model") else llm
    return {"logits_to_keep": places} if "logits_to_keep" in inspect.signature(plain.forward).parameters else {}


def _after(llm: Any, ids: Tensor, mask: Tensor, columns: Sequence[int], **given: Any) -> Tensor:
    import torch

    places = mask.sum(1) - 1
    kept, which = places.unique(return_inverse=True)  # a batch has rows of few lengths
    only = last(llm, kept)
    logits = llm(input_ids=ids, **given, **only).logits
    found = logits[torch.arange(len(ids), device=ids.device), which if only else places].float()
    return found.log_softmax(-1)[:, list(columns)]


def _shares(llm: Any) -> bool:
    """Whether keys and values of a beginning serve many rows: not with windows, whose width padding would change."""
    config = llm.config.get_text_config()
    if (getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)) or getattr(
        config, "layer_types", None
    ) not in (None, ["full_attention"] * len(getattr(config, "layer_types", None) or ())):
        return False
    return not getattr(llm, "_is_stateful", False) and getattr(llm, "_supports_attention_backend", False)
