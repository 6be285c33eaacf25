"""`vdesc data`: brings data sets into a caption table."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Brings data sets into a caption table.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    """Brings data sets into a caption table."""


@app.command()
def flickr8k(
    source: Annotated[Path, typer.Argument(help="The folder with captions.csv.gz and the zips of photos.")],
    folder: Annotated[Path, typer.Argument(help="Where the table and its photos go.")],
) -> None:
    """Reads Flickr8k (research use only)."""
    from ..readers import flickr8k as read

    print(f"{read(source, folder)} photos in {folder}")
