"""What goes wrong while training: a sentence each, and nothing lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_samples import MODEL, recipe, table
from vdesc import InputError, ModelError, OutputError, PluginError, SettingsError
from vdesc_clipgpt.training.train import train
from vdesc_clipgpt.training.trainer import ClipGPTCaptionTrainer
from vdesc_training.features import FeatureWriter
from vdesc_training.guard import collapse
from vdesc_training.resume import checkpoints
from vdesc_training.table import Item, read_table, write_table

DRY = {"decoder": MODEL["decoder"] | {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}}
REFERENCES = {str(i): [f"person {i} walks", f"somebody {i} goes"] for i in range(100)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return table(tmp_path / "data", 12, 3)


def changed(data: Path, change: Callable[[Item], Item | None]) -> None:
    write_table(data, [made for item in list(read_table(data)) if (made := change(item))])


# ---- memory and numbers


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError])
def test_out_of_memory_halves_the_batch_and_learns_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, kind: type
):
    what = recipe(epochs=2, model=DRY)
    train(what, data, tmp_path / "ample")
    sizes = []
    real = ClipGPTCaptionTrainer.compute_loss

    def tight(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(inputs["labels"]))
        loss = real(self, model, inputs, *args, **kwargs)
        if sizes[-1] > 3:
            loss.backward()  # it may have got as far as some gradients
            raise kind("CUDA out of memory. Tried to allocate 2.00 GiB")
        return loss

    monkeypatch.setattr(ClipGPTCaptionTrainer, "compute_loss", tight)
    capsys.readouterr()
    train(what, data, tmp_path / "tight")
    assert sizes == [6, 3, 3, 3, 3, 3, 3, 3, 3]
    said = capsys.readouterr().err
    assert said.count("out of memory") == 1 and "photos=3, accumulate=2" in said
    ends = [load_file(checkpoints(tmp_path / name)[0] / "model.safetensors") for name in ("ample", "tight")]
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, atol=2e-4, rtol=1e-3)


def test_memory_for_not_even_one_item_is_a_sentence(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def never(*args: Any, **kwargs: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(ClipGPTCaptionTrainer, "compute_loss", never)
    with pytest.raises(PluginError, match="out of memory with 1 items at once: lower photos"):
        train(recipe(), data, tmp_path / "run")


def test_another_error_of_the_model_is_no_lack_of_memory(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def wrong(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(ClipGPTCaptionTrainer, "compute_loss", wrong)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(recipe(), data, tmp_path / "run")


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_checkpoint(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = ClipGPTCaptionTrainer.compute_loss

    def nan(self: Any, *args: Any, **kwargs: Any) -> Any:
        return real(self, *args, **kwargs) * (float("nan") if self.state.global_step == 3 else 1)

    monkeypatch.setattr(ClipGPTCaptionTrainer, "compute_loss", nan)
    with pytest.raises(PluginError, match=r"the loss is nan at step 4, .*checkpoint-2 is as it was: lower the rate"):
        train(recipe(), data, tmp_path / "run")
    (kept,) = checkpoints(tmp_path / "run")
    assert all(value.isfinite().all() for value in load_file(kept / "model.safetensors").values())


def test_a_gradient_that_is_no_number_stops_the_run_too(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = ClipGPTCaptionTrainer.compute_loss

    def infinite(self: Any, *args: Any, **kwargs: Any) -> Any:
        loss = real(self, *args, **kwargs)
        return loss + (self.model.mapper.place.sum() * 0).sqrt() * 0 if self.state.global_step == 1 else loss

    monkeypatch.setattr(ClipGPTCaptionTrainer, "compute_loss", infinite)
    with pytest.raises(PluginError, match=r"the gradient is nan at step 2, .*there is no checkpoint yet"):
        train(recipe(), data, tmp_path / "run")


# ---- collapse


def test_the_guard_tells_one_sentence_from_many():
    assert collapse({key: f"a man {key}" for key in REFERENCES}, REFERENCES) is None
    same = dict.fromkeys(REFERENCES, "a man in a shirt")
    assert collapse(same, REFERENCES) == "1 different captions for 100 items, most often 'a man in a shirt'"
    handful = {key: f"a man {int(key) % 4}" for key in REFERENCES}
    assert "4 different captions" in (collapse(handful, REFERENCES) or "")
    often = {key: "a man" if int(key) < 60 else f"a dog {key}" for key in REFERENCES}
    assert collapse(often, REFERENCES) == "'a man' is said of 60 of 100 items"
    common = {key: "a man" if int(key) < 45 else f"a dog {key}" for key in REFERENCES}
    assert collapse(common, REFERENCES) is None


def test_the_guard_asks_no_more_of_a_model_than_of_people():
    colours = {str(i): [f"a {'red' if i % 3 else 'blue'} picture"] for i in range(60)}
    assert collapse({key: texts[0] for key, texts in colours.items()}, colours) is None
    assert collapse(dict.fromkeys(colours, "a red picture"), colours) is None  # people say it of two in three
    assert collapse(dict.fromkeys(colours, "x") | {"0": "y"}, {k: [f"{i}"] for i, k in enumerate(colours)})


def test_the_guard_says_nothing_of_few_items():
    assert collapse(dict.fromkeys(map(str, range(20)), "a"), REFERENCES) is None


def test_a_collapsed_epoch_is_flagged_and_never_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    data = table(tmp_path / "data", 12, 30)
    changed(data, lambda item: Item(item.id, item.images, item.split, (f"picture {item.id} is {item.captions[0]}",)))
    real = ClipGPTCaptionTrainer._measure

    def stuck(self: Any) -> Any:
        said, numbers = real(self)
        third = self.state.epoch == 3
        return ({key: "a red picture" if third else f"it is {key}" for key in said}), numbers

    monkeypatch.setattr(ClipGPTCaptionTrainer, "_measure", stuck)
    monkeypatch.setattr(
        "vdesc_training.trainer.score",
        lambda said, references: {"cider": 9.0 if len({*said.values()}) == 1 else 0.1},
    )
    best = train(recipe(epochs=4), data, tmp_path / "run")
    assert '"cider": 0.1' in (best / "validation.json").read_text()
    said = capsys.readouterr().err
    assert said.count("THE CAPTIONS HAVE COLLAPSED: 1 different captions for 30 items") == 1


def test_a_model_made_to_collapse_gives_no_best_model_but_a_sentence(tmp_path: Path, capsys: Any):
    """A mapper that nothing reaches: the decoder hears the same of every picture."""
    data = table(tmp_path / "data", 12, 30)
    changed(data, lambda item: Item(item.id, item.images, item.split, (f"picture {item.id} is {item.captions[0]}",)))
    blind = {"mapper": "mlp", "reads": "projected", "prefix": 2, "image": MODEL["image"] | {"std": [1e9] * 3}}
    with pytest.raises(PluginError, match="captions of every validation had collapsed, so no model was chosen"):
        train(recipe(epochs=2, model=blind, encoder_from_epoch=None), data, tmp_path / "run")
    assert capsys.readouterr().err.count("THE CAPTIONS HAVE COLLAPSED") == 2
    assert checkpoints(tmp_path / "run") and not (tmp_path / "run" / "best").exists()


# ---- the data


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("features", ["images", "cached"])
def test_missing_and_broken_pictures_are_left_out_with_a_note_each(
    data: Path, tmp_path: Path, capsys: Any, features: str, workers: int
):
    for name in ("3-0.png", "12-0.png"):
        (data / name).unlink()
    (data / "4-0.png").write_bytes((data / "4-0.png").read_bytes()[:60])
    (data / "13-0.png").write_bytes(b"no picture")
    train(
        recipe(epochs=2, features=features, workers=workers, encoder_from_epoch=None, photos=4), data, tmp_path / "run"
    )
    said = capsys.readouterr().err
    assert said.count("for want of picture files: 3, 12\n") == 1
    assert said.count("4-0.png cannot be read as a picture") == 1 and said.count("13-0.png cannot be read") == 1


@pytest.mark.parametrize("workers", [0, 2])
def test_a_table_without_one_good_picture_is_a_sentence(data: Path, tmp_path: Path, workers: int):
    for path in data.glob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match="not one picture of the training split can be read"):
        train(recipe(workers=workers), data, tmp_path / "run")
    with pytest.raises(InputError, match="has no features of any item in the split 'train'"):
        train(recipe(workers=workers, features="cached", encoder_from_epoch=None), data, tmp_path / "other")


def test_one_item_is_enough(tmp_path: Path):
    assert train(recipe(epochs=2), table(tmp_path / "data", 1, 1), tmp_path / "run").is_dir()


def test_no_training_split_is_a_sentence(data: Path, tmp_path: Path):
    changed(data, lambda item: item if item.split == "val" else None)
    with pytest.raises(
        InputError, match=r"no items in the split 'train' that can be learned from \(items: 3 in 'val'\)"
    ):
        train(recipe(), data, tmp_path / "run")


def test_no_table_is_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match="vdesc data"):
        train(recipe(), tmp_path, tmp_path / "run")


def test_empty_captions_are_dropped_and_items_without_words_left_out(data: Path, tmp_path: Path, capsys: Any):
    def emptied(item: Item) -> Item:
        captions = {"1": (" ", ""), "2": (item.captions[0], "  ")}.get(item.id, item.captions)
        return Item(item.id, item.images, item.split, captions)

    changed(data, emptied)
    train(recipe(epochs=1, photos=11), data, tmp_path / "run")
    assert "left out, for want of captions: 1\n" in capsys.readouterr().err


def test_words_without_pictures_are_left_out(data: Path, tmp_path: Path, capsys: Any):
    changed(data, lambda item: Item(item.id, (), item.split, item.captions) if int(item.id) < 5 else item)
    train(recipe(epochs=1), data, tmp_path / "run")
    assert "for want of pictures: 0, 1, 2 and 2 more" in capsys.readouterr().err


def test_items_takes_so_many_of_each_split(data: Path, tmp_path: Path):
    train(recipe(epochs=1, items=2, photos=1), data, tmp_path / "run")
    assert checkpoints(tmp_path / "run")[0].name == "checkpoint-2"


# ---- weights and settings


def test_weights_of_another_size_are_a_sentence(data: Path, tmp_path: Path):
    best = train(recipe(epochs=1), data, tmp_path / "run")
    with pytest.raises(ModelError, match=r"does not fit the recipe's model: its .* is \(.*\), not \("):
        train(recipe(start=str(best), model={"decoder": {"n_embd": 64}}), data, tmp_path / "other")
    with pytest.raises(ModelError, match="does not fit the recipe's model"):
        train(recipe(encoder=str(best), model={"encoder": {"hidden_size": 64}}), data, tmp_path / "other")


def test_a_checkpoint_of_another_size_than_the_recipe_is_a_sentence(data: Path, tmp_path: Path):
    train(recipe(epochs=1), data, tmp_path / "run")
    wide = {"decoder": MODEL["decoder"] | {"n_embd": 64}}
    with pytest.raises(SettingsError, match="holds a run of another recipe"):
        train(recipe(epochs=1, model=wide), data, tmp_path / "run")
    (checkpoints(tmp_path / "run")[0] / "recipe.yaml").unlink()  # a checkpoint from elsewhere
    with pytest.raises(ModelError, match="does not fit the recipe's model"):
        train(recipe(epochs=2, model=wide), data, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"start": "nowhere/at/all"}, ModelError, "there is no model 'nowhere/at/all'"),
        ({"decoder": "no-such-gpt"}, ModelError, "there is no model 'no-such-gpt'"),
        ({"model": {"mapper": "magic"}}, ModelError, "cannot be built: unknown mapper 'magic'"),
        ({"model": {"max_tokens": 90}}, ModelError, "need 94 positions, but its decoder has 32: raise n_positions"),
        ({"metric": "cidre"}, SettingsError, "no validation score 'cidre' .did you mean 'cider'"),
        ({"precision": "float16"}, SettingsError, "float16 needs a GPU"),
        ({"features": "clip", "encoder_from_epoch": None}, InputError, "the features in .*clip are not there"),
    ],
)
def test_what_a_recipe_cannot_have_is_a_sentence(
    data: Path, tmp_path: Path, changes: dict[str, Any], error: type, words: str
):
    if changes.get("precision") and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(error, match=words):
        train(recipe(**changes), data, tmp_path / "run")


def test_curves_for_a_package_that_is_not_installed_are_a_sentence(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("vdesc_training.progress.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="report wandb needs the package wandb: pip install wandb, or --set report"):
        train(recipe(report="wandb"), data, tmp_path / "run")
    train(recipe(report="auto", epochs=1), data, tmp_path / "run")
    assert not (tmp_path / "run" / "curves").exists()


def test_features_of_another_encoder_are_a_sentence(data: Path, tmp_path: Path):
    with FeatureWriter(data, "clip", {}) as writer:
        for item in read_table(data):
            writer.put(item.id, torch.randn(1, 1, 77))
    with pytest.raises(SettingsError, match=r"are \(1, 1, 77\) an item, which the recipe's mapper 'grid' cannot read"):
        train(recipe(features="clip", encoder_from_epoch=None), data, tmp_path / "run")


def test_a_folder_that_cannot_be_written_is_a_sentence(data: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file.run"):
        train(recipe(), data, tmp_path / "file" / "run")
