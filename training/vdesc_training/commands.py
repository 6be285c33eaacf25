"""The sub-commands that training adds: `vdesc data`, `vdesc train`, `vdesc eval`. Light to import."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from vdesc.errors import MissingExtra

data = typer.Typer(help="Brings data sets into a caption table.", no_args_is_help=True)
train = typer.Typer(help="Trains a captioner.", no_args_is_help=True)
evaluate = typer.Typer(help="Measures a captioner on a caption table.", no_args_is_help=True)

Table = Annotated[Path, typer.Option("--data", help="A folder with captions.jsonl, made by `vdesc data`.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="One value of the recipe, as in epochs=3.")]


@data.callback()
def _data() -> None:
    """Brings data sets into a caption table."""


@data.command()
def flickr8k(
    source: Annotated[Path, typer.Argument(help="The folder with captions.csv.gz and the zips of photos.")],
    folder: Annotated[Path, typer.Argument(help="Where the table and its photos go.")],
) -> None:
    """Reads Flickr8k (research use only)."""
    from .readers import flickr8k as read

    print(f"{read(source, folder)} photos in {folder}")


@train.callback()
def _train() -> None:
    """Trains a captioner."""


@train.command()
def clipgpt(
    config: Annotated[str, typer.Option(help="A recipe: a YAML file, or a name in configs/clipgpt.")],
    table: Table,
    out: Annotated[Path, typer.Option("--output", "-o", help="Where checkpoints and the best model go.")],
    sets: Sets = None,
) -> None:
    """Trains clipgpt by a recipe; run again, it goes on from the last checkpoint."""
    from .recipes import read_recipe

    _need_training()
    from vdesc_clipgpt.train import Recipe
    from vdesc_clipgpt.train import train as run

    print(f"best model: {run(read_recipe(Recipe, 'clipgpt', config, sets or ()), table, out)}")


@evaluate.callback()
def _evaluate() -> None:
    """Measures a captioner on a caption table."""


@evaluate.command("clipgpt")
def evaluate_clipgpt(
    table: Table,
    model: Annotated[str, typer.Option(help="mini, or a model's folder.")] = "mini",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    beam: Annotated[int, typer.Option(min=1, help="Beam width; 1 is greedy.")] = 3,
    precision: Annotated[str, typer.Option(help="float32, or int8, the fast mode of a CPU.")] = "float32",
) -> None:
    """Prints BLEU, ROUGE-L, CIDEr-D and diversity of clipgpt's captions."""
    _need_training()
    from vdesc_clipgpt.train import evaluate as run

    for name, value in run(model, table, split, beam, precision).items():
        print(f"{name:>10} {value:.4f}")


def _need_training() -> None:
    """Raises `MissingExtra` where a package that training uses is not installed."""
    for package in ("accelerate", "pycocoevalcap"):
        if find_spec(package) is None:
            raise MissingExtra("training", package, "train")
