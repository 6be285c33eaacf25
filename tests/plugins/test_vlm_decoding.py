"""How answers of a vision-language model are chosen, and how likely each is."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import vlm_samples as samples
from hypothesis import given
from hypothesis import strategies as st
from vdesc_vlm.decoding import Decoding, Draw, Penalty, Record, answers, stops


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return samples.captioner(samples.folder(tmp_path_factory.mktemp("model"), "internvl"))


def batch(captioner: Any) -> tuple[Any, list[int]]:
    slots = [samples.slot(0, 3), samples.slot(1, 1)]
    return captioner.inputs(captioner.see(slots), ["What?", "What does this show?"]), [0, 1]


def likelihood(captioner: Any, inputs: Any, row: int, text: list[int]) -> float:
    """exp(mean log-probability) of an answer's tokens, in one pass over the whole of it."""
    ids = torch.cat([inputs["input_ids"][row], torch.tensor(text)])[None]
    pixels = inputs["pixel_values"][:-1] if row == 0 else inputs["pixel_values"][-1:]
    mask = torch.cat([inputs["attention_mask"][row], torch.ones(len(text), dtype=torch.long)])[None]
    places = (mask.cumsum(-1) - 1).clamp(min=0)
    with torch.inference_mode():
        made = captioner.model(input_ids=ids, attention_mask=mask, pixel_values=pixels, position_ids=places)
    logs = made.logits[0, -len(text) - 1 : -1].log_softmax(-1)
    return math.exp(logs.gather(1, torch.tensor(text)[:, None]).mean().item())


@pytest.mark.parametrize(
    "how",
    [
        Decoding(max_tokens=9),
        Decoding(beams=3, max_tokens=9),
        Decoding(temperature=1.3, top_p=0.9, max_tokens=9, seed=4),
        Decoding(repetition_penalty=3.0, max_tokens=9),
        Decoding(beams=2, repetition_penalty=3.0, max_tokens=3),
    ],
)
def test_confidence_is_what_the_model_itself_gives_the_answer(captioner: Any, how: Decoding) -> None:
    inputs, numbers = batch(captioner)
    n = 1 if how.beams == 1 and not how.temperature else 2
    tokenizer = captioner.inputs.tokenizer
    found = answers(captioner.model, tokenizer, inputs, how, n, numbers)
    assert [len(some) for some in found] == [n, n]
    for row, some in enumerate(found):
        for answer in some:
            ids = tokenizer(answer.text, add_special_tokens=False)["input_ids"] + [2] * answer.finished
            assert answer.confidence == pytest.approx(likelihood(captioner, inputs, row, ids), rel=1e-3)


def test_an_answer_that_ends_is_finished_and_one_that_is_cut_is_not(captioner: Any) -> None:
    inputs, numbers = batch(captioner)
    long = answers(captioner.model, captioner.inputs.tokenizer, inputs, Decoding(max_tokens=60), 1, numbers)
    short = answers(captioner.model, captioner.inputs.tokenizer, inputs, Decoding(max_tokens=2), 1, numbers)
    assert any(some[0].finished for some in long) and not any(some[0].finished for some in short)
    assert all(cut[0].text in whole[0].text for cut, whole in zip(short, long, strict=True))


def test_the_model_says_what_ends_its_answers_else_its_tokenizer(captioner: Any) -> None:
    class Mute:
        generation_config = None

    tokenizer = samples.tokenizer()
    assert stops(captioner.model, tokenizer) == [2] == stops(Mute(), tokenizer)
    many = type("Many", (), {"generation_config": type("Config", (), {"eos_token_id": [2, 5]})})
    assert stops(many, tokenizer) == [2, 5]


def test_a_model_that_gives_back_new_tokens_alone_is_understood(captioner: Any) -> None:
    inputs, numbers = batch(captioner)
    real, length = captioner.model.generate, inputs["input_ids"].shape[1]

    class Bare:
        generation_config = captioner.model.generation_config

        @staticmethod
        def generate(**given: Any) -> torch.Tensor:
            return real(**given)[:, length:]

    how, tokenizer = Decoding(max_tokens=5), captioner.inputs.tokenizer
    assert answers(Bare(), tokenizer, inputs, how, 1, numbers) == answers(
        captioner.model, tokenizer, inputs, how, 1, numbers
    )


def test_what_is_drawn_follows_the_probabilities() -> None:
    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    drawn = Draw(Decoding(temperature=1.0, top_p=0.9), range(4000), 1)(
        torch.zeros(4000, 0), shares.log().expand(4000, 4)
    )
    counts = drawn.argmax(-1).bincount(minlength=4) / 4000
    torch.testing.assert_close(counts, torch.tensor([0.5, 0.3, 0.15, 0.0]) / 0.95, atol=0.03, rtol=0)
    assert (drawn > -math.inf).sum(-1).eq(1).all()


@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=20), st.floats(0.01, 10), st.floats(0.01, 1), st.integers(0, 999)
)
def test_what_is_drawn_is_among_the_likeliest(logits: list[float], temperature: float, top_p: float, seed: int) -> None:
    scores = torch.tensor([logits])
    how = Decoding(temperature=temperature, top_p=top_p, seed=seed, max_tokens=3)
    chosen = int(Draw(how, [seed], 1)(torch.zeros(1, 0), scores).argmax())
    shares = (scores[0] / temperature).softmax(-1)
    assert float(shares[shares > shares[chosen]].sum()) < top_p + 1e-5


def test_draws_of_another_prompt_seed_or_candidate_are_other_ones() -> None:
    flat = torch.zeros(6, 1000)
    one = Draw(Decoding(temperature=1.0), [1, 2, 3], 2)(flat[:, :0], flat).argmax(-1)
    other = Draw(Decoding(temperature=1.0, seed=1), [1, 2, 3], 2)(flat[:, :0], flat).argmax(-1)
    alone = Draw(Decoding(temperature=1.0), [2], 2)(flat[:2, :0], flat[:2]).argmax(-1)
    assert len(set(one.tolist())) == 6 and not torch.equal(one, other) and torch.equal(alone, one[2:4])


def test_a_record_follows_beams_that_change_rows() -> None:
    record, steps = Record(2, [0]), [torch.randn(2, 5) for _ in range(3)]
    steps[0] = steps[0][:1].expand(2, 5)  # at first all beams stand at the end of the same prompt
    logs = [step.log_softmax(-1) for step in steps]
    record(torch.zeros(2, 1, dtype=torch.long), steps[0])
    record(torch.tensor([[0, 3], [0, 1]]), steps[1])
    record(torch.tensor([[0, 1, 4], [0, 1, 2]]), steps[2])  # both from the second row
    total = logs[0][0, 1] + logs[1][1, 4] + logs[2][0, 3]
    assert record.confidence(0, [1, 4, 3]) == pytest.approx(math.exp(total / 3), rel=1e-5)
    ended = logs[0][0, 3] + logs[1][0, 0]  # a beam that ended earlier
    assert record.confidence(0, [3, 0]) == pytest.approx(math.exp(ended / 2), rel=1e-5)


def test_a_penalty_is_for_words_of_the_answer_and_not_for_those_of_the_prompt() -> None:
    penalty, scores = Penalty(2.0), torch.tensor([[4.0, -4.0, 4.0, 4.0]])
    assert torch.equal(penalty(torch.tensor([[2, 3]]), scores.clone()), scores)
    after = penalty(torch.tensor([[2, 3, 0, 1]]), scores.clone())
    assert after.tolist() == [[2.0, -8.0, 4.0, 4.0]]
