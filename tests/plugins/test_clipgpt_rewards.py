"""Self-critical training: what scores above its photo's other draws becomes likelier."""

import numpy as np
import pytest
import torch
from clipgpt_models import SAID, model, tokenizer
from vdesc_clipgpt.training.rewards import SelfCritical


def test_a_caption_that_breaks_off_earns_less():
    references = {"0": ["a man sits on the grass"], "1": ["a red car in the street"], "2": ["the dog runs"]}
    reward = SelfCritical(tokenizer(), references).reward
    assert reward("0", "a man sits on the grass") > reward("0", "a man sits on the") > reward("0", "a red car")
    assert reward("0", "") == 0


def test_what_scores_above_its_photos_other_draws_becomes_likelier():
    """One photo, four sentences that a tiny model draws; only one of the sentences is rewarded."""
    captioner, words = model(), tokenizer()
    references = {str(i): [text] for i, text in enumerate(SAID)}
    critical = SelfCritical(words, references, samples=4, temperature=1.0)
    wanted = [[*words.encode(SAID[1]), words.eos_token_id]]
    labels = torch.tensor(wanted)[:, None]
    with torch.no_grad():
        features = captioner.encode(torch.zeros(1, 3, 32, 32))

    def loss_of_wanted() -> float:
        with torch.no_grad():
            return float(captioner(features=features, labels=labels).loss)

    # the four sentences stand for draws: what a draw is worth, not luck, is looked at
    ids = [[*words.encode(text), words.eos_token_id] for text in SAID]
    drawn = torch.full((1, 4, max(map(len, ids))), -100)
    for i, row in enumerate(ids):
        drawn[0, i, : len(row)] = torch.tensor(row)
    before = loss_of_wanted()
    optimizer = torch.optim.SGD(captioner.parameters(), lr=1e-3)
    loss, reward = critical.loss(captioner(features=features, labels=drawn).logits, drawn, ["1"])
    loss.backward()
    optimizer.step()
    assert loss_of_wanted() < before
    assert reward == pytest.approx(np.mean([critical.reward("1", text) for text in SAID]))


def test_draws_end_once_and_follow_the_seed():
    captioner, words = model(), tokenizer()
    critical = SelfCritical(words, {"0": SAID}, samples=3)
    features = captioner.encode(torch.rand(2, 3, 32, 32)).detach()
    first, again, other = (critical.draw(captioner, features, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not (first.shape == other.shape and torch.equal(first, other))
    for row in first.flatten(0, 1).tolist():
        real = [token for token in row if token != -100]
        assert real and words.eos_token_id not in real[:-1]
        assert row == real + [-100] * (len(row) - len(real))


def test_equal_draws_teach_nothing():
    captioner, words = model(), tokenizer()
    critical = SelfCritical(words, {"0": SAID}, samples=2)
    same = torch.tensor([[*words.encode(SAID[0]), words.eos_token_id]] * 2)[None]
    features = captioner.encode(torch.zeros(1, 3, 32, 32)).detach()
    loss, _ = critical.loss(captioner(features=features, labels=same).logits, same, ["0"])
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
