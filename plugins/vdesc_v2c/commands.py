"""`vdesc v2c` and `vdesc i2c`: the command lines of VideoCaptionerWithClip's scripts. Light to import."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

v2c_app, i2c_app = typer.Typer(subcommand_metavar=""), typer.Typer(subcommand_metavar="")


class Size(str, Enum):
    """The sizes of clip-gpt-captioning's models."""

    S = "S"
    L = "L"


Model = Annotated[Size, typer.Option("--size", "-S", case_sensitive=False, help="The model clip-gpt-s or clip-gpt-l.")]
Checkpoint = Annotated[
    str | None, typer.Option("--checkpoint-name", "-C", help="Any model of clipgpt in its place: a file or folder.")
]


@v2c_app.callback(invoke_without_command=True)
def v2c(
    video: Annotated[str, typer.Option("--video-path", "-V", help="The video; its files come to lie beside it.")],
    frames: Annotated[int, typer.Option("--num-frames", "-N", min=1, help="Frames to caption.")] = 10,
    size: Model = Size.L,
    checkpoint: Checkpoint = None,
) -> None:
    """Captions N frames of a video as v2c.py does: an SRT, a JSON list, a folder of frames."""
    _described(video, False, f"v2c:{frames}", size, checkpoint, None)


@i2c_app.callback(invoke_without_command=True)
def i2c(
    photo: Annotated[str, typer.Option("--img-path", "-I", help="The photo.")],
    size: Model = Size.L,
    checkpoint: Checkpoint = None,
    out: Annotated[Path, typer.Option("--res-path", "-R", help="Folder for the picture with its caption.")] = Path(
        "data/result/prediction"
    ),
    temperature: Annotated[
        float, typer.Option("--temperature", "-T", help="Changes nothing, there as here: the likeliest word is taken.")
    ] = 1.0,
) -> None:
    """Captions a photo as i2c.py does: prints the sentence, and draws it into a copy of the photo."""
    _described(photo, True, "uniform:1", size, checkpoint, out)


def _described(path: str, still: bool, keyframes: str, size: Size, checkpoint: str | None, out: Path | None) -> None:
    from vdesc.errors import InputError
    from vdesc.media import probe
    from vdesc.session import Session
    from vdesc.settings import layered

    if probe(Path(path)).still != still:
        raise InputError(f"{path} is a video: use vdesc v2c -V" if still else f"{path} is a photo: use vdesc i2c -I")
    model = checkpoint or f"clip-gpt-{size.value.lower()}"
    options = {"clipgpt": {"model": model}, "v2c": {"size": size.value}}
    session = Session(layered("v2c", {"keyframes": keyframes, "options": options}), out, False, False, False, False)
    raise typer.Exit(session.describe([path]))
