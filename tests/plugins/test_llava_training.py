"""Training llava: what a batch holds, what learns, what is kept, and that the model ends its captions."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import llava_samples as samples
import pytest
import torch
from llava_tables import recipe, table
from safetensors.torch import load_file
from vdesc import PluginError
from vdesc_llava import checkpoint
from vdesc_llava.features import Features
from vdesc_llava.training import LlavaTrainer
from vdesc_llava.training.clips import Clips, Pixels, collator, cut, encoded, longest, times
from vdesc_llava.training.contrast import contrast
from vdesc_llava.training.extraction import stored
from vdesc_llava.training.train import train
from vdesc_llava.training.trainer import LlavaCaptionTrainer, joint
from vdesc_llava.training.tuning import groups, learned_names, tune
from vdesc_training.captioning import slots_of
from vdesc_training.resume import checkpoints
from vdesc_training.table import Item, read_table

BASES = dict(llm="", tower="")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows its colours."""
    out = tmp_path_factory.mktemp("run")
    stages = [{"learn": "all", "epochs": 18}, {"learn": "lora", "epochs": 2, "rate": 1e-3}]
    train(recipe(stages=stages), data, out)
    return out


# ---- batches


def lessons(model: Any, data: Path, captions: int = 0) -> Clips:
    items = list(read_table(data, "train"))
    made = Clips(Pixels(data, model), items, encoded([item.captions for item in items], model), 0, captions)
    made.frames = model.config.frames
    return made


def test_the_prompt_is_masked_and_the_end_is_taught(data: Path):
    model = samples.model()
    batch = collator(model, "Say what you see.")([lessons(model, data)[(0, i)] for i in range(3)])
    prompt = model.prompt_ids("Say what you see.")
    assert batch["input_ids"].shape == batch["labels"].shape == batch["attention_mask"].shape
    assert batch["pixels"].shape == (6, 3, 3, 32, 32) and batch["owner"].tolist() == [0, 0, 1, 1, 2, 2]
    for ids, labels, mask in zip(batch["input_ids"], batch["labels"], batch["attention_mask"], strict=True):
        assert ids[: len(prompt)].tolist() == prompt and (labels[: len(prompt)] == -100).all()
        real = labels != -100
        assert torch.equal(ids[real], labels[real]) and labels[real][-1] == model.dialogue.end
        assert mask.sum() == len(prompt) + real.sum() and (labels[mask == 0] == -100).all()


def test_one_caption_is_drawn_anew_each_epoch(data: Path):
    made = lessons(samples.model(), data, captions=1)
    drawn = [[tuple(made[(epoch, i)]["captions"][0]) for i in range(12)] for epoch in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_captions_end_is_cut_with_it_and_the_share_is_told():
    ids = [[[1] * n + [2]] for n in range(1, 101)]
    assert longest(ids, 0.9) == (91, 0.1) and longest(ids, 1) == (101, 0)
    assert cut([[[1, 1, 1, 2], [1, 2]]], 3) == [[[1, 1, 1], [1, 2]]]


def test_times_are_seconds_from_where_the_item_starts():
    names = ("frames/x/00001000.jpg", "frames/x/00002500.jpg")
    assert times(Item("a", names, "train", ("x",), "v", (1000, 3000)), 2).tolist() == [0.0, 1.5]
    assert times(Item("a", names, "train", ("x",), "v"), 4).tolist() == [1.0, 1.0, 2.5, 2.5]
    assert times(Item("a", ("images/007.jpg",), "train", ("x",)), 1).tolist() == [0.5]
    assert times(Item("a", (), "train", ("x",), "v"), 2).tolist() == [0.25, 0.75]  # features came with the table


@pytest.mark.parametrize("count", [1, 2, 3, 5])
@pytest.mark.parametrize("span", [None, (500, 3000), (700, 800)])
def test_a_clip_is_seen_in_training_as_in_use(data: Path, count: int, span: tuple[int, int] | None):
    """Of three frames asked for: which are there, repeated or left out alike, and when they are."""
    model, (first, *_) = samples.model(), read_table(data)
    shown = Item("a", (first.images * 3)[:count], "test", ("x",), "v", span)
    names = [f"frames/a/{500 * i:08}.png" for i in range(count)]
    for name, image in zip(names, shown.images, strict=True):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_bytes((data / image).read_bytes())
    item = replace(shown, images=tuple(names))
    before, used = slots_of(data, [replace(item, id="b"), item])
    (clip,) = Features(model, []).of([used])
    assert torch.equal(torch.tensor(clip.times), times(item, model.config.frames))
    assert torch.equal(clip.features, model.encode(Pixels(data, model).plain(item)[None])[0].half())
    assert used.span.start == before.span.end and all(used.span.contains(frame.at) for frame in used.keyframes)
    assert not span or used.span.end - used.span.start >= span[1] - span[0]


def test_cached_features_equal_live_ones(data: Path):
    model, items = samples.model(), list(read_table(data))
    store = stored(model, data, items, 0, print)
    for item in items[:3]:
        live = model.encode(Pixels(data, model).plain(item)[None])[0]
        torch.testing.assert_close(store.get(item.id).float(), live, rtol=2e-3, atol=2e-3)
        assert store.get(item.id).dtype == torch.float16


def test_the_tower_runs_once_a_clip(data: Path, monkeypatch: pytest.MonkeyPatch):
    model, items = samples.model(seed=5), list(read_table(data))
    stored(model, data, items, 0, print)
    monkeypatch.setattr(type(model), "encode", None)
    stored(model, data, items, 0, print)


# ---- what learns


@pytest.mark.parametrize(("learn", "llm"), [("projector", False), ("lora", True), ("all", True)])
def test_what_learns_is_what_the_stage_says(learn: str, llm: bool):
    model = samples.model(lora={"r": 2}).train()
    what = recipe(stages=[{"learn": learn}]).of_stages[0]
    tune(model, what)
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {name.partition(".")[0] for name in names} == {"projector", "positions"} | ({"llm"} if llm else set())
    assert all((".lora_" in name) == (learn == "lora") for name in names if name.startswith("llm."))
    assert names == set(learned_names(model, recipe(stages=[{"learn": learn}])))
    given = [id(p) for group in groups(model, what) for p in group["params"]]
    assert len(given) == len(set(given)) == len(names)


def test_the_projector_may_have_its_own_rate():
    model = samples.model(lora={"r": 2})
    what = recipe(stages=[{"learn": "lora", "rate": 1e-4, "projector_rate": 1e-5, "weight_decay": 0.1}]).of_stages[0]
    tune(model, what)
    rates = {
        (
            group["lr"],
            group["weight_decay"],
            bool(set(map(id, group["params"])) & set(map(id, model.projector.parameters()))),
        )
        for group in groups(model, what)
    }
    assert rates == {(1e-5, 0.1, True), (1e-5, 0.0, True), (1e-4, 0.1, False)}


def test_contrast_is_low_for_clips_told_apart_and_high_for_collapsed_ones():
    words = torch.randn(6, 4, 16)
    real, same = torch.ones(6, 4, dtype=torch.bool), torch.eye(6, dtype=torch.bool)
    apart = contrast(words + 0.01 * torch.randn(6, 4, 16), words, real, same)
    alike = contrast(torch.ones(6, 3, 16) + 1e-9 * torch.randn(6, 3, 16), words, real, same)
    assert apart < 0.2 < 1.5 < alike
    assert contrast(words, words, real, torch.ones(6, 6, dtype=torch.bool)) == 0  # one clip six times: no opposites


# ---- a run


def test_a_trained_model_names_the_colour_and_ends(trained: Path, data: Path):
    model = checkpoint.load(trained / "best")
    items = list(read_table(data, "val"))
    features = torch.cat([model.encode(Pixels(data, model).plain(item)[None]) for item in items])
    asked = ["Describe what this video shows."] * len(items)
    seconds = torch.stack([times(item, model.config.frames) for item in items])
    for item, (said, *_) in zip(items, model.generate(features, asked, times=seconds), strict=True):
        assert said.text in item.captions and said.finished


def test_the_best_folder_holds_all_that_inference_and_people_need(trained: Path):
    there = {path.name for path in (trained / "best").iterdir()}
    assert {"config.json", "projector.safetensors", "adapter", "llm", "tower"} < there
    assert {"recipe.yaml", "validation.json", "tokenizer.json"} < there
    numbers = json.loads((trained / "best/validation.json").read_text())
    assert numbers["joint"] == pytest.approx(joint(numbers)) and numbers["joint"] > 0
    assert checkpoints(trained / "stage-1") and checkpoints(trained / "stage-2")
    page = (trained / "report.html").read_text()
    assert page.count("<svg") == 4 and "Stage 2: lora" in page and "clip" in page


def test_adapters_are_saved_and_change_what_is_said(trained: Path):
    state = load_file(trained / "best/adapter/adapter_model.safetensors")
    assert state and any(value.abs().max() > 0 for name, value in state.items() if "lora_B" in name)


def test_the_recipe_beside_the_best_model_is_that_of_all_stages(trained: Path):
    from vdesc_training.recipes import read_recipe

    again = read_recipe(LlavaTrainer.Recipe, "llava", str(trained / "best/recipe.yaml"))
    assert [stage.learn for stage in again.of_stages] == ["all", "lora"] and again.of_stages[0].epochs == 18


def test_cached_and_live_features_train_alike(data: Path, tmp_path: Path):
    ends = []
    for features in ("cached", "images"):
        train(recipe(features=features, stages=[{"learn": "all", "epochs": 1}]), data, tmp_path / features)
        ends.append(load_file(checkpoints(tmp_path / features / "stage-1")[0] / "model.safetensors"))
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=0.05, atol=2e-2)  # float16 against float32 features


@pytest.mark.parametrize(
    "changes", [{"align": 1.0}, {"checkpointing": True}, {"captions": 0, "accumulate": 2, "photos": 3}]
)
def test_other_ways_to_train_run(data: Path, tmp_path: Path, changes: dict[str, Any]):
    assert train(recipe(**changes, stages=[{"learn": "all", "epochs": 1}]), data, tmp_path).is_dir()


def test_stage_one_leaves_the_llm_as_it_was(tmp_path: Path, data: Path):
    tower, llm = samples.bases(tmp_path / "bases")
    what = recipe(tower=str(tower), llm=str(llm), model={"tower_config": {}, "llm_config": {}, "layer": -2},
                  stages=[{"learn": "projector", "epochs": 1}, {"learn": "lora", "epochs": 1}])  # fmt: skip
    best = train(what, data, tmp_path / "run")
    first, last = (load_file(checkpoints(tmp_path / "run" / f"stage-{n}")[0] / "model.safetensors") for n in (1, 2))
    assert first.keys() == last.keys() and not any("base_layer" in name for name in first)
    assert all(not value.any() for name, value in first.items() if "lora_B" in name)
    assert any(value.any() for name, value in last.items() if "lora_B" in name)
    assert not (best / "llm").exists() and not (best / "tower").exists()  # they have names
    assert checkpoint.load(best).config.llm == str(llm)


@pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")
def test_adapters_learn_on_four_bits(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch):
    wide = samples.LLMS["qwen3"] | dict(hidden_size=128, intermediate_size=256)
    monkeypatch.setitem(samples.LLMS, "qwen3", wide)
    tower, llm = samples.bases(tmp_path / "bases")
    stages = [{"learn": "lora", "epochs": 1, "rate": 1e-3}]
    what = recipe(tower=str(tower), llm=str(llm), model={"tower_config": {}, "llm_config": {}}, stages=stages, bits=4)
    best = train(what, data, tmp_path / "run")
    state = load_file(best / "adapter/adapter_model.safetensors")
    assert all(value.any() for name, value in state.items() if "lora_B" in name)
    assert checkpoint.load(best, bits=4).llm.is_loaded_in_4bit


# ---- what is chosen


def test_joint_prefers_own_captions_to_one_that_scores_well():
    collapsed = {"alignment": 0.338, "meteor_exact": 0.066, "diversity": 0.04}
    honest = {"alignment": 0.144, "meteor_exact": 0.066, "diversity": 1.0}
    assert joint(honest) > joint(collapsed)
    assert joint({"cider": 0.0, "meteor_exact": 1.0, "diversity": 1.0}) == 0


def test_a_collapsed_epoch_is_never_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    """E's own case: six different captions of a hundred, which score best of all."""
    data = table(tmp_path / "data", 6, 40)
    items = [Item(i.id, i.images, i.split, (f"clip {i.id} is {i.captions[0]}",)) for i in read_table(data)]
    from vdesc_training.table import write_table

    write_table(data, items)

    def said(self: Any) -> Any:
        few = self.state.epoch == 2
        return {item.id: f"it is {int(item.id) % (5 if few else 40)}" for item in self.validation.items}, {"loss": 1.0}

    real = LlavaCaptionTrainer.judge
    monkeypatch.setattr(LlavaCaptionTrainer, "_measure", said)
    monkeypatch.setattr(
        LlavaCaptionTrainer,
        "judge",
        lambda self, texts, references: (
            real(self, texts, references) | {"joint": 9.0 if len({*texts.values()}) < 9 else 0.1}
        ),
    )
    best = train(recipe(distinct=0.25, stages=[{"learn": "all", "epochs": 3}]), data, tmp_path / "run")
    assert json.loads((best / "validation.json").read_text())["joint"] == 0.1
    assert capsys.readouterr().err.count("THE CAPTIONS HAVE COLLAPSED: 5 different captions for 40 items") == 1
    monkeypatch.setattr(LlavaCaptionTrainer, "collapsed", lambda *_: "all alike")
    with pytest.raises(PluginError, match="captions of every validation had collapsed"):
        train(recipe(stages=[{"learn": "all", "epochs": 1}]), data, tmp_path / "other")
