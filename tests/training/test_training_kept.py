"""What a run leaves: curves, the recipe as it ran, and the best model by the metric."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from training_samples import recipe, table
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_clipgpt.training.train import train
from vdesc_training.resume import checkpoints
from vdesc_training.trainer import CaptionTrainer

FIXED = dict(encoder_from_epoch=None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data"), 12, 3)


def test_curves_are_drawn_and_the_recipe_as_it_ran_is_kept(data: Path, tmp_path: Path):
    best = train(recipe(report="tensorboard", epochs=11, **FIXED), data, tmp_path)
    (file,) = (tmp_path / "curves").iterdir()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "curves"))
    events.Reload()
    assert {"train/loss", "train/tokens_per_second", "train/learning_rate", "eval/cider", "eval/loss"} <= set(
        events.Tags()["scalars"]
    )
    text = (best / "recipe.yaml").read_text()
    assert text.startswith("# clipgpt, trained by vdesc ") and file.stat().st_size
    again = Recipe(**yaml.safe_load(text))
    assert again == recipe(report="tensorboard", epochs=11, **FIXED)
    assert (checkpoints(tmp_path)[0] / "recipe.yaml").read_text() == text


def test_without_a_validation_split_the_last_model_is_kept(tmp_path: Path, capsys: Any):
    data = table(tmp_path / "data", 12, 0)
    best = train(recipe(epochs=2), data, tmp_path / "run")
    assert "no split 'val': nothing is measured, and the last model is kept" in capsys.readouterr().err
    last = load_file(checkpoints(tmp_path / "run")[0] / "model.safetensors")
    assert all(torch.equal(last[name], value) for name, value in load_file(best / "model.safetensors").items())


def test_the_best_model_is_that_of_the_metric_and_patience_ends_the_run(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    marks = iter([0.2, 0.5, 0.4, 0.3, 0.9])
    import vdesc_training.trainer as trainer

    monkeypatch.setattr(trainer, "score", lambda said, references: {"cider": next(marks)})
    kept = []
    real = CaptionTrainer.keep
    monkeypatch.setattr(CaptionTrainer, "keep", lambda self, n: (kept.append(n["cider"]), real(self, n)))
    monkeypatch.setattr("vdesc_clipgpt.training.train.score", lambda said, references: {"cider": 0})
    best = train(recipe(epochs=5, patience=2), data, tmp_path)
    assert kept == [0.2, 0.5] and json.loads((best / "validation.json").read_text())["cider"] == 0.5
    assert checkpoints(tmp_path)[0].name == "checkpoint-8"
    monkeypatch.setattr(CaptionTrainer, "training_step", None)
    assert train(recipe(epochs=5, patience=2), data, tmp_path) == best  # it stays at its end


def test_metric_loss_keeps_the_lowest(data: Path, tmp_path: Path):
    best = train(recipe(epochs=4, metric="loss"), data, tmp_path)
    history = json.loads((checkpoints(tmp_path)[0] / "trainer_state.json").read_text())["log_history"]
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    assert len(losses) == 4 and json.loads((best / "validation.json").read_text())["loss"] == min(losses)
