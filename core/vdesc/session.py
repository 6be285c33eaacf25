"""A session at the terminal: many files, one after another; progress and results for people or for machines."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from . import pipeline
from .cache import Cache
from .cli import DONE, FAILED, PARTLY, complain
from .data import Description
from .errors import InputError, SettingsError, VdescError
from .lines import one_line
from .settings import Settings
from .timeline import clock, timeline


class Session:
    """Describes files with one engine; a bad file is named and the rest goes on.

    Args:
        output: the folder for all files; None writes beside each video.
        fresh: nothing is taken from the cache.
        words: False stops after the evidence and prints that.
    """

    def __init__(
        self, settings: Settings, output: Path | None, fresh: bool, quiet: bool, as_json: bool, debug: bool,
        words: bool = True,
    ):  # fmt: skip
        self.settings, self.output, self.fresh, self.words = settings, output, fresh, words
        self.quiet, self.as_json, self.debug = quiet, as_json, debug
        self.console = Console(stderr=True, quiet=quiet or as_json, highlight=False, soft_wrap=True)
        self.out = Console(highlight=False, soft_wrap=True)

    def describe(self, patterns: list[str]) -> int:
        """The exit code, after every file that the patterns mean was described as far as it can be."""
        paths = expand(patterns)
        self._refuse_collisions(paths)
        if self.settings.speech and len(paths) > 1:
            raise SettingsError(f"{self.settings.speech} is the transcript of one video: describe them one at a time")
        codes = [DONE]
        with pipeline.Engine(self.settings, cache=Cache(enabled=not self.fresh), words=self.words) as engine:
            for path in paths:
                codes.append(self._one(engine, path))
        failed = codes.count(FAILED)
        if failed and len(paths) > 1:
            complain(f"{failed} of {len(paths)} files failed")
        return FAILED if failed else max(codes)

    def _one(self, engine: pipeline.Engine, path: Path) -> int:
        try:
            with self._progress(engine, path):
                description = engine.describe(path)
                files = engine.write(description, self.output or path.parent)
        except VdescError as error:
            if self.debug:
                raise
            if self.as_json:
                print(json.dumps({"file": str(path), "error": str(error)}), flush=True)
            else:
                complain(str(error))
            return FAILED
        self._tell(path, description, files)
        return PARTLY if any(finding.level == "error" for finding in description.findings) else DONE

    @contextmanager
    def _progress(self, engine: pipeline.Engine, path: Path) -> Iterator[None]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        hidden = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=hidden) as progress:
            task = progress.add_task(escape(path.name), total=None)

            def report(now: pipeline.Progress) -> None:
                progress.update(
                    task, description=f"{escape(path.name)}: {now.stage}", completed=now.done, total=now.total
                )

            engine.report = report
            yield

    def _tell(self, path: Path, description: Description, files: tuple[Path, ...]) -> None:
        if self.as_json:
            print(json.dumps(summary(path, description, files), ensure_ascii=False), flush=True)
            return
        for finding in description.findings:
            if finding.level == "error":
                complain(f"{path.name}: {finding.message}")
        if self.quiet:
            return
        self.console.print(Text(headline(path, description), "bold"))
        for finding in description.findings:
            if finding.level != "error":
                style = "yellow" if finding.level == "warning" else "dim"
                self.console.print(Text(f"  {finding.source}: {finding.message}", style))
        for at, text in told(description) if self.words else timeline(description):
            self.out.print(Text(at and f"{at}  ", "cyan") + Text(text))
        if files:
            self.console.print(Text("  wrote " + ", ".join(str(file) for file in files), "dim"))

    def _refuse_collisions(self, paths: list[Path]) -> None:
        """Two files whose results would lie on top of each other are refused before any work is done."""
        seen: dict[tuple[Path, str], Path] = {}
        for path in paths if self.settings.formats else ():
            place = ((self.output or path.parent).resolve(), path.stem)
            if place in seen:
                raise SettingsError(
                    f"{seen[place]} and {path} would write the same files: describe them one at a time, with -o"
                )
            seen[place] = path


def expand(patterns: list[str]) -> list[Path]:
    """The files that names and glob patterns mean, each once. Raises `InputError` for a pattern without files."""
    paths: dict[Path, None] = {}
    for pattern in patterns:
        if Path(pattern).exists() or not glob.has_magic(pattern):
            paths[Path(pattern)] = None
            continue
        matches = sorted(glob.glob(pattern, recursive=True))
        if not matches:
            raise InputError(f"no file matches '{pattern}'")
        paths |= dict.fromkeys(Path(match) for match in matches)
    return list(paths)


def headline(path: Path, description: Description) -> str:
    """One line: what the file is, what was found, and the seconds that took."""
    video, spent = description.video, sum(description.timings.values()) / 1000
    length = "photo" if video.still else f"{video.span.length / 1000:.1f} s"
    counted = [f"{len(description.cues)} cues"] if description.cues else []
    counted += [f"{len(description.evidence)} pieces of evidence"] if description.evidence else []
    return (
        f"{path.name}  {length}, {video.width} x {video.height}: {len(description.keyframes)} keyframes in "
        f"{', '.join([f'{len(description.shots)} shots', *counted])}, in {spent:.1f} s"
    )


def told(description: Description) -> list[tuple[str, str]]:
    """Time and words of each cue; a photo has no times."""
    still = description.video.still
    return [("" if still else clock(cue.span.start), one_line(cue.text)) for cue in description.cues]


def summary(path: Path, description: Description, files: tuple[Path, ...]) -> dict[str, Any]:
    """What `--json` prints for a file."""
    return {
        "file": str(path),
        "written": [str(file) for file in files],
        "cues": [
            {"start": cue.span.start, "end": cue.span.end, "text": one_line(cue.text)} for cue in description.cues
        ],
        "keyframes": len(description.keyframes),
        "evidence": [
            {"kind": e.kind, "start": e.span.start, "end": e.span.end, "value": e.value, "confidence": e.confidence}
            for e in description.evidence
        ],
        "findings": [[finding.level, finding.source, finding.message] for finding in description.findings],
        "timings": dict(description.timings),
    }
