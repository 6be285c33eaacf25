"""A guide for a new model: targets without chance in them, in place of what is true of each picture.

Which of some captions is nearest to people's is mostly chance as far as words tell, and from so faint a signal a small
random model does not find out what a number has to do with a sentence: it learns rows by heart. The guide is what can
be told of candidates, by least squares over all rows: first from their words and places, which is soon learned and
teaches what the numbers are; then also from how much a candidate agrees with the others.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from vdesc.similarity import similarity
from vdesc_training.sft import Row

SEEN = 20
"""Candidates that must have a word for it to count."""
RIDGE = 50.0
"""How strongly a word's worth is held to nothing, in candidates that have it."""
SPREAD = 0.1
"""The standard deviation of guides in a row: about that of similarities."""
FIRST = 9
"""So many places count."""
WORDS = 0.4
"""The part of the guided epochs that goes by words and places, before agreement comes in."""


@dataclass(frozen=True, slots=True)
class Guide:
    """What can be told of a row's candidates, as similarities: by `words` and places; by `all` together."""

    words: tuple[float, ...]
    all: tuple[float, ...]

    def at(self, done: float) -> tuple[float, ...]:
        """The similarities to learn from when the part `done` of the guided epochs, 0..1, is over."""
        own = max(0.0, (done - WORDS) / (1 - WORDS))
        return tuple((1 - own) * word + own * both for word, both in zip(self.words, self.all, strict=True))


def guides(rows: Sequence[Row]) -> list[Guide]:
    """A guide for each row."""
    _, prepare = similarity("auto")
    alike = prepare(text for row in rows for text in row.candidates)
    known = [np.hstack(pair) for pair in zip(_present(rows), map(_placed, rows), strict=True)]
    agreed = [_centred(np.array([[sum(alike(t, o) for o in row.candidates)] for t in row.candidates])) for row in rows]
    spread = np.concatenate(agreed).std() or 1.0
    words = _told(rows, known)
    both = _told(rows, [np.hstack([table, a / spread]) for table, a in zip(known, agreed, strict=True)])
    return [Guide(_level(word), _level(one)) for word, one in zip(words, both, strict=True)]


def _present(rows: Sequence[Row]) -> list[np.ndarray]:
    """For each row, which of the words that are often said its candidates have, as float (candidates, words)."""
    said = [[_words(text) for text in row.candidates] for row in rows]
    seen = Counter(word for some in said for words in some for word in words)
    place = {word: i for i, word in enumerate(sorted(word for word, times in seen.items() if times >= SEEN))}
    found = []
    for some in said:
        table = np.zeros((len(some), len(place)))
        for i, words in enumerate(some):
            table[i, [place[word] for word in words if word in place]] = 1.0
        found.append(_centred(table))
    return found


def _placed(row: Row) -> np.ndarray:
    """Which of the first places its candidates have, as float (candidates, FIRST)."""
    places = row.places or (0,) * len(row.candidates)
    return _centred(np.array([[float(place == i + 1) for i in range(FIRST)] for place in places]))


def _told(rows: Sequence[Row], tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each row, how near its candidates should be by their features, (candidates, features); least squares."""
    width = tables[0].shape[1]
    square, wanted = RIDGE * np.eye(width), np.zeros(width)
    for row, table in zip(rows, tables, strict=True):
        square += table.T @ table
        wanted += table.T @ _centred(np.array(row.similarities))
    worth = np.linalg.solve(square, wanted)
    return [table @ worth for table in tables]


def _centred(values: np.ndarray) -> np.ndarray:
    """Less the mean of the row: only what tells its candidates apart counts."""
    return values - values.mean(0)


def _level(values: np.ndarray) -> tuple[float, ...]:
    """The values with mean 0.5 and standard deviation `SPREAD`; all 0.5 where they are equal."""
    apart = values.std()
    return tuple((0.5 + SPREAD * (values - values.mean()) / (apart if apart > 1e-9 else 1.0)).tolist())


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
