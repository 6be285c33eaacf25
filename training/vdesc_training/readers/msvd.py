"""MSVD, the Microsoft video descriptions (Chen and Dolan 2011)."""

import re
from collections.abc import Iterator

from ..report import Report
from .captions import listed, of_lists, video
from .entry import Entry
from .lines import MALFORMED, lines
from .sources import Sources

_LINE = re.compile(r"(\S+_\d+_\d+)\s+(\S.*)")


def msvd(sources: Sources, report: Report) -> Iterator[Entry]:
    """`AllVideoDescriptions.txt` with the lists of video ids of each split, or CSV of `clip`, `split`, `caption`."""
    lists = [path for path in sources.named("*list*.txt") if "description" not in path.name.lower()]
    splits = of_lists(lists, report)
    texts = sources.annotations("AllVideoDescriptions.txt", "captions.csv")
    for path in (path for path in texts if path not in lists):
        if path.name.lower().removesuffix(".gz").endswith(".csv"):
            yield from listed(path, report)
            continue
        for number, line in enumerate(lines(path, report), 1):
            if found := _LINE.match(line):
                yield video(found[1], found[2], split=splits.get(found[1], "none") if splits else "")
            elif line.strip() and not line.startswith("#"):
                report.reject(MALFORMED, f"{path.name}:{number}")
