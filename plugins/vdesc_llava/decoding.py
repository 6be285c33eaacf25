"""Decoding: a prompt of embeddings in, n token sequences with their log-probability out; whole batches at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .steps import Steps


@dataclass(frozen=True, slots=True)
class Said:
    """One answer.

    Args:
        text: its words, without special tokens.
        ids: its tokens, without the end.
        logprob: the mean log-probability of its tokens, the end included: the model's own, whatever the temperature;
            a repetition penalty counts.
        finished: whether it came to its end, rather than to the greatest length.
    """

    text: str
    ids: tuple[int, ...]
    logprob: float
    finished: bool


@dataclass(frozen=True, slots=True)
class Decoding:
    """How words are chosen.

    Args:
        ends: the tokens that end an answer.
        max_tokens: the longest answer, its end included.
        beams: beam width; 1 is greedy.
        sample: draw tokens instead of searching.
        temperature: what logits are divided by before a token is drawn.
        top_p: sampling keeps the smallest set of tokens whose probability reaches this (Holtzman et al. 2019).
        repetition_penalty: above 1 makes tokens of the answer less likely from then on (Keskar et al. 2019).
        seed: sampling gives the same answers for the same seed.
    """

    ends: tuple[int, ...]
    max_tokens: int
    beams: int = 1
    sample: bool = False
    temperature: float = 1.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in tokens: without its end; `logprob` and `finished` as `Said` has them."""

    ids: tuple[int, ...]
    logprob: float
    finished: bool


def answers(steps: Steps, how: Decoding, n: int, numbers: Sequence[int]) -> list[list[Answer]]:
    """Up to `n` different answers to each prompt, best first.

    Args:
        steps: after the prompts.
        numbers: the number of each prompt; with the seed it decides what is drawn, so that it does not depend on how
            prompts were batched.
    """
    if not how.sample and max(how.beams, n) > 1:
        return [found[:n] for found in _search(steps, how, max(how.beams, n))]
    draws = _draws(how, numbers, n).to(steps.logits.device) if how.sample else None
    found = _follow(steps, how, n, draws)
    return [_ranked(found[i : i + n]) for i in range(0, len(found), n)]


def _ranked(found: list[Answer]) -> list[Answer]:
    """The answers that differ, best first: a sentence that was cut off comes after those that ended."""
    different = {(answer.ids, answer.finished): answer for answer in found}
    return sorted(different.values(), key=lambda answer: (-answer.finished, -answer.logprob))


def _draws(how: Decoding, numbers: Sequence[int], n: int) -> Tensor:
    """Uniform numbers (prompts * n, length), each prompt's from a generator of its own."""
    generators = [torch.Generator().manual_seed(how.seed * 1_000_003 + number) for number in numbers]
    return torch.cat([torch.rand(n, how.max_tokens, generator=generator) for generator in generators])


def _follow(steps: Steps, how: Decoding, n: int, draws: Tensor | None) -> list[Answer]:
    """One answer a row, each token the likeliest or drawn; rows that have ended leave when half have."""
    steps.repeat(n)
    ends = torch.tensor(how.ends, device=steps.logits.device)
    rows = len(steps.logits)
    tokens = torch.full((rows, how.max_tokens), how.ends[0], device=ends.device)
    score, length = torch.zeros(rows, device=ends.device), torch.zeros_like(tokens[:, 0])
    finished = torch.zeros(rows, dtype=torch.bool, device=ends.device)
    live = torch.arange(rows, device=ends.device)
    for t in range(how.max_tokens):
        likely = guarded(steps.logits, tokens[live, :t], how)
        token = likely.argmax(-1) if draws is None else _sample(likely, how, draws[live, t])
        going = ~finished[live]
        tokens[live, t] = token.where(going, tokens[live, t])
        score[live] += likely.gather(1, token[:, None])[:, 0].where(going, 0)
        length[live] += going
        finished[live] |= torch.isin(token, ends) & going
        going = ~finished[live]
        if t + 1 == how.max_tokens or not going.any():
            break
        if steps.shrinks and 2 * going.sum() <= len(live):
            steps.keep(going.nonzero()[:, 0])
            live, token = live[going], token[going]
        steps.step(token)
    return _read(tokens, score / length, length, finished)


def _read(tokens: Tensor, score: Tensor, length: Tensor, finished: Tensor) -> list[Answer]:
    rows = zip(tokens.tolist(), score.tolist(), length.tolist(), finished.tolist(), strict=True)
    return [Answer(tuple(ids[: count - done]), value, done) for ids, value, count, done in rows]


def _search(steps: Steps, how: Decoding, beams: int) -> list[list[Answer]]:
    """Beam search by mean log-probability: `beams` different answers to each prompt, best first."""
    prompts, device = len(steps.logits), steps.logits.device
    steps.repeat(beams)
    ends = set(how.ends)
    score = torch.full((prompts, beams), -torch.inf, device=device)
    score[:, 0] = 0  # all beams begin alike, so one of them speaks
    said = torch.zeros(prompts, beams, 0, dtype=torch.long, device=device)
    done: list[list[Answer]] = [[] for _ in range(prompts)]
    first = torch.arange(prompts, device=device)[:, None] * beams
    for t in range(how.max_tokens):
        likely = guarded(steps.logits, said.flatten(0, 1), how).unflatten(0, (prompts, beams))
        values, choice = (score[..., None] + likely).flatten(1).topk((len(ends) + 1) * beams)
        parent, token = choice // likely.shape[-1], choice % likely.shape[-1]
        picked = _chosen(values, parent, token, said, done, ends, beams)
        score, parent, token = values.gather(1, picked), parent.gather(1, picked), token.gather(1, picked)
        said = torch.cat([said.gather(1, parent[..., None].expand(-1, -1, t)), token[..., None]], dim=-1)
        if t + 1 == how.max_tokens or all(_settled(*pair, t + 1, beams) for pair in zip(done, score, strict=True)):
            break
        steps.keep((first + parent).flatten())
        steps.step(token.flatten())
    for found, ids, values in zip(done, said.tolist(), (score / said.shape[-1]).tolist(), strict=True):
        found += [Answer(tuple(one), value, False) for one, value in zip(ids, values, strict=True) if value > -1e30]
    return [_ranked(found)[:beams] for found in done]


def _chosen(
    values: Tensor, parent: Tensor, token: Tensor, said: Tensor, done: list[list[Answer]], ends: set[int], beams: int
) -> Tensor:
    """Which of the choices go on, (prompts, beams); those among the best that end are set aside in `done`."""
    on = []
    for prompt, row in enumerate(zip(values.tolist(), parent.tolist(), token.tolist(), strict=True)):
        going = []
        for rank, (value, beam, number) in enumerate(zip(*row, strict=True)):
            if number not in ends:
                going.append(rank)
            elif rank < beams and value > -torch.inf:
                ids = tuple(said[prompt, beam].tolist())
                done[prompt].append(Answer(ids, value / (len(ids) + 1), True))
        on.append(going[:beams])
    return torch.tensor(on, device=values.device)


def _settled(done: list[Answer], score: Tensor, length: int, beams: int) -> bool:
    """Whether enough has ended, and better than what still grows."""
    best = sorted((answer.logprob for answer in done), reverse=True)
    return len(best) >= beams and best[beams - 1] >= float(score[0]) / length


def guarded(logits: Tensor, said: Tensor, how: Decoding) -> Tensor:
    """Log-probabilities (rows, vocabulary) under the repetition penalty, given what was said (rows, tokens)."""
    if how.repetition_penalty != 1 and said.shape[1]:
        old = logits.gather(1, said)
        new = torch.where(old > 0, old / how.repetition_penalty, old * how.repetition_penalty)
        logits = logits.scatter(1, said, new)
    return logits.log_softmax(-1)


def _sample(likely: Tensor, how: Decoding, draw: Tensor) -> Tensor:
    """A token for each row: where `draw` (rows, 0..1) falls in the cumulated probabilities."""
    shares, tokens = (likely / how.temperature).softmax(-1), None
    if how.top_p < 1:
        shares, tokens = shares.sort(descending=True, stable=True)
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= how.top_p, 0)
    sums = shares.cumsum(-1)
    place = torch.searchsorted(sums, draw[:, None] * sums[:, -1:], right=True).clamp(max=shares.shape[1] - 1)
    return (place if tokens is None else tokens.gather(1, place))[:, 0]
