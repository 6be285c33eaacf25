"""Recipes: they are read, they describe models that can be built, and the smallest keeps the README's promise."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image, ImageDraw
from vdesc.errors import SettingsError
from vdesc.settings import configs
from vdesc_clipgpt.config import SHAPES
from vdesc_clipgpt.training.beginning import build, over
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_training.recipes import read_recipe
from vdesc_training.table import Item, write_table

NAMES = sorted(path.stem for path in (configs() / "clipgpt").glob("*.yaml"))
MOBILE = {"encoder": {"model_type": "mobilenet_v2", "tf_padding": True, "finegrained_output": True}, "reads": "grid"}
MILLIONS = {"flickr30k-s": (169, 98), "flickr30k-l": (422, 145), "coco-mlp": (156, 156), "coco-transformer": (182, 58)}


def test_the_recipes_that_are_promised_are_there():
    assert {"mini", "flickr30k-s", "flickr30k-l", "coco-mlp", "coco-transformer", "msrvtt-cross", "tiny-cpu"} <= set(
        NAMES
    )


def settings(name: str) -> dict[str, Any]:
    """What a recipe says of its model, over what the run or the encoder that it begins with says."""
    recipe, before = read_recipe(Recipe, "clipgpt", name), dict(MOBILE)
    if recipe.start:
        before = settings(Path(recipe.start).parent.name)
    elif (recipe.encoder or "").startswith("runs/"):
        whole = settings(Path(recipe.encoder or "").parent.name)
        before = {key: whole[key] for key in ("encoder", "reads", "image") if key in whole}
    return over(before, recipe.model)


def described(name: str) -> Any:
    """The recipe, and its model on the meta device."""
    with torch.device("meta"):
        return read_recipe(Recipe, "clipgpt", name), build(settings(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_describes_a_model_that_can_be_built(name: str):
    from vdesc_clipgpt.training.tuning import tune

    recipe, model = described(name)
    tune(model, recipe)
    assert any(parameter.requires_grad for parameter in model.parameters())
    text = (configs() / "clipgpt" / f"{name}.yaml").read_text()
    assert text.startswith("# ") and yaml.safe_load(text)


@pytest.mark.parametrize("name", MILLIONS)
def test_the_predecessors_sizes_are_theirs(name: str):
    from vdesc_clipgpt.training.tuning import tune

    recipe, model = described(name)
    tune(model, recipe)
    own = sum(p.numel() for n, p in model.named_parameters() if not n.startswith("encoder."))
    learn = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (round(own / 1e6), round(learn / 1e6)) == MILLIONS[name]


@pytest.mark.parametrize(("name", "size"), [("flickr30k-s", "S"), ("flickr30k-l", "L")])
def test_clip_gpt_captionings_recipes_have_its_shapes(name: str, size: str):
    model = read_recipe(Recipe, "clipgpt", name).model
    for key, value in SHAPES[size].items():
        assert (
            value.items() <= model[key].items() | {("model_type", "gpt2")}
            if isinstance(value, dict)
            else value == model[key]
        )


def test_recipes_are_read_by_name_with_changes_laid_over():
    mini = read_recipe(Recipe, "clipgpt", "mini-encoder", ["epochs=3", "seed=7", "model.prefix=9", "lora.r=2"])
    assert (mini.epochs, mini.seed, mini.lora.r) == (3, 7, 2)
    assert mini.model["mapper"] == "grid" and mini.model["prefix"] == 9


@pytest.mark.parametrize(
    ("config", "sets", "words"),
    [
        ("minni", [], "did you mean 'mini'"),
        ("mini", ["epoch=3"], "did you mean 'epochs'"),
        ("mini", ["epochs=x"], "epochs"),
        ("mini", ["epochs"], "write name=value, as in epochs=3"),
        ("mini", ["epochs.x=3"], "epochs has no parts"),
        ("mini", ["epochs=[3"], "value is not readable"),
        ("mini", ["lora.rank=3"], "lora.rank 3 is wrong"),
        ("mini", ["tune=everything"], "tune 'everything' is wrong"),
        ("mini-encoder", ["features=cached"], "cannot follow an encoder that is tuned"),
        ("tiny-cpu", ["features=images"], "views are for 'features: cached'"),
        ("tiny-cpu", ["start=mini"], "unset encoder and decoder"),
    ],
)
def test_a_wrong_recipe_gets_a_sentence(config: str, sets: list[str], words: str):
    with pytest.raises(SettingsError, match=words):
        read_recipe(Recipe, "clipgpt", config, sets)


@pytest.mark.parametrize(("text", "words"), [("a: [", "cannot be read as YAML"), ("- a\n- b", "is no recipe")])
def test_a_file_that_is_no_recipe_gets_a_sentence(tmp_path: Path, text: str, words: str):
    (tmp_path / "my.yaml").write_text(text)
    with pytest.raises(SettingsError, match=words):
        read_recipe(Recipe, "clipgpt", str(tmp_path / "my.yaml"))


def test_an_unknown_setting_of_the_model_gets_a_sentence():
    from vdesc_clipgpt.training.beginning import begin

    with pytest.raises(SettingsError, match=r"no setting 'prefixes' .did you mean 'prefix'"):
        begin(Recipe(model={"prefixes": 3}), ["a"])


# ---- the promise


GROUNDS, COLOURS, SHAPES_DRAWN = (
    ["black", "gray", "white"],
    ["red", "green", "blue", "yellow"],
    ["square", "ring", "line"],
)


def drawn(folder: Path, train: int, val: int) -> Path:
    """Drawn pictures of a shape on a ground; a grammar says what is in them."""
    folder.mkdir()
    chance, items = random.Random(0), []
    for i in range(train + val):
        ground, colour, shape = (chance.choice(words) for words in (GROUNDS, COLOURS, SHAPES_DRAWN))
        image = Image.new("RGB", (224, 224), ground)
        left, top, size = chance.randint(40, 60), chance.randint(40, 60), chance.randint(100, 120)
        box, draw = (left, top, left + size, top + size), ImageDraw.Draw(image)
        if shape == "square":
            draw.rectangle(box, fill=colour)
        elif shape == "ring":
            draw.ellipse(box, outline=colour, width=25)
        else:
            draw.line(box, fill=colour, width=25)
        image.save(folder / f"{i}.jpg")
        said = (f"A {colour} {shape} on a {ground} ground.", f"There is {ground} paper with a {colour} {shape} on it.")
        items.append(Item(str(i), (f"{i}.jpg",), "train" if i < train else "val", said))
    write_table(folder, items)
    return folder


def test_tiny_cpu_reaches_its_loss(tmp_path: Path):
    """As the README promises, through the command line: the loss of a token that `tiny-cpu.yaml` states."""
    data = drawn(tmp_path / "data", 200, 30)
    command = f"train clipgpt --config tiny-cpu --data {data} -o {tmp_path / 'run'}"
    alone = os.environ | {"OMP_NUM_THREADS": "1"}  # threads that wait for each other lose most on a busy machine
    done = subprocess.run([sys.executable, "-m", "vdesc", *command.split()], capture_output=True, text=True, env=alone)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"best model: {tmp_path / 'run' / 'best'}\n"
    numbers = json.loads((tmp_path / "run/best/validation.json").read_text())
    assert numbers["loss"] < 0.15 and numbers["bleu4"] > 0.8, done.stderr
