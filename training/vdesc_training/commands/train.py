"""`vdesc train`: trains a captioner by a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from . import Sets, Table, need

app = typer.Typer(help="Trains a captioner.", no_args_is_help=True)


@app.callback()
def _train() -> None:
    """Trains a captioner."""


@app.command()
def clipgpt(
    config: Annotated[str, typer.Option(help="A recipe: a YAML file, or a name in configs/clipgpt.")],
    table: Table,
    out: Annotated[Path, typer.Option("--output", "-o", help="Where checkpoints and the best model go.")],
    sets: Sets = None,
) -> None:
    """Trains clipgpt by a recipe; run again, it goes on from the last checkpoint."""
    from ..recipes import read_recipe

    need("accelerate", "pycocoevalcap")
    from vdesc_clipgpt.recipe import Recipe
    from vdesc_clipgpt.train import train as run

    print(f"best model: {run(read_recipe(Recipe, 'clipgpt', config, sets or ()), table, out)}")
