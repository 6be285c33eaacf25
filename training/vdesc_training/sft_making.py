"""`vdesc data sft` at work: gathers examples, measures them, writes rows, and says what became of everything."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vdesc.cache import Cache
from vdesc.crew import Crew
from vdesc.errors import InputError, SettingsError
from vdesc.registry import Registry
from vdesc.settings import layered

from .sft import VOTES, judged, write_rows
from .sft_sources import Gathering, Seen, from_captioner, from_descriptions
from .sft_votes import from_votes, is_votes
from .splits import SPLITS, Shares


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where examples come from: `captioner` at work on `table`, descriptions in `sources` beside the `truth`, or votes.

    Args:
        n: candidates of an item.
        observers: plugins whose evidence is added, with commas.
        items: of each split; 0: all.
        language: of sources that do not tell theirs.
        val, test: the parts of sources that become these splits.
    """

    captioner: str | None = None
    table: Path | None = None
    n: int = 5
    observers: str = ""
    items: int = 0
    sources: tuple[Path, ...] = ()
    truth: Path | None = None
    language: str = "ko"
    val: float = 0.1
    test: float = 0.0


def make(out: Path, wanted: Wanted, measure: str, sets: Sequence[str], seen: Seen) -> list[str]:
    """The lines that the person should see, after the rows are written.

    Args:
        measure: see `judged`.
        sets: settings and options of plugins, as in `--set`.
        seen: is told how many items are done.
    Raises:
        SettingsError: neither a captioner with its table is given, nor descriptions with their truth, nor votes.
        InputError: no row could be made.
        VdescError: see `from_captioner`, `from_descriptions`, `from_votes`, `judged`.
    """
    shares, captioned = Shares(wanted.val, wanted.test), wanted.captioner or wanted.table
    if wanted.captioner and wanted.table and not (wanted.sources or wanted.truth):
        gathering = _captioned(wanted, sets, seen)
    elif wanted.sources and wanted.truth and not captioned:
        gathering = from_descriptions(wanted.sources, wanted.truth, wanted.language, shares)
    elif any(map(is_votes, wanted.sources)) and measure == "auto" and not captioned:
        gathering, measure = from_votes(wanted.sources, shares), VOTES
    else:
        raise SettingsError(
            "give a captioner and its table, as in --captioner clipgpt --data FOLDER, or descriptions and --truth, or "
            "votes of the page of vdesc compare without --measure"
        )
    said = [
        f"left out: {reason}: {found.count:,} ({', '.join(found.examples)}{', ...' * (found.count > 3)})"
        for reason, found in gathering.rejects.items()
    ]
    if not gathering.examples:
        raise InputError(f"no rows could be made ({'; '.join(said) or 'nothing is there'})")
    rows = judged(gathering.examples, measure)
    write_rows(out, rows)
    splits = Counter(row.split for row in rows)
    measures = ", ".join(sorted({row.measure for row in rows}))
    counts = ", ".join(f"{split} {splits[split]:,}" for split in SPLITS)
    if measure == "auto" and "tokens" in measures:
        said.append("likeness by the words that sentences share: name a sentence model with --measure to have meaning")
    return [*said, f"wrote {len(rows):,} rows ({counts}) to {out}, measured by {measures}"]


def _captioned(wanted: Wanted, sets: Sequence[str], seen: Seen) -> Gathering:
    assert wanted.captioner and wanted.table
    watching = [name.strip() for name in wanted.observers.split(",") if name.strip()]
    settings = layered(flags=dict(plugins=[wanted.captioner, *watching], formats=[]), sets=sets)
    crew = Crew(settings, Registry(), Cache())
    try:
        for worker in (*crew.captioners, *crew.observers):
            worker.cache = None  # a data set's features would fill the disk
        return from_captioner(crew, wanted.table, wanted.n, wanted.items, seen)
    finally:
        crew.close()
