"""`vdesc train`: trains a captioner by a recipe, with whichever trainer plugin has that name."""

import os
from pathlib import Path
from typing import Annotated

import typer

from . import Sets, Table

app = typer.Typer(
    help="Trains a captioner.", invoke_without_command=True, no_args_is_help=True, subcommand_metavar="",
    context_settings={"allow_interspersed_args": True},
)  # fmt: skip


@app.callback()
def _train(
    name: Annotated[str, typer.Argument(help="The trainer: clipgpt, or one that a plugin brings.", show_default=False)],
    config: Annotated[str, typer.Option(help="A recipe: a YAML file, or a name in configs/NAME.")],
    table: Table,
    out: Annotated[Path, typer.Option("--output", "-o", help="Where checkpoints and the best model go.")],
    sets: Sets = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Trains a captioner by a recipe; run again, it goes on from the last checkpoint."""
    from vdesc.registry import Registry, create

    from ..recipes import read_recipe

    kind = Registry().find(name, ("trainer",)).plugin
    recipe = read_recipe(kind.Recipe, name, config, sets or ())  # type: ignore[attr-defined]
    trainer = create(kind)
    best = trainer.train(recipe, table, out)  # type: ignore[attr-defined]
    if os.environ.get("RANK", "0") == "0":  # of several processes one speaks
        print(f"best model: {best}")
