"""Decoding: prefix vectors in, n token sequences with their log-probability out; whole batches at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from .steps import Steps

if TYPE_CHECKING:
    from .model import ClipGPTModel


@dataclass(frozen=True, slots=True)
class Decoding:
    """How words are chosen.

    Args:
        beams: beam width; 1 is greedy. At least n, where n candidates are asked for.
        temperature: 0 searches; above 0 samples from softmax(logits / temperature) instead.
        top_p: nucleus (Holtzman et al. 2019): sampling keeps the smallest set of tokens whose probability reaches this.
        repetition_penalty: above 1 makes tokens already said less likely (CTRL, Keskar et al. 2019).
        no_repeat: no run of this many tokens is said twice (0: no guard).
        max_tokens: the longest caption, its end token included.
        seed: sampling gives the same captions for the same seed.
    """

    beams: int = 3
    temperature: float = 0.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat: int = 3
    max_tokens: int = 40
    seed: int = 0


@torch.inference_mode()
def decode(
    model: ClipGPTModel, prefix: Tensor, how: Decoding, n: int = 1, numbers: Sequence[int] | None = None
) -> tuple[Tensor, Tensor]:
    """Token ids (images, n, length), padded with the end, and their mean log-probability (images, n), best first.

    The end is EOS, or what the model's config calls `stop`. The log-probability is the model's own, at temperature 1,
    before the repetition guard; the mean counts the end.

    Args:
        prefix: (images, prefix, hidden), from `ClipGPTModel.map`.
        numbers: the number of each image, by default 0, 1, ...; with the seed it decides what is drawn, so that sampled
            captions do not depend on how images were batched.
    """
    decoder, doubled, end = model.decoder, model.config.positions == "doubled", _end(model)
    length = min(how.max_tokens, decoder.config.n_positions - prefix.shape[1])
    prefix = prefix.to(decoder.transformer.wte.weight.dtype)
    if how.temperature == 0 and max(how.beams, n) > 1:
        beams = max(how.beams, n)
        search = _averaged if model.config.search == "averaged" else _search
        tokens, score = search(Steps(decoder, prefix, beams, length, doubled), how, beams, length, end)
    else:
        draws = None
        if how.temperature > 0:
            draws = _draws(how.seed, numbers or range(len(prefix)), n, length).to(prefix.device)
        tokens, score = _follow(Steps(decoder, prefix, n, length, doubled), how, n, length, end, draws)
    score, order = score.sort(descending=True, stable=True)
    tokens = tokens.gather(1, order[..., None].expand_as(tokens))[:, :n]
    longest = int(tokens.ne(end).sum(-1).max()) + 1
    return tokens[..., :longest], score[:, :n]


def read(model: ClipGPTModel, tokenizer: Any, tokens: Tensor) -> list[str]:
    """The words of each row of tokens (rows, length) that `decode` gave."""
    end, last = _end(model), -1 if model.config.drop_last else None
    rows = [row[: row.index(end) + 1] if end in row else row for row in tokens.tolist()]
    return tokenizer.batch_decode([row[:last] for row in rows], skip_special_tokens=True)


def _end(model: ClipGPTModel) -> int:
    return cast(int, model.decoder.config.eos_token_id) if model.config.stop is None else model.config.stop


def _draws(seed: int, numbers: Sequence[int], n: int, length: int) -> Tensor:
    """Uniform numbers (images * n, length), each image's from a generator of its own."""
    generators = [torch.Generator().manual_seed(seed * 1_000_003 + number) for number in numbers]
    return torch.cat([torch.rand(n, length, generator=generator) for generator in generators])


def _follow(steps: Steps, how: Decoding, n: int, length: int, end: int, draws: Tensor | None) -> tuple[Tensor, Tensor]:
    """One hypothesis a row, each token the likeliest or drawn: tokens (images, n, length) and mean scores."""
    logits = steps.logits.repeat_interleave(n, dim=0)
    tokens = torch.full((len(logits), length), end, device=logits.device)
    score, live = logits.new_zeros(len(logits)), torch.arange(len(logits), device=logits.device)
    going = torch.ones_like(live, dtype=torch.bool)
    for t in range(length):
        likely = _guard(logits, tokens[live, :t], how)
        token = likely.argmax(-1) if draws is None else _sample(likely, how, draws[live, t])
        token = token.where(going, end)
        score[live] += likely.gather(1, token[:, None])[:, 0].where(going, 0)
        tokens[live, t] = token
        going = token != end
        if t + 1 == length or not going.any():
            break
        if 2 * going.sum() <= len(live):  # most are done: the rest goes faster alone
            steps.keep(going.nonzero()[:, 0])
            live, token, going = live[going], token[going], going[going]
        logits = steps.step(token)
    said = (tokens != end).sum(-1).add(1).clamp(max=length)
    return tokens.unflatten(0, (-1, n)), (score / said).unflatten(0, (-1, n))


class _Beams:
    """Hypotheses of a batch of images: those that still grow, and the best that have ended.

    Attributes:
        said, score: what grows, (images left, beams, length) tokens and (images left, beams) sums of log-probability.
        done, best: what has ended, for all images, by mean log-probability.
        live, going: the numbers of the images left, and whether each is still searched. It is not where the worst
            of its ended hypotheses beats the best that grows.
    """

    def __init__(self, images: int, beams: int, length: int, end: int, device: torch.device):
        self.beams, self.length, self.end = beams, length, end
        self.said = torch.full((images, beams, length), end, device=device)
        self.score = torch.full((images, beams), -torch.inf, device=device)
        self.score[:, 0] = 0  # all beams begin alike, so one of them speaks
        self.done, self.best = self.said.clone(), torch.full_like(self.score, -torch.inf)
        self.live = torch.arange(images, device=device)
        self.going = torch.ones_like(self.live, dtype=torch.bool)

    def grow(self, value: Tensor, token: Tensor, t: int) -> Tensor:
        """Says token t; gives the row that each row goes on from. The choices are (images left * beams, choices)."""
        rank = torch.arange(2 * self.beams, device=value.device)
        value = (value.unflatten(0, (-1, self.beams)) + self.score[..., None]).flatten(1)
        parent = torch.arange(self.beams, device=value.device).repeat_interleave(token.shape[1])
        value, choice = value.topk(len(rank))
        token, parent = token.reshape(len(self.live), -1).gather(1, choice), parent[choice]
        paths = _pick(self.said, parent)
        paths[:, :, t] = token
        ends = (token == self.end) | (t + 1 == self.length)
        self._end(paths, (value / (t + 1)).where(ends & (rank < self.beams) & self.going[:, None], -torch.inf))
        on = (ends * len(rank) + rank).argsort(1)[:, : self.beams]  # the likeliest that do not end
        self.score, self.said = value.gather(1, on), _pick(paths, on)
        self.going = self.going & (self.best[self.live, -1] < self.score[:, 0] / (t + 1))
        return (
            torch.arange(len(self.live), device=value.device)[:, None] * self.beams + parent.gather(1, on)
        ).flatten()

    def _end(self, paths: Tensor, means: Tensor) -> None:
        self.best[self.live], pick = torch.cat([self.best[self.live], means], 1).topk(self.beams)
        self.done[self.live] = _pick(torch.cat([self.done[self.live], paths], 1), pick)

    def narrow(self) -> Tensor:
        """Forgets the images that are no longer searched; gives the rows that stay."""
        rows = torch.arange(self.score.numel(), device=self.live.device).view_as(self.score)[self.going]
        self.live, self.said, self.score = self.live[self.going], self.said[self.going], self.score[self.going]
        self.going = self.going[self.going]
        return rows.flatten()


def _search(steps: Steps, how: Decoding, beams: int, length: int, end: int) -> tuple[Tensor, Tensor]:
    """Beam search by mean log-probability: ended hypotheses (images, beams, length) and their scores."""
    state = _Beams(len(steps.logits), beams, length, end, steps.logits.device)
    logits = steps.logits.repeat_interleave(beams, dim=0)
    for t in range(length):
        likely = _guard(logits, state.said.flatten(0, 1)[:, :t], how)
        rows = state.grow(*likely.topk(min(2 * beams, likely.shape[1])), t)
        if t + 1 == length or not state.going.any():
            break
        steps.follow(rows)
        if 2 * state.going.sum() <= len(state.going):
            steps.keep(state.narrow())
        logits = steps.step(state.said[:, :, t].flatten())
    return state.done, state.best


def _averaged(steps: Steps, how: Decoding, beams: int, length: int, end: int) -> tuple[Tensor, Tensor]:
    """ClipCap's beam search: what has ended keeps its place among the beams; all are ranked by mean log-probability."""
    logits = steps.logits
    said = torch.full((len(logits), beams, length), end, device=logits.device)
    score, said[:, :, 0] = _guard(logits, said[:, 0, :0], how).topk(beams)
    count, first = torch.ones_like(score), torch.arange(len(logits), device=logits.device)[:, None] * beams
    for t in range(1, length):
        ended = (said[:, :, :t] == end).any(-1)
        if ended.all():
            break
        likely = _guard(steps.step(said[:, :, t - 1].flatten()), said.flatten(0, 1)[:, :t], how)
        likely = likely.unflatten(0, (-1, beams)).masked_fill(ended[..., None], -torch.inf)
        likely[..., end] = likely[..., end].where(~ended, 0)  # the one thing that follows an end, at no cost
        count = count + ~ended
        means, choice = ((score[..., None] + likely) / count[..., None]).flatten(1).topk(beams)
        parent, token = choice // logits.shape[1], choice % logits.shape[1]
        said, count = _pick(said, parent), count.gather(1, parent)
        said[:, :, t], score = token, means * count
        steps.follow((first + parent).flatten())
    return said, score / count


def _pick(paths: Tensor, index: Tensor) -> Tensor:
    """The paths (images, some, length) at `index` (images, others)."""
    return paths.gather(1, index[..., None].expand(-1, -1, paths.shape[-1]))


def _guard(logits: Tensor, said: Tensor, how: Decoding) -> Tensor:
    """Log-probabilities (rows, vocabulary) under the repetition rules, given what was said (rows, tokens).

    They are normalised before tokens are forbidden, so that a forced choice still scores low.
    """
    if how.repetition_penalty != 1 and said.shape[1]:
        old = logits.gather(1, said)
        new = torch.where(old > 0, old / how.repetition_penalty, old * how.repetition_penalty)
        logits = logits.scatter(1, said, new)
    likely, run = logits.log_softmax(-1), how.no_repeat
    if run and said.shape[1] >= run:
        runs = said.unfold(1, run, 1)
        again = (runs[..., :-1] == said[:, None, said.shape[1] - run + 1 :]).all(-1)
        likely.scatter_add_(1, runs[..., -1], likely.new_zeros(again.shape).masked_fill(again, -torch.inf))
    return likely


def _sample(likely: Tensor, how: Decoding, draw: Tensor) -> Tensor:
    """A token for each row: where `draw` (rows, 0..1) falls in the cumulated probabilities."""
    shares, tokens = (likely / how.temperature).softmax(-1), None
    if how.top_p < 1:
        shares, tokens = shares.sort(descending=True, stable=True)
        shares = shares.masked_fill(shares.cumsum(-1) - shares >= how.top_p, 0)
    sums = shares.cumsum(-1)
    place = torch.searchsorted(sums, draw[:, None] * sums[:, -1:], right=True).clamp(max=shares.shape[1] - 1)
    return (place if tokens is None else tokens.gather(1, place))[:, 0]
