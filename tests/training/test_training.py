"""Training clipgpt: the table, the recipe, a run that learns, resumes, and gives a model that captions."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from vdesc.errors import SettingsError
from vdesc_clipgpt.checkpoint import load_model
from vdesc_clipgpt.decoding import Decoding
from vdesc_clipgpt.pack import pack
from vdesc_clipgpt.recipe import Recipe
from vdesc_clipgpt.train import train
from vdesc_clipgpt.trainer import caption_items
from vdesc_training.metrics import normal, score
from vdesc_training.recipes import read_recipe
from vdesc_training.table import Item, read_table, write_table

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 200)}
MODEL = {
    "encoder": {
        "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 32, "patch_size": 16,
    },
    "decoder": {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 32},
    "reads": "grid", "mapper": "grid", "prefix": 4, "layers": 0, "text": "lower", "max_tokens": 12,
    "image": {"size": 32, "resize": "squash", "mean": [0.5] * 3, "std": [0.25] * 3},
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of plain coloured pictures, each called by its colour."""
    folder = tmp_path_factory.mktemp("data")
    items = []
    for i in range(42):
        colour = list(COLOURS)[i % 3]
        image = Image.new("RGB", (40, 32), COLOURS[colour])
        ImageDraw.Draw(image).ellipse((i % 8, 4, i % 8 + 9, 14), fill="white")
        image.save(folder / f"{i}.png")
        split = "val" if i >= 36 else "train"
        items.append(Item(str(i), (f"{i}.png",), split, (f"A {colour} picture .", f"The picture is {colour} .")))
    assert write_table(folder, items) == 42
    return folder


def recipe(**changes: object) -> Recipe:
    values = dict(model=MODEL, vocabulary=280, epochs=16, photos=6, rate=1e-2, workers=0, smallest_crop=0.9,
                  label_smoothing=0.0, encoder_rate=3e-3)  # fmt: skip
    return Recipe(**(values | changes))


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return train(recipe(), data, tmp_path_factory.mktemp("run"))


def test_the_trained_model_tells_colours_apart(data: Path, trained: Path):
    model, tokenizer = load_model(str(trained), "cpu")
    items = list(read_table(data, "val"))
    said = caption_items(model, tokenizer, data, items, Decoding(beams=1, max_tokens=12))
    right = [next(c for c in COLOURS if c in item.captions[0]) in said[item.id] for item in items]
    assert sum(right) >= 5, said


def test_the_model_folder_says_how_it_was_made(trained: Path):
    assert {"config.json", "model.safetensors", "tokenizer.json", "recipe.yaml"} <= {p.name for p in trained.iterdir()}
    assert json.loads((trained / "validation.json").read_text())["cider"] > 0


def test_a_packed_model_is_half_as_large_and_says_the_same(data: Path, trained: Path, tmp_path: Path):
    size = pack(trained, tmp_path / "small")
    weights = "model.safetensors"
    assert (tmp_path / "small" / weights).stat().st_size < 0.55 * (trained / weights).stat().st_size < size * 2
    items = list(read_table(data, "val"))
    said = [
        caption_items(*load_model(str(folder), "cpu"), data, items, Decoding(beams=1, max_tokens=12))
        for folder in (trained, tmp_path / "small")
    ]
    assert said[0] == said[1]


def test_a_run_that_was_stopped_ends_as_one_that_was_not(data: Path, tmp_path: Path):
    """The schedule, the optimizer and the order of data go on where they were."""
    torch.set_num_threads(1)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(recipe(epochs=4, smallest_crop=1.0), data, whole)

    class Stop(Exception):
        pass

    from vdesc_clipgpt.train import CaptionTrainer

    real = CaptionTrainer.evaluate

    def stopping(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self.state.epoch > 2.5:
            raise Stop
        return real(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CaptionTrainer, "evaluate", stopping)
        with pytest.raises(Stop):
            train(recipe(epochs=4, smallest_crop=1.0), data, parts)
    train(recipe(epochs=4, smallest_crop=1.0), data, parts)
    from safetensors.torch import load_file

    ends = [load_file(next(folder.glob("checkpoint-*")) / "model.safetensors") for folder in (whole, parts)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_recipes_are_read_by_name_with_changes_laid_over():
    mini = read_recipe(Recipe, "clipgpt", "mini", ["epochs=3", "seed=7"])
    assert (mini.epochs, mini.seed) == (3, 7) and mini.model["mapper"] == "grid"


@pytest.mark.parametrize(
    ("config", "sets", "words"),
    [
        ("minni", [], "did you mean 'mini'"),
        ("mini", ["epoch=3"], "did you mean 'epochs'"),
        ("mini", ["epochs=x"], "epochs"),
    ],
)
def test_a_wrong_recipe_gets_a_sentence(config: str, sets: list[str], words: str):
    with pytest.raises(SettingsError, match=words):
        read_recipe(Recipe, "clipgpt", config, sets)


def test_words_are_counted_as_the_coco_evaluation_counts_them():
    assert (
        normal("A man's dog, isn't it?  Yes (really) -- well-known!") == "a man 's dog is n't it yes really well-known"
    )


def test_scores_of_a_perfect_answer_and_of_a_wrong_one():
    references = {"a": ["a dog runs on the grass"], "b": ["two men talk in a bar"], "c": ["the red car is parked"]}
    same = score({key: texts[0] for key, texts in references.items()}, references)
    wrong = score({"a": "the red car is parked", "b": "a dog runs on the grass", "c": "nothing at all"}, references)
    assert same["bleu4"] == pytest.approx(1, abs=1e-6) and same["cider"] > 9
    assert wrong["cider"] < 1 and wrong["rouge"] < same["rouge"]
    assert score({"a": "x y", "b": "x y", "c": "x y"}, references)["diversity"] == pytest.approx(1 / 3)


def test_flickr8k_is_read_with_its_split(shared: Path, tmp_path: Path):
    from vdesc_training.readers import flickr8k

    assert flickr8k(shared / "flickr8k", tmp_path) == 8000
    items = list(read_table(tmp_path))
    assert {split: sum(item.split == split for item in items) for split in ("train", "val", "test")} == {
        "train": 6000, "val": 1000, "test": 1000,
    }  # fmt: skip
    assert all(len(item.captions) >= 4 and (tmp_path / item.images[0]).is_file() for item in items[::500])
