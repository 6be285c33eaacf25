"""`vdesc compare`: captioners side by side on the same keyframes, slots and evidence. Light to import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vdesc.settings import Settings

app = typer.Typer(
    help="Compares captioners on the same video: words, cost, quality; writes a page, a JSON and a CSV.",
    invoke_without_command=True, no_args_is_help=True, subcommand_metavar="",
    context_settings={"allow_interspersed_args": True},
)  # fmt: skip

Videos = Annotated[list[str], typer.Argument(help="Files or patterns such as 'clips/*.mp4'.", show_default=False)]
Plugins = Annotated[
    str,
    typer.Option(
        "--plugins", "-p", help="Captioners to compare, as in clipgpt,clipgpt@beam=5,llava; observers and rankers."
    ),
]
Listed = Annotated[Path | None, typer.Option("--captioners", help="A YAML list of more captioners and their options.")]
References = Annotated[
    list[Path] | None,
    typer.Option(help="What people said: SRT, VTT, JSON, CSV with times, COCO. One for each video, in their order."),
]
Formats = Annotated[str, typer.Option("--format", "-f", help="What is written: html, json, csv.")]
Keyframes = Annotated[str | None, typer.Option(help="How frames are chosen: shots, uniform:N, every:2s.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the files; else beside each video.")]
Config = Annotated[str | None, typer.Option(help="A YAML file of settings, or the name of a preset.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="One setting or plugin option for all captioners.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Language = Annotated[str | None, typer.Option(help="The language of the words, as in en or ko.")]
Speech = Annotated[str | None, typer.Option(help="A transcript (SRT, VTT, JSON) in place of listening.")]
Candidates = Annotated[int | None, typer.Option(help="Candidates asked of each captioner for a slot.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.callback()
def _compare(
    videos: Videos, plugins: Plugins = "clipgpt,clipgpt@beam=1", listed: Listed = None, references: References = None,
    formats: Formats = "html,json,csv", keyframes: Keyframes = None, output: Output = None, config: Config = None,
    sets: Sets = None, device: Device = None, language: Language = None, speech: Speech = None,
    candidates: Candidates = None, quiet: Quiet = False, debug: Debug = False,
) -> None:  # fmt: skip
    """Compares captioners on the same video: words, cost, quality; writes a page, a JSON and a CSV."""
    from vdesc.registry import Registry
    from vdesc.settings import layered

    from .columns import asked
    from .showing import Showing

    captioners, shared = asked(plugins, listed, Registry())
    flags = dict(plugins=shared, keyframes=keyframes, device=device, language=language, speech=speech,
                 candidates=candidates)  # fmt: skip
    settings: Settings = layered(config, flags, sets or ())
    showing = Showing([name.strip() for name in formats.split(",") if name.strip()], output, quiet, debug)
    raise typer.Exit(showing.compare(videos, captioners, settings, references or []))
