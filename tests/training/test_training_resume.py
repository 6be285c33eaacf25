"""A run that is killed and goes on ends with the same weights, bit for bit; a checkpoint is whole or not there."""

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_samples import recipe, table
from vdesc import OutputError, SettingsError
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_clipgpt.training.train import train
from vdesc_training.resume import checkpoints, restore, whole
from vdesc_training.trainer import CaptionTrainer

HARD = dict(model={"dropout": 0.2, "layers": 1, "heads": 2}, epochs=3, workers=2, smallest_crop=0.5, captions=1,
            save_steps=2, encoder_from_epoch=1.0, warmup=0.2, weight_decay=0.1)  # fmt: skip
KILLED = """
import os, signal, sys
from pathlib import Path
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_clipgpt.training.train import train
from vdesc_training.trainer import CaptionTrainer
real, at = getattr(CaptionTrainer, sys.argv[4]), int(sys.argv[5])
def deadly(self, *args, **kwargs):
    if self.state.global_step >= at:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, *args, **kwargs)
setattr(CaptionTrainer, sys.argv[4], deadly)
import torch
torch.set_num_threads(1)
train(Recipe.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data"), 30, 6)  # five steps an epoch


def end(out: Path) -> dict[str, torch.Tensor]:
    return load_file(checkpoints(out)[0] / "model.safetensors")


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def killed(what: Recipe, data: Path, out: Path, method: str, step: int) -> None:
    """A run in a process of its own that gets SIGKILL when it calls the method at that step."""
    done = subprocess.run([sys.executable, "-c", KILLED, what.model_dump_json(), data, out, method, str(step)])
    assert done.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    train(recipe(**HARD), data, out)
    return out


@pytest.mark.parametrize(
    ("method", "step", "last"),
    [
        ("training_step", 7, 6),  # within the second epoch, a step after a checkpoint
        ("_save_checkpoint", 10, 8),  # after a validation, before its checkpoint
        ("_save", 7, 6),  # within a checkpoint
    ],
)
def test_a_killed_run_ends_with_the_same_weights(
    data: Path, undisturbed: Path, tmp_path: Path, method: str, step: int, last: int
):
    killed(recipe(**HARD), data, tmp_path, method, step)
    assert checkpoints(tmp_path)[0].name == f"checkpoint-{last}"
    train(recipe(**HARD | {"workers": 0, "save_steps": 0}), data, tmp_path)  # which must not matter
    assert equal(end(undisturbed), end(tmp_path))
    assert equal(load_file(undisturbed / "best/model.safetensors"), load_file(tmp_path / "best/model.safetensors"))
    for name in ("validation.json", "tokenizer.json", "config.json"):
        assert (undisturbed / "best" / name).read_text() == (tmp_path / "best" / name).read_text()


def test_another_seed_ends_elsewhere(data: Path, undisturbed: Path, tmp_path: Path):
    train(recipe(**HARD | {"seed": 1, "workers": 0}), data, tmp_path)
    assert not equal(end(undisturbed), end(tmp_path))


def test_a_run_at_its_end_is_not_trained_further(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    train(recipe(epochs=0.5), data, tmp_path)
    before = end(tmp_path)
    monkeypatch.setattr(CaptionTrainer, "training_step", None)
    assert train(recipe(epochs=0.5), data, tmp_path) == tmp_path / "best"
    assert equal(before, end(tmp_path))


def test_only_the_last_checkpoint_stays_and_nothing_hidden(undisturbed: Path):
    assert sorted(path.name for path in undisturbed.iterdir()) == ["best", "checkpoint-15"]


def full(write: Callable[..., Any], after: int) -> Callable[..., Any]:
    """A `torch.save` whose disk is full in the middle of a file, from the call number `after` on."""
    calls = [0]

    def save(what: Any, path: Any, *args: Any, **kwargs: Any) -> None:
        calls[0] += 1
        write(what, path, *args, **kwargs)
        if calls[0] >= after:
            os.truncate(path, Path(path).stat().st_size // 2)
            raise OSError(errno.ENOSPC, "No space left on device")

    return save


def test_a_full_disk_leaves_the_last_good_checkpoint(data: Path, tmp_path: Path, undisturbed: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "save", full(torch.save, 5))  # each checkpoint saves three files: in the second one
        with pytest.raises(
            OutputError, match=r"checkpoint-4: .*No space left.*checkpoint-2, the last good one, is kept"
        ):
            train(recipe(**HARD | {"workers": 0}), data, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-2"]
    train(recipe(**HARD | {"workers": 0}), data, tmp_path)
    assert equal(end(undisturbed), end(tmp_path))


def test_a_file_that_the_system_refuses_to_grow_is_one_sentence(tmp_path: Path):
    """The same with a real limit of the system instead of a full disk, in the weights' own writer."""
    from safetensors.torch import save_file

    folder = tmp_path / "checkpoint-4"
    folder.mkdir()
    (folder / "old").write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        for write in (
            lambda path: save_file({"a": torch.zeros(9999)}, path),
            lambda path: torch.save(torch.zeros(9999), path),
        ):
            with pytest.raises(OutputError, match=r"checkpoint-4: .*; nothing is lost: make room"), \
                 whole(folder, "nothing is lost") as partial:  # fmt: skip
                write(partial / "weights")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in folder.iterdir()] == ["old"] and len(list(tmp_path.iterdir())) == 1


def test_a_crash_between_the_two_renames_loses_nothing(tmp_path: Path):
    (tmp_path / ".best.old").mkdir()
    restore(tmp_path / "best")
    assert [path.name for path in tmp_path.iterdir()] == ["best"]


def test_a_damaged_checkpoint_is_passed_over(data: Path, tmp_path: Path):
    train(recipe(epochs=1), data, tmp_path)
    (tmp_path / "checkpoint-9").mkdir()
    (tmp_path / "checkpoint-9/model.safetensors").write_bytes(b"half")
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-5"]


def test_another_recipe_does_not_go_on_where_this_one_was(data: Path, tmp_path: Path):
    train(recipe(epochs=1), data, tmp_path)
    with pytest.raises(SettingsError, match=r"another recipe \(epochs: 1.0, not 2.0\).*another folder with -o"):
        train(recipe(epochs=2), data, tmp_path)
    with pytest.raises(SettingsError, match=r"another recipe \(model: .*: give it the same"):
        train(recipe(epochs=1, model={"prefix": 8}), data, tmp_path)
    train(recipe(epochs=1, save_steps=3, report="none"), data, tmp_path)


def test_no_path_of_this_machine_is_in_what_is_kept(undisturbed: Path, data: Path):
    files = [path for path in undisturbed.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        for word in (str(undisturbed), str(data), str(Path.home() / "x")[:-2], os.uname().nodename):
            assert word.encode() not in path.read_bytes() or len(word) < 6, (path, word)
