"""What goes wrong while llava is trained: a sentence each, and the rest of the run goes on."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import llava_samples as samples
import pytest
import torch
from llava_tables import recipe, table
from pydantic import ValidationError
from vdesc import InputError, MissingExtra, ModelError, PluginError, SettingsError
from vdesc_llava.training import LlavaTrainer
from vdesc_llava.training.train import train
from vdesc_llava.training.trainer import LlavaCaptionTrainer
from vdesc_training.features import FeatureWriter
from vdesc_training.recipes import read_recipe
from vdesc_training.table import Item, read_table, write_table

SHORT: dict[str, Any] = dict(stages=[{"learn": "all", "epochs": 1}])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return table(tmp_path / "data", 6, 1)


def changed(data: Path, change: Any) -> None:
    write_table(data, [change(item) for item in list(read_table(data))])


# ---- recipes


@pytest.mark.parametrize("name", ["linear", "mlp2x", "perceiver", "c_abstractor", "korean", "fsdp", "tiny-cpu"])
def test_the_recipes_that_ship_can_be_read(name: str):
    stages = read_recipe(LlavaTrainer.Recipe, "llava", name).of_stages
    assert [stage.learn for stage in stages][1:] == ["lora"] and all(stage.stages == ({},) for stage in stages)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"stages": [{"learn": "projector", "ratte": 1}]},
            "stage 1 cannot have 'ratte' .*did you mean 'rate'",
        ),
        ({"stages": [{"tower": "x"}]}, "stage 1 cannot have 'tower' of its own"),
        ({"stages": [{"rate": -1}]}, "in a stage rate -1 is wrong"),
        ({"stages": [{"learn": "everything"}]}, "in a stage learn 'everything' is wrong"),
        ({"bits": 4, **SHORT}, "weights of 4 or 8 bits cannot learn"),
        ({"model": {"lora": {}}}, "adapters are set by 'lora' of the recipe"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_a_sentence(changes: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        recipe(**changes)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"model": {"projektor": "linear"}}, SettingsError, "no setting 'projektor' .did you mean 'projector'"),
        ({"model": {"projector": "magic"}}, ModelError, "unknown projector 'magic'"),
        ({"model": {"llm_config": {}}}, ModelError, "names no llm: give llm, or model.llm_config for a random one"),
        ({"attention": "flash_attention_2"}, SettingsError, "is not to be had here: set attention to sdpa"),
        ({"tower": "no/such-tower"}, ModelError, "tower 'no/such-tower' .*not at hand"),
        ({"metric": "meteor"}, SettingsError, "no validation score 'meteor' .did you mean 'meteor_exact'"),
        ({"features": "clip"}, InputError, "the features in .*clip are not there"),
        ({"lora": {"targets": ["no_such_layer"]}, "stages": [{"learn": "lora"}]}, ModelError, "no_such_layer"),
    ],
)
def test_what_cannot_be_had_is_a_sentence(data: Path, tmp_path: Path, changes: Any, error: type, words: str):
    with pytest.raises(error, match=words):
        train(recipe(**SHORT | changes), data, tmp_path / "run")


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is there")
def test_four_bits_without_bitsandbytes_are_a_sentence(data: Path, tmp_path: Path):
    with pytest.raises(MissingExtra, match=r"bitsandbytes.*vdesc\[llm\]"):
        LlavaTrainer().train(recipe(bits=4, stages=[{"learn": "lora"}]), data, tmp_path / "run")


def test_a_model_that_accelerate_would_divide_is_refused_before_anything_is_loaded(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(
        SettingsError, match=r"launch it with configs/llava/accelerate-ddp\.yaml, and set shard to true"
    ):
        train(recipe(**SHORT), data, tmp_path / "run")


# ---- the data


@pytest.mark.parametrize("features", ["cached", "images"])
def test_bad_rows_are_left_out_with_a_note_each(data: Path, tmp_path: Path, capsys: Any, features: str):
    (data / "frames/1/00000500.png").unlink()
    (data / "frames/2/00000000.png").write_bytes(b"no picture")
    changed(data, lambda item: Item(item.id, item.images, item.split, (" ",)) if item.id == "3" else item)
    train(recipe(**SHORT, features=features), data, tmp_path / "run")
    said = capsys.readouterr().err
    assert said.count("for want of picture files: 1\n") == said.count("for want of captions: 3\n") == 1
    assert said.count("00000000.png cannot be read as a picture") == 1


def test_a_clip_with_fewer_frames_than_asked_is_repeated(data: Path, tmp_path: Path):
    changed(data, lambda item: Item(item.id, item.images[:1], item.split, item.captions, item.video))
    assert train(recipe(**SHORT), data, tmp_path / "run").is_dir()


def test_features_of_another_tower_are_a_sentence(data: Path, tmp_path: Path):
    with FeatureWriter(data, "other", {}) as writer:
        for item in read_table(data):
            writer.put(item.id, torch.randn(2, 4, 77))
    with pytest.raises(InputError, match="are 77 wide, but the recipe's tower gives 32: name the tower"):
        train(recipe(**SHORT, features="other"), data, tmp_path / "run")


def test_no_table_is_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match="vdesc data"):
        train(recipe(**SHORT), tmp_path, tmp_path / "run")


def test_no_val_split_keeps_the_last_model_and_says_so(data: Path, tmp_path: Path, capsys: Any):
    changed(data, lambda item: Item(item.id, item.images, "train", item.captions, item.video))
    best = train(recipe(**SHORT), data, tmp_path / "run")
    assert (best / "projector.safetensors").is_file() and "nothing is measured" in capsys.readouterr().err


def test_the_cap_comes_from_the_data_and_the_share_that_it_cuts_is_told(data: Path, tmp_path: Path, capsys: Any):
    changed(data, lambda i: Item(i.id, i.images, i.split, (" ".join(["red"] * (40 if i.id == "0" else 3)),), i.video))
    train(recipe(**SHORT, whole=0.8), data, tmp_path / "run")
    assert "captions are learned up to 4 tokens: 16.7 % of them are longer and are cut" in capsys.readouterr().err
    train(recipe(stages=[{"learn": "all", "epochs": 1}], model={"max_tokens": 60}), data, tmp_path / "other")
    assert "up to 60 tokens: 0.0 % of them" in capsys.readouterr().err


def test_video_and_words_that_do_not_fit_the_llm_are_a_sentence(data: Path, tmp_path: Path):
    short = samples.LLMS["qwen3"] | {"max_position_embeddings": 40}
    with pytest.raises(ModelError, match="tokens long, but the LLM reads 40: take fewer frames"):
        train(recipe(**SHORT, model={"llm_config": short, "frames": 3}), data, tmp_path / "run")


# ---- numbers


def test_a_loss_that_is_no_number_stops_the_run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = LlavaCaptionTrainer.compute_loss
    monkeypatch.setattr(LlavaCaptionTrainer, "compute_loss", lambda *a, **k: real(*a, **k) * float("nan"))
    with pytest.raises(PluginError, match=r"llava: the loss is nan at step 1, .*there is no checkpoint yet"):
        train(recipe(**SHORT), data, tmp_path / "run")


def test_out_of_memory_halves_the_batch(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    real, sizes = LlavaCaptionTrainer.compute_loss, []

    def tight(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(inputs["labels"]))
        if sizes[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(LlavaCaptionTrainer, "compute_loss", tight)
    train(recipe(**SHORT), data, tmp_path / "run")
    assert sizes == [6, 3, 3] and "photos=3, accumulate=2" in capsys.readouterr().err
