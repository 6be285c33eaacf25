"""Decoding against a plain loop without a cache, beams, sampling, the repetition guard, and int8."""

from typing import Any

import pytest
import torch
from clipgpt_models import KINDS, model
from torch import Tensor
from vdesc_clipgpt.decoding import Decoding, decode
from vdesc_clipgpt.int8 import quantize
from vdesc_clipgpt.model import ClipGPTModel

GREEDY = Decoding(beams=1, no_repeat=0, max_tokens=10)


def prefixes(made: ClipGPTModel, n: int = 6, seed: int = 1) -> Tensor:
    torch.manual_seed(seed)
    with torch.inference_mode():
        features = made.encode(torch.randn(max(n, 4) * made.pictures, 3, 32, 32))
        prefix = made.map(features.unflatten(0, (max(n, 4), -1)).flatten(1, 2))
        return (prefix + 5 * (prefix - prefix.mean(0)))[:n]  # further apart, so that captions differ


def log_probability(made: ClipGPTModel, prefix: Tensor, tokens: Tensor) -> Tensor:
    """The log-probabilities of `tokens` (..., length) after one prefix, by a single pass of the whole."""
    rows = tokens.view(-1, tokens.shape[-1])
    whole = torch.cat([prefix.expand(len(rows), -1, -1), made.decoder.transformer.wte(rows)], dim=1)
    logits = made.decoder(inputs_embeds=whole, use_cache=False).logits[:, len(prefix) - 1 : -1]
    return logits.log_softmax(-1).gather(2, rows[..., None]).view_as(tokens)


def until_end(made: ClipGPTModel, tokens: Tensor, longest: int) -> Tensor:
    """The tokens with their first EOS, where one came before the limit."""
    end = made.decoder.config.eos_token_id
    return tokens[: min(int((tokens != end).sum()) + 1, longest)]


def plain_greedy(made: ClipGPTModel, prefix: Tensor, longest: int) -> list[int]:
    said: list[int] = []
    while len(said) < longest and made.decoder.config.eos_token_id not in said:
        words = made.decoder.transformer.wte(torch.tensor(said, dtype=torch.long))
        logits = made.decoder(inputs_embeds=torch.cat([prefix, words])[None], use_cache=False).logits
        said.append(int(logits[0, -1].argmax()))
    return said


def ending(made: ClipGPTModel, n: int) -> ClipGPTModel:
    """The model with that token for its EOS which ends the captions of `n` images at the most different lengths."""
    rows = decode(made, prefixes(made, n), GREEDY)[0][:, 0].tolist()
    tokens = sorted({token for row in rows for token in row})
    made.decoder.config.eos_token_id = max(
        tokens, key=lambda token: len({row.index(token) if token in row else None for row in rows})
    )
    return made


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_greedy_equals_a_plain_loop_without_cache(kind: str) -> None:
    made = model(kind)
    prefix = prefixes(made)
    tokens, score = decode(made, prefix, GREEDY)
    for i in range(6):
        wanted = plain_greedy(made, prefix[i], 10)
        assert until_end(made, tokens[i, 0], 10).tolist() == wanted
        expected = log_probability(made, prefix[i], torch.tensor(wanted)).mean()
        torch.testing.assert_close(score[i, 0], expected, rtol=1e-4, atol=1e-4)
    assert len({tuple(row) for row in tokens[:, 0].tolist()}) > 2


@torch.inference_mode()
def test_captions_that_end_early_are_padded_and_scored_to_their_end() -> None:
    made = ending(model(), 8)
    prefix, end = prefixes(made, 8), made.decoder.config.eos_token_id
    tokens, score = decode(made, prefix, GREEDY)
    lengths = set()
    for i in range(8):
        wanted = plain_greedy(made, prefix[i], 10)
        lengths.add(len(wanted))
        assert tokens[i, 0, : len(wanted)].tolist() == wanted
        assert all(token == end for token in tokens[i, 0, len(wanted) :].tolist())
        expected = log_probability(made, prefix[i], torch.tensor(wanted)).mean()
        torch.testing.assert_close(score[i, 0], expected, rtol=1e-4, atol=1e-4)
    assert len(lengths) > 1


@pytest.mark.parametrize("how", [GREEDY, Decoding(beams=4, max_tokens=10), Decoding(temperature=1.0, max_tokens=10)])
def test_captions_do_not_depend_on_how_images_are_batched(how: Decoding) -> None:
    made = ending(model(), 7)
    prefix = prefixes(made, 7)
    whole, scores = decode(made, prefix, how, 2)
    for i in range(7):
        tokens, score = decode(made, prefix[i : i + 1], how, 2, [i])
        assert torch.equal(tokens[0], whole[i, :, : tokens.shape[2]])
        torch.testing.assert_close(score[0], scores[i], rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_beams_are_in_order_differ_and_carry_the_models_own_score() -> None:
    made = ending(model(), 6)
    prefix = prefixes(made)
    tokens, score = decode(made, prefix, Decoding(beams=5, no_repeat=0, max_tokens=8), 4)
    assert (score.diff(dim=1) <= 0).all()
    for i in range(len(prefix)):
        assert len({tuple(row) for row in tokens[i].tolist()}) == 4
        for j in range(4):
            expected = log_probability(made, prefix[i], until_end(made, tokens[i, j], 8)).mean()
            torch.testing.assert_close(score[i, j], expected, rtol=1e-4, atol=1e-4)


def test_wide_beams_find_the_best_of_all_short_captions() -> None:
    made = model()
    prefix, words = prefixes(made, 2), range(0, 320, 8)
    with torch.no_grad():  # forty words, so that all captions of two can be tried
        silent = torch.ones(320, dtype=torch.bool)
        silent[list(words)] = False
        made.decoder.lm_head = Masked(made.decoder.lm_head, silent)
    tokens, score = decode(made, prefix, Decoding(beams=40, no_repeat=0, max_tokens=2), 3)
    for i in range(2):
        pairs = torch.tensor([[a, b] for a in words if a != 0 for b in words])
        with torch.inference_mode():
            scores = log_probability(made, prefix[i], pairs).mean(1)
            alone = log_probability(made, prefix[i], torch.tensor([0]))  # the end at once
        best = torch.cat([scores, alone]).topk(3)
        torch.testing.assert_close(score[i], best.values, rtol=1e-4, atol=1e-4)
        assert tokens[i, 0].tolist() == pairs[best.indices[0]].tolist()


class Masked(torch.nn.Module):
    def __init__(self, head: torch.nn.Module, silent: Tensor):
        super().__init__()
        self.head, self.silent = head, silent

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x).masked_fill(self.silent, -1e9)


def test_beams_score_no_worse_than_greedy() -> None:
    made = model()
    prefix = prefixes(made, 12)
    greedy = decode(made, prefix, GREEDY)[1][:, 0]
    beams = decode(made, prefix, Decoding(beams=8, no_repeat=0, max_tokens=10))[1][:, 0]
    assert (beams >= greedy - 1e-5).all() and (beams > greedy + 1e-3).any()


def said(made: ClipGPTModel, prefix: Tensor, n: int = 1, **how: Any) -> list[Any]:
    return decode(made, prefix, Decoding(beams=1, no_repeat=0, max_tokens=10, **how), n)[0].tolist()


def test_sampling_follows_seed_temperature_and_top_p() -> None:
    made = model()
    prefix = prefixes(made)
    greedy = said(made, prefix)
    assert said(made, prefix, temperature=1.0, seed=3) == said(made, prefix, temperature=1.0, seed=3)
    assert said(made, prefix, temperature=1.0, seed=3) != said(made, prefix, temperature=1.0, seed=4)
    assert said(made, prefix, temperature=1.0) != said(made, prefix, temperature=3.0) != greedy
    assert said(made, prefix, temperature=1e-4) == greedy
    assert said(made, prefix, temperature=2.0, top_p=1e-6) == greedy
    assert said(made, prefix, temperature=2.0, top_p=0.5) != said(made, prefix, temperature=2.0)


@torch.inference_mode()
def test_samples_have_the_models_distribution() -> None:
    made = model()
    prefix = prefixes(made, 1)
    logits = made.decoder(inputs_embeds=prefix).logits[0, -1]
    drawn = decode(made, prefix, Decoding(temperature=2.0, max_tokens=1, top_p=0.8), 4000)[0][0, :, 0]
    shares = (logits / 2).softmax(-1)
    ranked, order = shares.sort(descending=True)
    inside = order[: int((ranked.cumsum(0) < 0.8).sum()) + 1]
    kept = torch.zeros_like(shares).scatter(0, inside, shares[inside])
    counted = torch.bincount(drawn, minlength=320) / 4000
    assert counted[kept == 0].sum() == 0
    assert (counted - kept / kept.sum()).abs().max() < 0.03


def test_samples_come_best_first() -> None:
    made = model()
    score = decode(made, prefixes(made), Decoding(temperature=2.0, max_tokens=6), 5)[1]
    assert (score.diff(dim=1) <= 0).all() and (score[:, 0] > score[:, -1]).any()


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("run", [1, 2, 3])
def test_the_guard_lets_no_run_of_tokens_come_twice(beams: int, run: int) -> None:
    made = model(seed=2)
    with torch.no_grad():
        made.decoder.transformer.wpe.weight.zero_()
        for block in made.decoder.transformer.h:
            block.attn.c_proj.weight.zero_()  # it hears only the last word: soon it goes in circles
    free, guarded = (
        decode(made, prefixes(made), Decoding(beams=beams, no_repeat=guard, max_tokens=20))[0] for guard in (0, run)
    )

    def twice(ids: list[int]) -> bool:
        runs = [tuple(ids[i : i + run]) for i in range(len(ids) - run + 1)]
        return len(set(runs)) < len(runs)

    assert any(twice(until_end(made, row, 20).tolist()) for row in free[:, 0])
    assert not any(twice(until_end(made, row, 20).tolist()) for row in guarded[:, 0])


def test_the_repetition_penalty_makes_captions_repeat_less() -> None:
    made = model(seed=2)
    with torch.no_grad():
        made.decoder.transformer.wpe.weight.zero_()

    def different(penalty: float) -> int:
        rows = said(made, prefixes(made), repetition_penalty=penalty)
        return sum(len(set(row[0])) for row in rows)

    assert different(3.0) > different(1.0)


def test_a_caption_ends_where_the_decoders_positions_end() -> None:
    made = model(
        decoder=dict(n_embd=32, n_layer=1, n_head=2, n_positions=9, vocab_size=320, bos_token_id=0, eos_token_id=0)
    )
    assert decode(made, prefixes(made), Decoding(max_tokens=40))[0].shape[2] <= 5


@pytest.mark.filterwarnings("error")
def test_int8_says_mostly_the_same() -> None:
    made = model()
    prefix = prefixes(made, 32)
    tokens, score = decode(made, prefix, GREEDY)
    quantize(made.decoder)
    assert not any(isinstance(module, torch.nn.Linear) for module in made.decoder.modules())
    coarse, other = decode(made, prefix, GREEDY)
    assert (coarse[:, 0, 0] == tokens[:, 0, 0]).float().mean() >= 0.9
    same = (coarse == tokens).all(2)
    assert same.float().mean() > 0.2  # a step that differs changes all that follows, and random logits are close
    torch.testing.assert_close(other[same], score[same], rtol=0.1, atol=0.05)
    assert not torch.equal(other, score)


def test_an_int8_encoder_sees_the_same() -> None:
    made = model()
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        exact = made.encode(images)
        quantize(made.encoder)
        coarse = made.encode(images)
    assert torch.cosine_similarity(exact, coarse, dim=-1).min() > 0.999
    assert not torch.equal(exact, coarse)
