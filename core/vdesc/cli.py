"""The command line: parse, call, print. What the commands do lives elsewhere; only errors become sentences here."""

from __future__ import annotations

import importlib.metadata
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from . import memory
from .entries import COMMANDS, points
from .errors import InputError, VdescError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False,
    help="Puts videos into words: keyframes, captioners as plugins, ranked and timed cues.",
)  # fmt: skip
plugins_app = typer.Typer(help="Lists, explains, checks and starts plugins.", invoke_without_command=True)
cache_app = typer.Typer(help="Shows what the cache holds, or clears it.", invoke_without_command=True)
app.add_typer(plugins_app, name="plugins")
app.add_typer(cache_app, name="cache")

DONE, FAILED, USAGE, PARTLY, STOPPED = 0, 1, 2, 3, 130
"""Exit codes: all well; a video failed; wrong use; all described, but a plugin failed; stopped by the person."""

Paths = Annotated[list[str], typer.Argument(help="Files or patterns such as 'clips/*.mp4'.", show_default=False)]
Plugins = Annotated[
    str | None, typer.Option("--plugins", "-p", help="Captioners, observers and rankers, as in clipgpt,alignment.")
]
Formats = Annotated[
    str | None, typer.Option("--format", "-f", help="What to write: srt, vtt, json, txt, html, frames.")
]
Keyframes = Annotated[str | None, typer.Option(help="How frames are chosen: shots, uniform:N, every:2s.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Folder for the files; else beside each video.")]
Config = Annotated[str | None, typer.Option(help="A YAML file of settings, or the name of a preset.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="One setting or plugin option, as in clipgpt.beam=5.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Language = Annotated[str | None, typer.Option(help="The language of the words, as in en or ko.")]
Speech = Annotated[str | None, typer.Option(help="A transcript (SRT, VTT, JSON) in place of listening.")]
Candidates = Annotated[int | None, typer.Option(help="Candidates asked of each captioner for a slot.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Use nothing of the cache; do all work again.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON line for each file, for machines.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def main() -> None:
    """Runs the command line; expected errors become one sentence on standard error."""
    memory.keep()
    logging.getLogger("bitsandbytes").setLevel("ERROR")  # whatever imports peft imports it, and it asks for a package
    commands()
    guarded(app, debug="--debug" in sys.argv)


def commands() -> None:
    """Adds the sub-commands that installed packages bring through the entry-point group `vdesc.commands`."""
    for point in points().select(group=COMMANDS):
        try:
            app.add_typer(point.load(), name=point.name)
        except Exception as error:  # a stranger's sub-command must not stop the others
            print(f"vdesc: the command '{point.name}' cannot be loaded: {error}", file=sys.stderr)


def guarded(call: Callable[[], Any], debug: bool) -> None:
    """Calls, and ends the program with a sentence and the right code where that raises."""
    try:
        call()
    except VdescError as error:
        if debug:
            raise
        complain(str(error))
        raise SystemExit(FAILED if isinstance(error, InputError) else USAGE) from None
    except (KeyboardInterrupt, SystemExit) as stop:  # Typer makes an exit of Ctrl-C, and says nothing
        if isinstance(stop, SystemExit) and stop.code != STOPPED:
            raise
        complain("stopped; what was done is kept: run the same command again to go on")
        raise SystemExit(STOPPED) from None


def complain(sentence: str) -> None:
    """Prints an error to standard error."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text("vdesc: ", "bold red") + Text(sentence))


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    if version:
        print(importlib.metadata.version("vdesc"))
        raise typer.Exit


@app.command()
def run(
    videos: Paths, plugins: Plugins = None, keyframes: Keyframes = None, formats: Formats = None, output: Output = None,
    config: Config = None, sets: Sets = None, device: Device = None, language: Language = None,
    candidates: Candidates = None, speech: Speech = None, fresh: Fresh = False, quiet: Quiet = False,
    as_json: AsJson = False, debug: Debug = False,
) -> None:  # fmt: skip
    """Describes videos: writes subtitles and JSON, and prints the cues."""
    from .session import Session
    from .settings import layered

    flags = dict(plugins=_list(plugins), keyframes=keyframes, formats=_list(formats), device=device,
                 language=language, candidates=candidates, speech=speech)  # fmt: skip
    session = Session(layered(config, flags, sets or ()), output, fresh, quiet, as_json, debug)
    raise typer.Exit(session.describe(videos))


@app.command()
def image(
    photos: Paths, plugins: Plugins = None, formats: Formats = None, output: Output = None, config: Config = None,
    sets: Sets = None, device: Device = None, language: Language = None, candidates: Candidates = None,
    fresh: Fresh = False, quiet: Quiet = False, as_json: AsJson = False, debug: Debug = False,
) -> None:  # fmt: skip
    """Describes photos: prints a sentence for each; writes files only where a format is given."""
    from .session import Session
    from .settings import layered

    flags = dict(plugins=_list(plugins), formats=_list(formats or ""), device=device, language=language,
                 candidates=candidates)  # fmt: skip
    session = Session(layered(config, flags, sets or ()), output, fresh, quiet, as_json, debug)
    raise typer.Exit(session.describe(photos))


@app.command()
def look(
    videos: Paths, plugins: Plugins = None, keyframes: Keyframes = None, formats: Formats = None, output: Output = None,
    config: Config = None, sets: Sets = None, device: Device = None, language: Language = None, speech: Speech = None,
    fresh: Fresh = False, quiet: Quiet = False, as_json: AsJson = False, debug: Debug = False,
) -> None:  # fmt: skip
    """Looks at videos and says nothing of its own: prints shots and evidence in order of time."""
    from .session import Session
    from .settings import layered

    flags = dict(plugins=_list(plugins), keyframes=keyframes, formats=_list(formats or ""), device=device,
                 language=language, speech=speech)  # fmt: skip
    session = Session(layered(config, flags, sets or ()), output, fresh, quiet, as_json, debug, words=False)
    raise typer.Exit(session.describe(videos))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="A file or folder of another program.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="What is made of it.", show_default=False)],
    name: Annotated[str | None, typer.Option("--with", help="The converter; else the one that reads it.")] = None,
    sets: Annotated[list[str] | None, typer.Option("--set", help="What the files do not say: mapper=cross.")] = None,
    debug: Debug = False,
) -> None:
    """Turns files of other programs into ours: checkpoints into model folders, results into descriptions."""
    from .converting import convert as run

    for line in run(source, out, name, sets or ()):
        print(line)


@plugins_app.callback()
def _plugins(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        plugins_list()


@plugins_app.command("list")
def plugins_list(as_json: AsJson = False) -> None:
    """Lists the plugins that are installed, by kind, and those that are broken."""
    from .catalogue import show

    show(as_json)


@plugins_app.command("info")
def plugins_info(name: str) -> None:
    """Explains a plugin: what it does, its options and their defaults."""
    from .listing import show_plugin

    show_plugin(name)


@plugins_app.command("check")
def plugins_check(name: str, sets: Sets = None) -> None:
    """Runs the contract suite over a plugin; ends with 1 where a rule is broken."""
    from .listing import check_plugin

    raise typer.Exit(DONE if check_plugin(name, sets or ()) else FAILED)


@plugins_app.command("new")
def plugins_new(
    name: str,
    folder: Annotated[Path, typer.Option("--output", "-o", help="Where the project's folder is made.")] = Path(),
) -> None:
    """Writes a plugin project that is ready to install, with a passing test."""
    from .scaffold import new

    project = new(name, folder)
    print(f"wrote {project}; next: pip install -e {project} && pytest {project}")


@cache_app.callback()
def _cache(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        cache_show()


@cache_app.command("show")
def cache_show() -> None:
    """Shows where the cache is and what it holds."""
    from .listing import show_cache

    show_cache()


@cache_app.command("clear")
def cache_clear(
    part: Annotated[
        str | None, typer.Argument(help="catalogue, look, observe, propose, score, features, frames, models.")
    ] = None,
) -> None:
    """Removes what the cache holds, or one part of it."""
    from .listing import clear_cache

    clear_cache(part)


@app.command()
def doctor() -> None:
    """Says what is installed, which models are on disk, which device is used, and what is missing."""
    from .listing import show_doctor

    show_doctor()


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
