"""Training a selector: it learns, an interrupted run ends with the same weights, bad input is a sentence."""

import json
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from selector_samples import folder, judge, rows
from vdesc import InputError, MissingExtra, ModelError, SettingsError
from vdesc.registry import create
from vdesc.similarity import similarity
from vdesc_selector.limits import Limits, read_limits
from vdesc_selector.ranker import Selector
from vdesc_selector.teacher import SelectorTrainer
from vdesc_selector.training import guide
from vdesc_selector.training.lessons import Questions, question
from vdesc_selector.training.measures import Choice, figures
from vdesc_selector.training.recipe import Recipe
from vdesc_selector.training.trainer import SelectorCaptionTrainer
from vdesc_training.recipes import read_recipe
from vdesc_training.sft import write_rows

MODEL = dict(
    model_type="qwen3", hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=2, head_dim=16, tie_word_embeddings=True,
)  # fmt: skip
LEARNS = MODEL | dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=4, initializer_range=0.1)


def recipe(**changes):
    values = dict(
        model=MODEL, vocabulary=400, tokens=256, evidence_tokens=32, epochs=2, photos=8, rate=3e-3, workers=0,
        report="none", softness=0.0,
    )  # fmt: skip
    return Recipe(**(values | changes))


@pytest.fixture
def data(tmp_path):
    write_rows(tmp_path / "sft.jsonl", rows())
    return tmp_path / "sft.jsonl"


def weights(folder: Path):
    return load_file(folder / "model.safetensors")


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_small_new_model_learns_which_is_the_best(tmp_path):
    """What it says is the best whatever was seen, which takes fewer steps to learn than what evidence means."""
    dogs = [
        replace(row, similarities=tuple(0.9 if "dog" in text else 0.1 for text in row.candidates))
        for row in rows(144, 6)
    ]
    write_rows(tmp_path / "sft.jsonl", dogs)
    made = recipe(model=LEARNS, epochs=7, photos=16, rate=2e-3, warmup=0.2)
    best = SelectorTrainer().train(made, tmp_path / "sft.jsonl", tmp_path / "run")
    assert json.loads((best / "validation.json").read_text())["accuracy"] == 1
    ranker = create(Selector, model=str(best))
    ranker.load("cpu")
    assert ranker.judge.asking.limits == Limits(256, 32, 9) == read_limits(best)
    for row in dogs[-6:]:
        verdict = ranker.judge.judge([question(row)])[0]
        assert verdict.shares.index(max(verdict.shares)) == row.best and verdict.answered > 0.9


@pytest.mark.parametrize("lora", [False, True])
def test_a_run_that_was_killed_ends_with_the_same_weights(data, tmp_path, monkeypatch, lora):
    changes = dict(epochs=2, save_steps=2)
    if lora:
        base = folder(tmp_path / "base")
        changes |= dict(model={}, base=str(base), lora=dict(r=4, dropout=0.3, targets=["q_proj", "v_proj"]))
    made = recipe(**changes)
    whole = SelectorTrainer().train(made, data, tmp_path / "whole")
    step, count = SelectorCaptionTrainer.training_step, 0

    def killed(self, *args, **kwargs):
        nonlocal count
        count += 1
        if count == 5:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    monkeypatch.setattr(SelectorCaptionTrainer, "training_step", killed)
    with pytest.raises(KeyboardInterrupt):
        SelectorTrainer().train(made, data, tmp_path / "parts")
    resumed = SelectorTrainer().train(made, data, tmp_path / "parts")
    assert count == 5 + 2  # it went on from step 4 of 6
    last = [next((tmp_path / run).glob("checkpoint-6")) for run in ("whole", "parts")]
    assert equal(weights(last[0]), weights(last[1]))
    for name in ("adapter_model.safetensors",) if lora else ("model.safetensors",):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()


def test_an_adapter_is_written_as_peft_has_it_and_names_no_path(data, tmp_path):
    base = folder(tmp_path / "base", chat=True)
    lora = dict(r=8, alpha=16, dropout=0.1, targets=["q_proj", "v_proj"])
    best = SelectorTrainer().train(recipe(model={}, base=str(base), lora=lora, epochs=1), data, tmp_path / "run")
    assert json.loads((best / "adapter_config.json").read_text())["base_model_name_or_path"] == "base"
    assert not (best / "model.safetensors").exists()
    assert str(tmp_path) not in "".join(path.read_text() for path in best.glob("*.[jy]*"))
    made = create(Selector, model=str(best), base=str(base))
    made.load("cpu")
    assert made.judge.asking.chats
    checkpoint = next((tmp_path / "run").glob("checkpoint-*"))
    assert all("lora_" in name for name in weights(checkpoint))  # the base is not copied


def test_other_layers_than_there_are(data, tmp_path):
    base = folder(tmp_path / "base")
    with pytest.raises(ModelError, match="has no layers"):
        SelectorTrainer().train(recipe(model={}, base=str(base), lora=dict(targets=["nix"])), data, tmp_path / "run")


def test_adapters_on_a_base_in_few_bits(data, tmp_path):
    pytest.importorskip("bitsandbytes")
    base = folder(tmp_path / "base")
    best = SelectorTrainer().train(recipe(model={}, base=str(base), lora={}, bits=8, epochs=1), data, tmp_path / "run")
    made = create(Selector, model=str(best), base=str(base), bits=8)
    made.load("cpu")
    assert sum(made.judge.judge([question(rows()[0])])[0].shares) == pytest.approx(1)


def test_few_bits_without_their_package(data, tmp_path, monkeypatch):
    monkeypatch.setattr("vdesc.pretrained.find_spec", lambda name: None)
    base = folder(tmp_path / "base")
    with pytest.raises(MissingExtra, match=r"bitsandbytes: pip install 'vdesc\[llm\]'"):
        SelectorTrainer().train(recipe(model={}, base=str(base), lora={}, bits=4), data, tmp_path / "run")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {}}, {"base": "owner/name"}, {"model": {}, "base": "owner/name", "bits": 4}, {"lora": {}},
        {"model": {}, "base": "/nowhere/at/all"}, {"captions": 3},
    ],
)  # fmt: skip
def test_recipes_that_contradict_themselves(changes):
    with pytest.raises(ValueError):
        recipe(**changes)


def test_a_model_that_is_none(data, tmp_path):
    for model in ({"model_type": "nix"}, {"model_type": "clip_vision_model"}, {"hidden_size": 3}):
        with pytest.raises(SettingsError, match="no causal language model"):
            SelectorTrainer().train(recipe(model=model), data, tmp_path / "run")


@pytest.mark.parametrize("name", ["phi2", "qwen3", "tiny-cpu"])
def test_the_recipes_that_come_with_it_are_right(name):
    assert read_recipe(Recipe, "selector", name)


def test_bad_rows(data, tmp_path):
    with pytest.raises(InputError, match="there is no file of rows"):
        SelectorTrainer().train(recipe(), tmp_path / "nothing.jsonl", tmp_path / "run")
    data.write_text(data.read_text().replace('"train"', '"test"'))
    with pytest.raises(InputError, match="no rows in the split 'train'"):
        SelectorTrainer().train(recipe(), data.parent, tmp_path / "run")


def test_another_recipe_does_not_go_on(data, tmp_path):
    SelectorTrainer().train(recipe(epochs=1), data, tmp_path / "run")
    with pytest.raises(SettingsError, match="another recipe"):
        SelectorTrainer().train(recipe(epochs=1, softness=0.5), data, tmp_path / "run")


# ---- lessons


def test_a_lesson_is_what_inference_asks():
    made = judge()
    lessons = Questions(rows(1, 0), made, recipe())
    row = rows(1, 0)[0]
    for epoch in range(6):
        lesson = lessons[epoch, 0]
        seen = []
        made.reader.read = lambda asked, columns, seen=seen: (
            seen.extend(asked) or [torch.zeros(len(some.ends), len(columns)) for some in asked]
        )
        made.which = "all"
        made.judge([question(row)])
        assert lesson.rows[0] in seen[0].whole()
    orders = {lessons[epoch, 0].target for epoch in range(20)}
    assert len(orders) == 3  # the best stands at each place


def test_targets_go_with_similarity():
    made, row = judge(), rows(1, 0)[0]
    (hard,) = {tuple(sorted(Questions([row], made, recipe())[e, 0].target)) for e in range(5)}
    soft = Questions([row], made, recipe(softness=0.35))[0, 0].target
    assert hard == (0, 0, 1)
    assert sum(soft) == pytest.approx(1) and max(soft) / sorted(soft)[1] == pytest.approx(torch.e**2, rel=1e-3)


def test_subsets_and_strangers():
    made = judge()
    lessons = Questions(rows(6, 0), made, recipe(subsets=True, strangers=0.5, softness=0.05))
    drawn = [lessons[epoch, i] for epoch in range(10) for i in range(6)]
    assert {len(lesson.target) for lesson in drawn} == {2, 3}
    assert lessons[3, 2] == lessons[3, 2]


def test_a_guide_takes_in_agreement_and_then_gives_way_to_the_truth(monkeypatch):
    monkeypatch.setattr(guide, "similarity", lambda name: similarity("tokens"))
    some = [replace(row, candidates=("A dog runs.", "A dog sits.", "A car.")) for row in rows(30, 0)]
    told = guide.guides(some)
    lessons = Questions(some, judge(), recipe(guided=0.5, epochs=20), told)
    seen = [lessons._guided(1, epoch).similarities for epoch in (0, 3, 4, 7, 10)]
    assert seen[:3] == [told[1].words] * 3
    assert seen[3] == pytest.approx([(a + b) / 2 for a, b in zip(told[1].words, told[1].all, strict=True)])
    assert told[1].words != told[1].all and lessons._guided(1, 10) is some[1]


def test_a_guide_knows_good_words_and_what_agrees(monkeypatch):
    monkeypatch.setattr(guide, "similarity", lambda name: similarity("tokens"))
    good = [replace(row, candidates=("A dog.", "A cat."), similarities=(0.1, 0.9)) for row in rows(30, 0)]
    lone = ("Xa yb zc.", "Xa yb wd.", "Ve uf tg.")  # words too rare to count
    agreed = [replace(row, candidates=lone, similarities=(0.8, 0.8, 0.2)) for row in rows(9, 0)]
    first, *_, last = guide.guides(good + agreed)
    assert first.words[1] > 0.5 > first.words[0] and last.words == (0.5, 0.5, 0.5)
    assert last.all[0] == pytest.approx(last.all[1]) and last.all[1] > 0.5 > last.all[2]
    assert statistics.pstdev(first.words) == pytest.approx(guide.SPREAD)


def test_too_many_candidates_lose_their_worst():
    made = judge(limits=Limits(most=2))
    lesson = Questions(rows(1, 0), made, recipe())[0, 0]
    assert sorted(lesson.target) == [0, 1]


def test_figures():
    found = figures([Choice((0.5, 0.9), (0.4, 0.6)), Choice((0.5, 0.3), (0.4, 0.6))])
    assert found["accuracy"] == 0.5 and found["similarity"] == pytest.approx(0.6)
    assert found["first"] == 0.5 and found["best"] == pytest.approx(0.7) and found["share"] == pytest.approx(0.5)
