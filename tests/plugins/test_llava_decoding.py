"""What llava says: the same in batches as alone, with a cache as without; it stops, differs, and is penalised."""

from typing import Any

import llava_samples as samples
import pytest
import torch
from vdesc import ModelError
from vdesc_llava.model import LlavaModel, Said
from vdesc_llava.static import StaticSteps

ASK = ["Describe.", "What does the video show? Say it in a few words.", "Say it."]
HOWS: dict[str, dict[str, Any]] = {
    "greedy": dict(),
    "beams": dict(beams=3, n=3),
    "sampled": dict(sample=True, n=3, temperature=0.7, top_p=0.9, seed=3),
    "penalised": dict(repetition_penalty=1.5),
}


def same(some: list[Said], others: list[Said]) -> None:
    assert [one.ids for one in some] == [one.ids for one in others]
    assert [one.logprob for one in some] == pytest.approx([one.logprob for one in others], abs=1e-4)
    assert [one.finished for one in some] == [one.finished for one in others]


def likely(model: LlavaModel, features: torch.Tensor, ask: str, ids: tuple[int, ...]) -> torch.Tensor:
    """Log-probabilities (tokens + 1, vocabulary) of what follows the prompt and each token of an answer, uncached."""
    rows = torch.tensor([model.prompt_ids(ask) + list(ids)])
    with torch.no_grad():
        return model(features=features[None], input_ids=rows).logits[0, -len(ids) - 1 :].log_softmax(-1)


def ending(model: LlavaModel, bias: float) -> LlavaModel:
    """The model, more inclined to end: its end token is likelier by `bias`."""
    head = model.llm.get_output_embeddings()
    end, forward = model.dialogue.end, head.forward

    def biased(*given: Any) -> torch.Tensor:
        logits = forward(*given)
        logits[..., end] += bias
        return logits

    head.forward = biased
    return model


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("llm", ["qwen3", "gemma3", "phi3", "exaone4"])
def test_a_batch_says_what_each_says_alone(llm: str, how: str) -> None:
    model, features = ending(samples.model("perceiver", llm=llm), 2.0), samples.features(3)
    together = model.generate(features, ASK, **HOWS[how])
    for i in range(3):
        alone = model.generate(features[i : i + 1], ASK[i : i + 1], numbers=[i], **HOWS[how])
        same(together[i], alone[0])
    backwards = model.generate(features.flip(0), ASK[::-1], numbers=[2, 1, 0], **HOWS[how])
    for some, others in zip(together, backwards[::-1], strict=True):
        same(some, others)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("llm", ["qwen3", "llama"])
def test_a_cache_of_fixed_length_changes_nothing(llm: str, how: str) -> None:
    model, features = ending(samples.model("perceiver", llm=llm), 2.0), samples.features(3)
    grown, fixed = (model.generate(features, ASK, static=static, **HOWS[how]) for static in (False, True))
    for some, others in zip(grown, fixed, strict=True):
        same(some, others)


def test_a_cache_of_fixed_length_is_for_llms_that_forget_nothing() -> None:
    assert {llm for llm in samples.LLMS if StaticSteps.fits(samples.model(llm=llm).llm)} == set(samples.LLMS) - {
        "gemma3",
        "exaone4",
    }


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_recorded_step_is_the_step() -> None:
    model, features = samples.model("perceiver").to("cuda"), samples.features(3)
    for how in HOWS.values():
        grown, fixed = (model.generate(features, ASK, static=static, **how) for static in (False, True))
        for some, others in zip(grown, fixed, strict=True):
            same(some, others)


@pytest.mark.parametrize("llm", samples.LLMS)
def test_greedy_words_are_the_likeliest_without_a_cache(llm: str) -> None:
    model, features = samples.model(llm=llm), samples.features(2)
    for clip, (said,) in zip(features, model.generate(features, ASK[:2]), strict=True):
        ask = ASK[0] if torch.equal(clip, features[0]) else ASK[1]
        values = likely(model, clip, ask, said.ids)
        best = values.argmax(-1)
        assert tuple(best[: len(said.ids)].tolist()) == said.ids
        chosen = values.gather(1, best[:, None])[:, 0][: len(said.ids) + said.finished]
        assert said.logprob == pytest.approx(float(chosen.mean()), abs=1e-4)


def test_greedy_words_are_those_of_transformers_own_generate() -> None:
    model, features = samples.model("perceiver"), samples.features(1)
    ids = torch.tensor([model.prompt_ids(ASK[0])])
    place = ids[0].tolist().index(model.config.video_id)
    words = model.llm.get_input_embeddings()(ids.clamp(min=0))
    with torch.no_grad():
        rows = torch.cat([words[:, :place], model.project(features), words[:, place + 1 :]], 1)
        theirs = model.llm.generate(inputs_embeds=rows, max_new_tokens=12, do_sample=False, eos_token_id=model.ends[0])
    said = model.generate(features, ASK[:1])[0][0]
    assert [*said.ids, *([model.ends[0]] if said.finished else [])] == theirs[0].tolist()


@pytest.mark.parametrize("how", ["beams", "sampled"])
def test_candidates_differ_and_come_best_first(how: str) -> None:
    model = ending(samples.model("mlp2x"), 2.0)
    for some in model.generate(samples.features(3), ASK, **HOWS[how] | dict(n=4, beams=4, temperature=1.5, top_p=1.0)):
        assert len({one.ids for one in some}) == len(some) == 4
        assert [one.finished for one in some] == sorted((one.finished for one in some), reverse=True)
        done = [one.logprob for one in some if one.finished]
        assert done == sorted(done, reverse=True)
        for one in some:
            assert len(one.ids) + one.finished <= 12


def test_the_log_probability_is_that_of_the_words_and_their_end() -> None:
    model, features = ending(samples.model("mlp2x"), 3.0), samples.features(2)
    found = model.generate(features, ASK[:2], n=4) + model.generate(features, ASK[:2], n=4, sample=True)
    assert any(one.finished for some in found for one in some)
    assert any(not one.finished for some in found for one in some)
    for number, some in enumerate(found):
        for one in some:
            ids = [*one.ids, *([model.dialogue.end] if one.finished else [])]
            values = likely(model, features[number % 2], ASK[number % 2], one.ids)[: len(ids)]
            mean = float(values.gather(1, torch.tensor(ids)[:, None]).mean())
            assert one.logprob == pytest.approx(mean, abs=1e-4)


def test_beams_find_at_least_what_greedy_finds() -> None:
    model, features = ending(samples.model("mlp2x"), -1000.0), samples.features(4)
    asks = ["Describe."] * 4
    greedy, beams = model.generate(features, asks), model.generate(features, asks, beams=8)
    gains = [b[0].logprob - a[0].logprob for a, b in zip(greedy, beams, strict=True)]
    assert min(gains) > -1e-5 and max(gains) > 0.01


def test_equal_draws_are_one_candidate() -> None:
    model = samples.model("mlp2x")
    cold = model.generate(samples.features(2), ASK[:2], n=5, sample=True, temperature=1e-4)
    assert [len(some) for some in cold] == [1, 1]


def test_beams_of_all_hypotheses_are_an_exhaustive_search() -> None:
    """With as many beams as there are sequences, nothing can be missed."""
    from vdesc_llava.decoding import Decoding, answers

    drawn = torch.Generator().manual_seed(0)
    table = torch.randn(4, 4, 4, generator=drawn)  # logits by the last two tokens

    class Fake:
        def __init__(self) -> None:
            self.said = torch.zeros(1, 2, dtype=torch.long)
            self.logits = table[0, 0][None]

        def repeat(self, times: int) -> None:
            self.keep(torch.zeros(times, dtype=torch.long))

        def keep(self, rows: torch.Tensor) -> None:
            self.said, self.logits = self.said[rows], self.logits[rows]

        def step(self, tokens: torch.Tensor) -> None:
            self.said = torch.stack([self.said[:, 1], tokens], 1)
            self.logits = table[self.said[:, 0], self.said[:, 1]]

    end, wanted = 3, []
    for ids in [(a, b) for a in range(4) for b in range(4)] + [(end,)]:
        if end in ids[:-1]:
            continue
        rows = [table[0, 0].log_softmax(-1)[ids[0]]]
        rows += [table[0, ids[0]].log_softmax(-1)[ids[1]]] if len(ids) > 1 else []
        wanted.append((ids[-1] == end, float(sum(rows) / len(rows)), ids[:-1] if ids[-1] == end else ids))
    wanted.sort(reverse=True)
    fake: Any = Fake()
    found = answers(fake, Decoding(ends=(end,), max_tokens=2, beams=16), 5, [0])[0]
    assert [one.ids for one in found] == [ids for _, _, ids in wanted[:5]]
    assert [one.logprob for one in found] == pytest.approx([value for _, value, _ in wanted[:5]], abs=1e-5)


def test_it_stops_at_the_end_and_does_not_say_it() -> None:
    model = ending(samples.model(), 1000.0)
    said = model.generate(samples.features(2), ASK[:2])
    assert [(one.text, one.ids, one.finished) for some in said for one in some] == [("", (), True)] * 2
    model = samples.model()
    never = ending(samples.model(), -1000.0).generate(samples.features(2), ASK[:2], max_tokens=5)
    assert all(len(one.ids) == 5 and not one.finished for some in never for one in some)
    assert all(len(one.ids) <= 12 for some in model.generate(samples.features(2), ASK[:2]) for one in some)


def test_the_llms_own_ends_end_too() -> None:
    model = samples.model()
    assert model.ends == (model.dialogue.end, model.tokenizer.eos_token_id)
    assert model.dialogue.end == model.tokenizer.convert_tokens_to_ids("<|end|>")
    end = ending(samples.model(), -1000.0)
    first = end.generate(samples.features(1), ASK[:1])[0][0].ids[2]
    end.__dict__.pop("ends")
    end.llm.generation_config.eos_token_id = [first]
    said = end.generate(samples.features(1), ASK[:1])[0][0]
    assert said.finished and first not in said.ids and len(said.ids) <= 2


def test_the_penalty_acts_on_what_was_said_and_only_there() -> None:
    model, features = ending(samples.model("linear"), -1000.0), samples.features(4)
    asks = [ASK[0]] * 4

    def repeats(**how: Any) -> int:
        ids = [some[0].ids for some in model.generate(features, asks, max_tokens=30, **how)]
        return sum(len(one) - len(set(one)) for one in ids)

    assert repeats() > 0
    assert repeats(repetition_penalty=10.0) == 0 < repeats(repetition_penalty=1.01)
    first = [some[0].ids[0] for some in model.generate(features, asks, max_tokens=1)]
    assert first == [some[0].ids[0] for some in model.generate(features, asks, max_tokens=1, repetition_penalty=10.0)]


def test_what_is_drawn_depends_on_the_seed_and_the_number() -> None:
    model, features = samples.model(), samples.features(1).expand(2, -1, -1, -1)

    def ids(seed: int, numbers: list[int]) -> list[tuple[int, ...]]:
        found = model.generate(features, [ASK[0]] * 2, sample=True, seed=seed, numbers=numbers)
        return [some[0].ids for some in found]

    assert ids(0, [0, 1]) == ids(0, [0, 1]) == ids(0, [1, 0])[::-1]
    assert ids(0, [0, 1])[0] != ids(0, [0, 1])[1]
    assert ids(1, [0, 1]) != ids(0, [0, 1])


def test_a_cold_or_narrow_draw_is_greedy() -> None:
    model, features = samples.model(), samples.features(2)
    greedy = model.generate(features, ASK[:2])
    for how in (dict(temperature=1e-4), dict(top_p=1e-6)):
        for some, others in zip(model.generate(features, ASK[:2], sample=True, **how), greedy, strict=True):
            same(some, others)


def test_times_and_absent_frames_reach_the_words() -> None:
    model, features = samples.model("perceiver"), samples.features(2)
    with torch.no_grad():
        for weight in model.positions.parameters():
            weight.normal_()
    times = torch.tensor([[0.0, 1.0, 2.0], [0.0, 3.0, 9.0]])
    present = torch.tensor([[True, True, False], [True, True, True]])
    both = model.generate(features, ASK[:2], times=times, present=present)
    same(both[0], model.generate(features[:1, :2], ASK[:1], times=times[:1, :2])[0])
    same(both[1], model.generate(features[1:], ASK[1:2], times=times[1:])[0])
    assert both[1][0].ids != model.generate(features[1:], ASK[1:2])[0][0].ids


def test_no_room_for_an_answer_is_an_error() -> None:
    model = samples.model("linear", llm_config=samples.LLMS["llama"] | dict(max_position_embeddings=90))
    with pytest.raises(ModelError, match="but the LLM reads 90"):
        model.generate(samples.features(1), ASK[:1], max_tokens=40)
