"""Words alone: sentences to teach a decoder before it sees pictures."""

from collections.abc import Iterator
from pathlib import Path

from ..report import Report
from .captions import CAPTION
from .coco import held
from .entry import Entry
from .lines import lines, parsed, rows
from .sources import Sources


def text(sources: Sources, report: Report, columns: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Texts with a sentence a line, columns of CSV, or the captions of COCO's JSON; plain or gzipped.

    Args:
        columns: of the CSV files; a column called as captions are, where none is given.
    """
    paths = sources.annotations(("*.txt", "*.csv", "*.tsv", "*.json"))
    for place, path in enumerate(paths):
        for number, sentence in enumerate(_sentences(path, report, columns), 1):
            yield Entry(f"{place}-{stem_of(path)}-{number}", (sentence,))


def _sentences(path: Path, report: Report, columns: tuple[str, ...]) -> Iterator[str]:
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    if kind == ".json":
        yield from parsed(held(path, "annotations")["annotations"], lambda row: str(row["caption"]), report, path.name)
    elif kind in (".csv", ".tsv"):
        wanted: list[tuple[str, ...]] = [(name.lower(),) for name in columns] or [CAPTION]
        for _, row in rows(path, report, *wanted):
            yield from (next(row[name] for name in names if name in row) for names in wanted)
    else:
        yield from lines(path, report)


def stem_of(path: Path) -> str:
    """A file's name up to its first dot."""
    return path.name.partition(".")[0]
