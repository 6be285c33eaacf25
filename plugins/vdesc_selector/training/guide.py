"""A guide for a new model: targets without chance in them, from which training moves to what is true of each picture.

Which of some captions is nearest to people's is mostly chance as far as words tell, and from so faint a signal a small
random model does not find out what a number has to do with a sentence. The guide can be told from the words alone:
first how near candidates with these words are on average, which is soon learned and teaches what the numbers are; then
how much a candidate agrees with the others, which is a good choice by itself.
"""

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vdesc.similarity import similarity
from vdesc_training.sft import Row

RARE = 20
"""So many rows count against a word that was seldom seen."""
SPREAD = 0.1
"""The standard deviation of guides in a row: about that of similarities."""

WORDS = 0.4
"""The part of the guided epochs that goes by words, before agreement."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What can be told of a row's candidates, on the scale of similarities: by their `words`, by how they `agree`."""

    words: tuple[float, ...]
    agree: tuple[float, ...]

    def at(self, done: float, near: Sequence[float]) -> tuple[float, ...]:
        """The similarities to learn from when the part `done` of the guided epochs, 0..1, is over; at 1 `near`."""
        if done < WORDS:
            return self.words
        own = (done - WORDS) / (1 - WORDS)
        return tuple((1 - own) * agreeing + own * true for agreeing, true in zip(self.agree, near, strict=True))


def guides(rows: Sequence[Row]) -> list[Guide]:
    """A guide for each row."""
    worth = _worth(rows)
    _, prepare = similarity("auto")
    alike = prepare(text for row in rows for text in row.candidates)
    return [
        Guide(
            _level([sum(worth[word] for word in _words(text)) for text in row.candidates]),
            _level([sum(alike(text, other) for other in row.candidates) for text in row.candidates]),
        )
        for row in rows
    ]


def _worth(rows: Sequence[Row]) -> Counter[str]:
    """How much nearer than the others of their rows candidates with a word are, on average."""
    total: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for row in rows:
        mean = statistics.mean(row.similarities)
        for text, near in zip(row.candidates, row.similarities, strict=True):
            for word in _words(text):
                total[word] += near - mean  # type: ignore[assignment]
                count[word] += 1
    return Counter({word: total[word] / (count[word] + RARE) for word in count})


def _level(values: Sequence[float]) -> tuple[float, ...]:
    """The values with mean 0.5 and standard deviation `SPREAD`; all 0.5 where they are equal."""
    mean, apart = statistics.mean(values), statistics.pstdev(values)
    return tuple(0.5 + SPREAD * (value - mean) / apart if apart > 1e-9 else 0.5 for value in values)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
