"""The figures of a caption table: how much there is of what."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from .splits import SPLITS
from .table import Item

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


@dataclass(slots=True)
class Figures:
    """Counts of a split of a table.

    Attributes:
        items, images, captions, words: how many there are.
        least, most: captions of the items with the fewest and the most.
        shortest, longest: words of the shortest and the longest caption.
        vocabulary: the distinct words, in lower case.
    """

    items: int = 0
    images: int = 0
    captions: int = 0
    words: int = 0
    least: int = 0
    most: int = 0
    shortest: int = 0
    longest: int = 0
    vocabulary: set[str] = field(default_factory=set)

    def add(self, item: Item) -> None:
        """Takes an item into account."""
        said = [_WORD.findall(caption.lower()) for caption in item.captions]
        lengths = [len(words) for words in said]
        first, self.items = not self.items, self.items + 1
        self.images += len(item.images)
        self.captions += len(said)
        self.words += sum(lengths)
        self.least = len(said) if first else min(self.least, len(said))
        self.most = max(self.most, len(said))
        self.shortest = min(lengths) if first else min(self.shortest, *lengths)
        self.longest = max(self.longest, *lengths)
        self.vocabulary.update(word for words in said for word in words)


def figures(items: Iterable[Item]) -> dict[str, Figures]:
    """The figures of each split that the items are of, and of `all`."""
    found = {name: Figures() for name in (*SPLITS, "all")}
    for item in items:
        for name in (item.split, "all"):
            found[name].add(item)
    return {name: split for name, split in found.items() if split.items}
