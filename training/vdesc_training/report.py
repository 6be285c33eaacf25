"""The report of a reading: what came into the table, and what did not, and why."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vdesc.files import write_atomic

from .splits import SPLITS
from .table import Item

REPORT, EXAMPLES = "report.json", 5


@dataclass(slots=True)
class Reject:
    """One reason for which things were left out: how often, and the first few of them."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What a reading gave: items and captions by split, rejects by reason, and what the person should know.

    Args:
        reader: the reader's name.
        sources: what it read.
    """

    reader: str
    sources: list[str]
    items: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    captions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    rejects: dict[str, Reject] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, item: Item) -> None:
        """Takes an item of the table into account."""
        self.items[item.split] += 1
        self.captions[item.split] += len(item.captions)

    def reject(self, reason: str, what: str) -> None:
        """Takes into account that something was left out: a caption, a row or an item."""
        found = self.rejects.setdefault(reason, Reject())
        found.count += 1
        if len(found.examples) < EXAMPLES:
            found.examples.append(what)

    def note(self, sentence: str) -> None:
        """Adds what the person should know, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def write(self, folder: Path) -> Path:
        """The report as JSON beside the table."""
        return write_atomic(folder / REPORT, json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n")
