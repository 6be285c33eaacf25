"""A comparison at the terminal: progress, tables, and the files that are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text
from vdesc import Cache, InputError, SettingsError, VdescError, pipeline
from vdesc.cli import DONE, FAILED, PARTLY, complain
from vdesc.errors import nearest
from vdesc.lines import one_line
from vdesc.session import expand
from vdesc.settings import Settings
from vdesc.timeline import clock

from .columns import Asked
from .comparing import compare
from .comparison import Comparison
from .files import write_csv, write_json
from .tables import tables, verdict


def _page(comparison: Comparison, path: Path) -> Path:
    from .page import write_page

    return write_page(comparison, path)


SHOWN = 20
"""Slots whose words are printed."""
WRITERS: dict[str, Callable[[Comparison, Path], Path]] = {"html": _page, "json": write_json, "csv": write_csv}


class Showing:
    """Compares videos, prints what came out, and writes it.

    Args:
        formats: names of `WRITERS`. Others are a `SettingsError`.
        output: the folder for all files; None writes beside each video.
    """

    def __init__(self, formats: Sequence[str], output: Path | None, quiet: bool, debug: bool):
        for name in formats:
            if name not in WRITERS:
                raise SettingsError(f"a comparison is not written as '{name}' ({nearest(name, WRITERS)})")
        self.formats, self.output, self.quiet, self.debug = formats, output, quiet, debug
        self.console = Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self.out = Console(highlight=False, quiet=quiet)

    def compare(
        self, patterns: Sequence[str], captioners: Sequence[Asked], settings: Settings, references: Sequence[Path]
    ) -> int:
        """The exit code, after all videos were compared as far as they can be."""
        paths = expand(list(patterns))
        if references and len(references) != len(paths):
            raise InputError(f"{len(references)} files of references for {len(paths)} videos: give one for each")
        said = dict(zip(paths, references, strict=True)) if references else {}
        with self._progress() as report:
            made = compare(paths, captioners, settings, said, Cache(), report)
        return max((self._show(path, found) for path, found in made.items()), key=(DONE, PARTLY, FAILED).index)

    def _show(self, path: Path, found: Comparison | VdescError) -> int:
        try:
            if isinstance(found, VdescError):
                raise found
            self._tell(path, found)
            folder = self.output or path.parent
            files = [WRITERS[name](found, folder / f"{path.stem}.compare.{name}") for name in self.formats]
        except VdescError as error:
            if self.debug:
                raise
            complain(f"{path.name}: {error}")
            return FAILED
        if files:
            self.console.print(Text("  wrote " + ", ".join(map(str, files)), "dim"))
        wrong = any(column.error for column in found.columns)
        return PARTLY if wrong or any(one.level == "error" for one in found.scene.findings) else DONE

    def _tell(self, path: Path, comparison: Comparison) -> None:
        for finding in comparison.scene.findings:
            if finding.level == "error":
                complain(f"{path.name}: {finding.message}")
        for column in comparison.columns:
            if column.error:
                complain(f"{path.name}: {column.label}: {column.error}")
        many = len(comparison.scene.slots)
        self.out.print(Text(f"{path.name}  {many:,} slot{'s' * (many != 1)}", "bold"))
        for i, slot in enumerate(comparison.scene.slots[:SHOWN]):
            self.out.print(Text("" if comparison.scene.video.still else clock(slot.span.start), "cyan"))
            for column in comparison.columns:
                pick = column.picks[i] if column.picks else None
                self.out.print(Text(f"  {column.label}: ", "dim") + Text(one_line(pick.text) if pick else "-"))
        if (more := many - SHOWN) > 0:
            self.out.print(Text(f"... and {more:,} more, which the files hold", "dim"))
        for table in tables(comparison):
            self.out.print(table)
        if said := verdict(comparison):
            self.out.print(Text(said, "dim"))

    @contextmanager
    def _progress(self) -> Iterator[pipeline.Report]:
        columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            task = progress.add_task("looking", total=None)

            def report(now: pipeline.Progress) -> None:
                progress.update(task, description=escape(now.stage), completed=now.done, total=now.total)

            yield report
