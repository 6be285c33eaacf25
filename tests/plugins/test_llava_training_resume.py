"""A run of llava's training that is killed and goes on ends with the same weights, in a stage and between two."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llava_samples as samples
import pytest
import torch
from llava_tables import recipe, table
from safetensors.torch import load_file
from vdesc import SettingsError
from vdesc_llava.training.train import train
from vdesc_llava.training.trainer import LlavaCaptionTrainer
from vdesc_training.resume import checkpoints

HARD: dict[str, Any] = dict(
    stages=[{"learn": "projector", "align": 0.5}, {"learn": "lora", "rate": 1e-3}],
    model={"dropout": 0.2, "projector": "perceiver", "queries": 4, "heads": 2}, save_steps=1,
)  # fmt: skip
KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from vdesc_llava.training.recipe import Recipe
from vdesc_llava.training.train import train
from vdesc_llava.training.trainer import LlavaCaptionTrainer
real = LlavaCaptionTrainer._save_checkpoint
def deadly(self, *args):
    if self.recipe.learn == "lora" and self.state.global_step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *args)
LlavaCaptionTrainer._save_checkpoint = deadly
torch.set_num_threads(1)
train(Recipe.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""


class Stopped(BaseException):
    """What a run is stopped by."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data"), 18, 2)  # three steps an epoch


@pytest.fixture(scope="module")
def what(tmp_path_factory: pytest.TempPathFactory) -> Any:
    tower, llm = samples.bases(tmp_path_factory.mktemp("bases"))
    return recipe(**HARD, tower=str(tower), llm=str(llm))


@pytest.fixture(scope="module")
def undisturbed(data: Path, what: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    train(what, data, out)
    return out


def end(out: Path, stage: int) -> dict[str, torch.Tensor]:
    return load_file(checkpoints(out / f"stage-{stage}")[0] / "model.safetensors")


def assert_equal_runs(one: Path, other: Path) -> None:
    pairs = [(end(one, stage), end(other, stage)) for stage in (1, 2)]
    names = ("projector.safetensors", "adapter/adapter_model.safetensors")
    pairs += [(load_file(one / "best" / name), load_file(other / "best" / name)) for name in names]
    for first, second in pairs:
        assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    assert (one / "best/validation.json").read_text() == (other / "best/validation.json").read_text()


def stopping(real: Callable[..., Any], learn: str, step: int) -> Callable[..., Any]:
    def deadly(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.recipe.learn == learn and self.state.global_step >= step:
            raise Stopped
        return real(self, *args, **kwargs)

    return deadly


@pytest.mark.parametrize(
    ("method", "learn", "step", "there"),
    [
        ("training_step", "projector", 2, {"stage-1": 2}),  # within the first stage
        ("release", "projector", 3, {"stage-1": 3}),  # between the two
        ("training_step", "lora", 0, {"stage-1": 3}),  # the second has begun, and has no checkpoint
        ("_save_checkpoint", "lora", 3, {"stage-1": 3, "stage-2": 2}),  # after its last validation
    ],
)
def test_a_stopped_run_ends_with_the_same_weights(
    data: Path, what: Any, undisturbed: Path, tmp_path: Path, method: str, learn: str, step: int, there: dict[str, int]
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LlavaCaptionTrainer, method, stopping(getattr(LlavaCaptionTrainer, method), learn, step))
        with pytest.raises(Stopped):
            train(what, data, tmp_path)
    kept = {f"stage-{n}": checkpoints(tmp_path / f"stage-{n}") for n in (1, 2)}
    assert {name: int(some[0].name.rpartition("-")[2]) for name, some in kept.items() if some} == there
    train(what.model_copy(update={"workers": 1, "save_steps": 0}), data, tmp_path)  # which must not matter
    assert_equal_runs(undisturbed, tmp_path)


def test_a_killed_process_too(data: Path, what: Any, undisturbed: Path, tmp_path: Path):
    paths = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", KILLED, what.model_dump_json(), data, tmp_path], env=paths)
    assert done.returncode == -signal.SIGKILL
    train(what, data, tmp_path)
    assert_equal_runs(undisturbed, tmp_path)


def test_a_run_at_its_end_is_not_trained_further(data: Path, what: Any, undisturbed: Path, monkeypatch: Any):
    before = [end(undisturbed, stage) for stage in (1, 2)]
    monkeypatch.setattr(LlavaCaptionTrainer, "training_step", None)
    assert train(what, data, undisturbed) == undisturbed / "best"
    for old, new in zip(before, [end(undisturbed, stage) for stage in (1, 2)], strict=True):
        assert all(torch.equal(old[name], new[name]) for name in old)


def test_the_schedule_counts_steps_not_batches(data: Path, what: Any, tmp_path: Path, monkeypatch: Any):
    """The predecessor's counted batches: its rate was still at half when it ended."""
    rates: list[float] = []
    real = LlavaCaptionTrainer.training_step

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        rates.append(self.lr_scheduler.get_last_lr()[0])
        return real(self, *args, **kwargs)

    monkeypatch.setattr(LlavaCaptionTrainer, "training_step", noted)
    changed = what.model_copy(update=dict(stages=({"learn": "projector", "epochs": 4},), photos=2, accumulate=3))
    train(type(what)(**changed.model_dump()), data, tmp_path)
    assert len(rates) == 12 and max(rates) == pytest.approx(5e-3, rel=0.1) and rates[-1] < 5e-4


def test_another_recipe_does_not_go_on_where_this_one_was(data: Path, what: Any, undisturbed: Path):
    other = type(what)(**what.model_dump() | {"rate": 1e-5})
    with pytest.raises(SettingsError, match=r"stage-1 holds a run of another recipe \(rate: 0.005, not 1e-05\)"):
        train(other, data, undisturbed)


def test_the_first_stage_is_kept_where_a_later_one_changes(
    data: Path, what: Any, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(undisturbed / "stage-1", tmp_path / "stage-1")
    trained: list[str] = []
    real = LlavaCaptionTrainer.training_step

    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
        trained.append(self.recipe.learn)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(LlavaCaptionTrainer, "training_step", noted)
    train(
        type(what)(**what.model_dump() | {"stages": [HARD["stages"][0], {"learn": "lora", "rate": 2e-3}]}),
        data,
        tmp_path,
    )
    assert trained == ["lora"] * 3
