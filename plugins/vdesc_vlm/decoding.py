"""Answers of a model to a batch: beams or drawn, how likely each is, and the same whatever else is in the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList
from transformers.generation import RepetitionPenaltyLogitsProcessor
from vdesc.pretrained import quietly
from vdesc.prompted import Answer


@dataclass(frozen=True, slots=True)
class Decoding:
    """How words are chosen: above a temperature of 0 they are drawn, else searched with beams (1: greedy)."""

    beams: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    max_tokens: int = 128
    seed: int = 0


def answers(
    model: Any, tokenizer: Any, inputs: Any, how: Decoding, n: int, numbers: Sequence[int]
) -> list[list[Answer]]:
    """`n` answers to each prompt, the likeliest first.

    `confidence` is exp(mean log-probability of the tokens, the end among them), by the model alone, without
    temperature or penalty.

    Args:
        inputs: what the processor made of the prompts, padded on the left, on the model's device.
        numbers: one of each prompt: what is drawn for it depends on it and on the seed, not on the rest of the batch.
    """
    drawn = how.temperature > 0
    beams = 1 if drawn else max(how.beams, n)
    ends = stops(model, tokenizer)
    record = Record(beams if beams > 1 else n, ends)
    parts: list[Any] = [record]
    if how.repetition_penalty != 1:
        parts.append(Penalty(how.repetition_penalty))
    if drawn:
        parts.append(Draw(how, numbers, n))
    config = GenerationConfig(
        max_new_tokens=how.max_tokens, num_beams=beams, do_sample=drawn, num_return_sequences=n, temperature=1.0,
        top_p=1.0, repetition_penalty=1.0, eos_token_id=ends or None, use_cache=True,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else (ends or [0])[0],
        bos_token_id=tokenizer.bos_token_id,
    )  # fmt: skip
    with torch.inference_mode(), quietly():
        made = model.generate(**inputs, generation_config=config, logits_processor=LogitsProcessorList(parts))
    rows = _new(made, inputs["input_ids"].repeat_interleave(n, 0))
    found = [_answer(tokenizer, record, i // n, row, ends) for i, row in enumerate(rows)]
    by_prompt = [found[i : i + n] for i in range(0, len(found), n)]
    return [sorted(some, key=lambda answer: -(answer.confidence or 0.0)) for some in by_prompt]


def stops(model: Any, tokenizer: Any) -> list[int]:
    """The tokens that end an answer."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    named = tokenizer.eos_token_id if named is None else named
    return [] if named is None else list(named) if isinstance(named, list | tuple) else [named]


class Record(LogitsProcessor):
    """Keeps how likely each beginning of an answer is, which depends on the prompt and the beginning alone.

    So it need not follow how a search moves its beams from row to row, and holds the scores of one step only.

    Args:
        width: rows of each prompt.
        ends: the tokens that end an answer.
    """

    def __init__(self, width: int, ends: Sequence[int]):
        self._width, self._ends = width, list(ends)
        self._start: int | None = None
        self._likely: dict[tuple[int, tuple[int, ...]], float] = {}
        self._ended: dict[tuple[int, tuple[int, ...]], list[float]] = {}
        self._rows: dict[tuple[int, tuple[int, ...]], int] = {}
        self._last = torch.empty(0)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores as they are."""
        self._start = input_ids.shape[1] if self._start is None else self._start
        said = [(i // self._width, tuple(row)) for i, row in enumerate(input_ids[:, self._start :].tolist())]
        for one, value in zip(said, self._values(said), strict=True):
            self._likely[one] = value
        self._last, self._rows = scores.float().log_softmax(-1), {}
        ended = self._last[:, self._ends].tolist()
        for i, one in enumerate(said):
            self._rows[one], self._ended[one] = i, ended[i]
        return scores

    def confidence(self, prompt: int, said: Sequence[int]) -> float:
        """exp(mean log-probability) of an answer's tokens, 0..1; its last may be an end."""
        *before, last = said
        whole = (prompt, tuple(before))
        if last in self._ends and whole in self._ended:
            total = self._likely[whole] + self._ended[whole][self._ends.index(last)]
        else:
            (total,) = self._values([(prompt, tuple(said))])
        return math.exp(min(0.0, total / len(said)))

    def _values(self, said: Sequence[tuple[int, tuple[int, ...]]]) -> list[float]:
        """The log-probability of beginnings that were known without their last token one step ago."""
        if not said[0][1]:
            return [0.0] * len(said)
        parents = [(prompt, tokens[:-1]) for prompt, tokens in said]
        rows = torch.tensor([self._rows[parent] for parent in parents], device=self._last.device)
        last = torch.tensor([tokens[-1] for _, tokens in said], device=self._last.device)
        steps = self._last[rows, last].tolist()
        return [self._likely[parent] + step for parent, step in zip(parents, steps, strict=True)]


class Draw(LogitsProcessor):
    """Leaves one token a row: drawn at the temperature from the likeliest that reach `top_p` together.

    Each prompt has random numbers of its own, so that the same is drawn whatever else is in the batch.

    Args:
        numbers: one of each prompt.
        n: rows of each prompt.
    """

    def __init__(self, how: Decoding, numbers: Sequence[int], n: int):
        self._how, self._step = how, 0
        self._chance = torch.cat([_uniform(how, number, n) for number in numbers])

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """0 for the token that is drawn, minus infinity for all others."""
        shares, order = (scores.float() / self._how.temperature).softmax(-1).sort(dim=-1, descending=True, stable=True)
        kept = shares * (shares.cumsum(-1) - shares < self._how.top_p)
        edges = kept.cumsum(-1)
        at = self._chance[:, self._step, None].to(edges.device) * edges[:, -1:]
        place = torch.searchsorted(edges, at, right=True).minimum((kept > 0).sum(-1, keepdim=True) - 1)
        self._step += 1
        return torch.full_like(scores, -math.inf).scatter(1, order.gather(1, place), 0.0)


class Penalty(LogitsProcessor):
    """Makes tokens that an answer has less likely in the rest of it, and never those of its prompt."""

    def __init__(self, penalty: float):
        self._penalty = penalty
        self._inner: Any = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores with the penalty (Keskar et al. 2019, arXiv 1909.05858)."""
        if self._inner is None:
            self._inner = RepetitionPenaltyLogitsProcessor(self._penalty, prompt_ignore_length=input_ids.shape[1])
        return self._inner(input_ids, scores)


def _uniform(how: Decoding, number: int, n: int) -> Tensor:
    """Numbers in 0..1, float32 (n, max_tokens), of the candidates of a prompt."""
    return torch.rand(n, how.max_tokens, generator=torch.Generator().manual_seed(how.seed * 1_000_003 + number))


def _new(made: Tensor, prompts: Tensor) -> list[list[int]]:
    """The tokens of the answers: some models give back the prompt before them, others do not."""
    length = prompts.shape[1]
    repeated = made.shape[1] >= length and torch.equal(made[:, :length], prompts.to(made.device))
    return made[:, length:].tolist() if repeated else made.tolist()


def _answer(tokenizer: Any, record: Record, prompt: int, row: list[int], ends: list[int]) -> Answer:
    end = next((i for i, token in enumerate(row) if token in ends), None)
    said = row if end is None else row[: end + 1]
    if not said:
        return Answer("", 0.0, True)
    text = tokenizer.decode(said if end is None else said[:-1], skip_special_tokens=True)
    return Answer(text, round(record.confidence(prompt, said), 6), end is not None)
