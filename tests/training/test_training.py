"""Training clipgpt: a run that learns, resumes, and gives a model that captions."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from training_samples import COLOURS, recipe, said, table
from typer.testing import CliRunner
from vdesc import PluginError, Trainer
from vdesc.registry import Registry
from vdesc.testing import assert_contract, module
from vdesc_clipgpt import ClipGPTTrainer
from vdesc_clipgpt.checkpoint import load_model
from vdesc_clipgpt.training.pack import pack
from vdesc_clipgpt.training.train import prepare, train
from vdesc_training.commands.train import app
from vdesc_training.progress import Watch
from vdesc_training.table import read_table


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(recipe(), data, tmp_path_factory.mktemp("run"))


def test_the_trained_model_tells_colours_apart(data: Path, trained: Path):
    model, tokenizer = load_model(str(trained), "cpu")
    told = said(model, tokenizer, data)
    right = [next(c for c in COLOURS if c in item.captions[0]) in told[item.id] for item in read_table(data, "val")]
    assert sum(right) >= 5, told


def test_the_model_folder_says_how_it_was_made(trained: Path):
    assert {"config.json", "model.safetensors", "tokenizer.json", "recipe.yaml"} <= {p.name for p in trained.iterdir()}
    assert json.loads((trained / "validation.json").read_text())["cider"] > 0


def test_a_packed_model_is_half_as_large_and_says_the_same(data: Path, trained: Path, tmp_path: Path):
    size = pack(trained, tmp_path / "small")
    weights = "model.safetensors"
    assert (tmp_path / "small" / weights).stat().st_size < 0.55 * (trained / weights).stat().st_size < size * 2
    told = [said(*load_model(str(folder), "cpu"), data) for folder in (trained, tmp_path / "small")]
    assert told[0] == told[1]


def test_a_terminal_shows_a_bar_with_loss_speed_and_time_left(data: Path, tmp_path: Path):
    screen = io.StringIO()
    watch = Watch(Console(file=screen, force_terminal=True, width=120, color_system=None))
    trainer = prepare(recipe(epochs=4), data, tmp_path, watch)
    trainer.train()
    watch.close()
    text = screen.getvalue()
    assert re.search(r"epoch 3\.33 of 4  loss \d\.\d+  [\d,]+ tokens/s", text)
    assert re.search(r"24/24 \d\d:\d\d", text) and text.count("bleu4") == 4


def test_where_there_is_no_terminal_a_line_now_and_then(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vdesc_training.progress.QUIET", 0)
    train(recipe(epochs=4), data, tmp_path)
    shown = capsys.readouterr()
    assert re.search(r"step 20 of 24  epoch 3\.33 of 4  loss \d\.\d+  [\d,]+ tokens/s  0:00:\d\d left\n", shown.err)
    assert shown.out == ""


def test_the_command_finds_trainers_among_the_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []

    class Own(Trainer):
        """A stranger's trainer."""

        name = "own"

        class Recipe(Trainer.Recipe):
            depth: int = 3

        def train(self, recipe, data, out):  # type: ignore[no-untyped-def]
            seen.append((recipe.depth, data, out))
            return out

    real = Registry.__init__

    def with_own(self: Registry) -> None:
        real(self)
        self.register(module(Own))

    monkeypatch.setattr(Registry, "__init__", with_own)
    (tmp_path / "own.yaml").write_text("depth: 5")
    given = ["own", "--config", str(tmp_path / "own.yaml"), "--data", "d", "-o", "o", "--set", "depth=7"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0 and done.output == "best model: o\n"
    assert seen == [(7, Path("d"), Path("o"))]
    wrong = CliRunner().invoke(app, ["clipgtp", *given[1:]])
    assert isinstance(wrong.exception, PluginError)
    assert "there is no trainer called 'clipgtp' (did you mean 'clipgpt'?)" in str(wrong.exception)


def test_the_trainer_keeps_the_contract_and_is_light():
    assert_contract(ClipGPTTrainer)
