"""The sub-commands that training adds: `vdesc data`, `vdesc train`, `vdesc eval`. Light to import."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from vdesc.errors import MissingExtra

Table = Annotated[Path, typer.Option("--data", help="A folder with captions.jsonl, made by `vdesc data`.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="One value of the recipe, as in epochs=3.")]


def need(*packages: str, extra: str = "train") -> None:
    """Raises `MissingExtra` where a package is not installed."""
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtra("training", package, extra)
