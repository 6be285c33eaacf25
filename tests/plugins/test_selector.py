"""The ranker `selector`: through the plugin's face, with whole models and adapters of the real classes."""

import json
import logging
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from selector_samples import adapter, folder, llm, rows, tokenizer
from transformers import AutoModelForCausalLM
from vdesc import Candidate, MissingExtra, ModelError, pretrained
from vdesc.registry import Registry, create
from vdesc.testing import assert_contract, candidates, slots
from vdesc_selector import checkpoint
from vdesc_selector.question import Question
from vdesc_selector.ranker import NEUTRAL, Selector
from vdesc_selector.training.lessons import question


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("models") / "phi")


@pytest.fixture(scope="module")
def foreign(base, tmp_path_factory):
    return adapter(tmp_path_factory.mktemp("models") / "adapter", base, "microsoft/phi-2")


def ranker(model, **options):
    made = create(Selector, model=str(model), **options)
    made.load("cpu")
    return made


def logits(llm):
    with torch.inference_mode():
        return llm(input_ids=torch.tensor([[7, 30, 99]])).logits


# ---- the plugin


def test_it_keeps_the_contract(base):
    assert_contract(Selector, model=str(base))


def test_it_is_found_by_its_hooks():
    import vdesc_selector

    registry = Registry()
    registry.register(vdesc_selector)
    assert registry.find("selector", ("ranker",)).plugin is Selector
    assert registry.find("selector", ("trainer",)).plugin.name == "selector"


def test_scores_are_shares_of_each_slot_in_any_order(base):
    asked, said = slots(3), [*candidates(slots(3), 4), *candidates(slots(1), 1)]
    said = [replace(candidate, source=f"says@{i}") for i, candidate in enumerate(said)]
    made = ranker(base)
    scores = made.score(asked, said)
    assert all(0 <= score <= 1 for score in scores)
    for slot in asked:
        one = {c.text: s for c, s in zip(said, scores, strict=True) if c.slot == slot.index}
        assert sum(one.values()) == pytest.approx(1)  # the candidate that is said twice counts once
    assert scores[0] == scores[-1]
    assert made.score(asked, said[::-1])[::-1] == scores
    assert made.score(asked[::-1], said) == scores


def test_the_place_that_a_captioner_gives_its_words_is_told(base, monkeypatch):
    made, seen = ranker(base), []
    judge = made.judge.judge
    monkeypatch.setattr(made.judge, "judge", lambda asked: seen.extend(asked) or judge(asked))
    said = candidates(slots(1), 3)
    first, backwards = made.score(slots(1), said), made.score(slots(1), said[::-1])
    assert first != backwards[::-1]
    more = [replace(candidate, source="other") for candidate in said[:1:-1]]
    made.score(slots(1), [*said, *more])  # the other's first is this one's third
    assert [question.places for question in seen] == [(1, 2, 3), (1, 2, 3), (1, 2, 1)]


def test_a_single_candidate_is_not_judged(base, monkeypatch):
    made = ranker(base)
    monkeypatch.setattr(made.judge.reader, "llm", None)
    said = [*candidates(slots(2), 1), Candidate(0, " Scene 0  said in way 0. ", "other")]
    assert made.score(slots(2), said) == [NEUTRAL] * 3
    assert not made.findings


def test_the_evidence_matters(base):
    made, said = ranker(base), candidates(slots(2), 3)
    with_evidence = made.score(slots(2), said)
    bare = ranker(base, evidence_tokens=0).score(slots(2), said)
    assert with_evidence != bare


@pytest.mark.parametrize("options", [{"most": 2}, {"tokens": 260}])
def test_groups_are_told(base, options):
    made = ranker(base, **options)
    said = [Candidate(0, f"{'A dog runs on the grass. ' * 5}{i}", "x") for i in range(5)]
    assert sum(made.score(slots(1), said)) == pytest.approx(1)
    assert "judged in groups and a final" in made.findings[-1].message


def test_a_model_that_answers_no_numbers_is_told(base):
    made = ranker(base)
    made.score(slots(1), candidates(slots(1), 3))
    assert "answers with a candidate's number in" in made.findings[0].message
    assert made.findings[0].level == "warning" and made.findings[0].source == "selector"


def test_numbers_that_are_none_fall_back_with_a_finding(base):
    made = ranker(base)
    with torch.no_grad():
        made.judge.reader.llm.lm_head.bias.fill_(float("nan"))
    said = candidates(slots(2), 3)
    assert made.score(slots(2), said) == [NEUTRAL] * 6
    (finding,) = made.findings
    assert "gave no numbers for 2 of 2 slots" in finding.message and finding.level == "warning"


def test_a_lack_of_memory_makes_batches_smaller(base, monkeypatch):
    made, read = ranker(base), None
    read = made.judge.reader.read

    def short(rows, columns):
        if made.judge.reader.batch > 1000:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return read(rows, columns)

    monkeypatch.setattr(made.judge.reader, "read", short)
    assert sum(made.score(slots(1), candidates(slots(1), 3))) == pytest.approx(1)
    monkeypatch.setattr(made.judge.reader, "read", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made.score(slots(1), candidates(slots(1), 3))


def test_training_and_inference_ask_the_same(base):
    """A row of rows, and the slot that it is of, give the same ids."""
    made, row = ranker(base), replace(rows(1, 0)[0], places=(1, 2, 3))
    seen = []
    made.judge.judge = lambda asked: seen.extend(asked) or [type("V", (), dict(shares=(0, 0, 0), answered=1, groups=1))]
    slot = slots(1)[0]
    object.__setattr__(slot, "context", row.context)
    made.score([slot], [Candidate(0, text, "x") for text in row.candidates])
    assert seen == [question(row)] == [Question(row.context, row.candidates, "en", (1, 2, 3))]


# ---- models


def test_no_model_is_a_sentence():
    for failing in (Selector().fingerprint, lambda: Selector().load("cpu")):
        with pytest.raises(ModelError, match="no model is named: train one"):
            failing()


def test_an_adapter_as_the_foreign_one_is_read_and_merged(base, foreign):
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {path.name for path in foreign.iterdir()}
    names = load_file(foreign / "adapter_model.safetensors")
    assert names["base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"].shape == (8, 48)
    made, words = checkpoint.load(str(foreign), "cpu", base=str(base))
    from peft import PeftModel

    plain = AutoModelForCausalLM.from_pretrained(base)
    before = logits(plain)
    wanted = logits(PeftModel.from_pretrained(plain, str(foreign)).eval())
    assert torch.allclose(logits(made), wanted, atol=1e-5)
    assert not torch.allclose(logits(made), before, atol=1e-2)
    assert len(words) == len(tokenizer())
    assert_contract(Selector, model=str(foreign), base=str(base))


def test_an_adapter_finds_its_base_by_the_name_it_gives(base, tmp_path):
    made = adapter(tmp_path / "own", base)
    assert ranker(made).score(slots(1), candidates(slots(1), 2))


def test_a_base_that_is_not_at_hand_is_a_sentence(foreign, tmp_path):
    with pytest.raises(ModelError, match=r"needs its base 'microsoft/phi-2'.*selector\.base names another place"):
        ranker(foreign)
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="does not name its base"):
        ranker(tmp_path)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("gpt2", {}),
        ("phi", {"hidden_size": 64}),
        ("phi", {"num_hidden_layers": 3}),
        ("llama", {"num_hidden_layers": 1}),
    ],
)
def test_an_adapter_for_another_base_is_a_sentence(foreign, tmp_path, name, more):
    other = folder(tmp_path / "other", name, **more)
    with pytest.raises(ModelError, match="is for another model than") as told:
        ranker(foreign, base=str(other))
    assert "\n" not in str(told.value)


def test_damaged_files_are_sentences(base, foreign, tmp_path):
    (tmp_path / "adapter_config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        ranker(tmp_path)
    (tmp_path / "adapter_config.json").write_bytes((foreign / "adapter_config.json").read_bytes())
    (tmp_path / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot be read"):
        ranker(tmp_path, base=str(base))
    lacking = folder(tmp_path / "lacking")
    state = load_file(lacking / "model.safetensors")
    save_file({k: v for k, v in state.items() if "layers.1" not in k}, lacking / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="lacks weights"):
        ranker(lacking)
    (lacking / "config.json").write_text(json.dumps({"model_type": "clip_vision_model"}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        ranker(lacking)
    with pytest.raises(ModelError, match="there is no model"):
        ranker(tmp_path / "nowhere")


def test_a_pickle_is_not_read(base, tmp_path):
    made = folder(tmp_path / "pickled")
    torch.save(load_file(made / "model.safetensors"), made / "pytorch_model.bin")
    (made / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        ranker(made)


def test_few_bits_are_a_sentence_where_they_do_not_run(base, monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"bitsandbytes: pip install 'vdesc\[llm\]'"):
        ranker(base, bits=4)
    monkeypatch.setattr(pretrained, "find_spec", lambda name: True)
    with pytest.raises(ModelError, match="4 bits do not run on 'mps'"):
        create(Selector, model=str(base), bits=4).load("mps")


def test_the_fingerprint_follows_the_files(base, tmp_path):
    made = folder(tmp_path / "model")
    first = Selector(Selector.Options(model=str(made))).fingerprint()
    with torch.no_grad():
        changed = llm("phi", 1)
    changed.save_pretrained(made)
    assert Selector(Selector.Options(model=str(made))).fingerprint() != first
    assert Selector(Selector.Options(model=str(made), base="x")).fingerprint().startswith("x ")


def test_a_question_keeps_to_the_models_context(tmp_path):
    made = ranker(folder(tmp_path / "short", "gpt2", n_positions=300))
    assert made.judge.asking.limits.tokens == 300
    assert made.score(slots(1), candidates(slots(1), 3))


def test_nothing_is_shown_on_the_terminal(base, foreign, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        ranker(foreign, base=str(base)).score(slots(1), candidates(slots(1), 3))
    assert capfd.readouterr() == ("", "") and not caplog.records
