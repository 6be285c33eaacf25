"""`vdesc eval`: measures a captioner on a caption table."""

from typing import Annotated

import typer

from . import Table, need

app = typer.Typer(help="Measures a captioner on a caption table.", no_args_is_help=True)


@app.callback()
def _evaluate() -> None:
    """Measures a captioner on a caption table."""


@app.command("clipgpt")
def clipgpt(
    table: Table,
    model: Annotated[str, typer.Option(help="mini, or a model's folder.")] = "mini",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    beam: Annotated[int, typer.Option(min=1, help="Beam width; 1 is greedy.")] = 3,
    precision: Annotated[str, typer.Option(help="float32, or int8, the fast mode of a CPU.")] = "float32",
) -> None:
    """Prints BLEU, ROUGE-L, CIDEr-D and diversity of clipgpt's captions."""
    need("accelerate", "pycocoevalcap")
    from vdesc_clipgpt.train import evaluate as run

    for name, value in run(model, table, split, beam, precision).items():
        print(f"{name:>10} {value:.4f}")
