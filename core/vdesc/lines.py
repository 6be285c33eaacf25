"""How words fill lines: their width in columns, and where they are best broken.

A Latin letter, space or mark takes one column, a Hangul, kana or Chinese character two, an emoji two, a combining mark
none. So 16 Korean characters are 32 columns, and a Latin letter counts half a Korean one.
"""
# ruff: noqa: RUF001 - the full-width marks are meant

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple


def width(text: str) -> int:
    """The columns that a text takes in one line."""
    return sum(map(_columns, clusters(text)))


def one_line(text: str) -> str:
    """The text with line breaks and runs of spaces as one space; none between Chinese or Japanese characters."""
    lines = [re.sub(r"[^\S\xa0\u202f]+", " ", line).strip() for line in text.splitlines()]
    joined = ""
    for line in filter(None, lines):
        tight = joined and _ideographic(joined[-1]) and _ideographic(line[0])
        joined += line if tight or not joined else " " + line
    return joined


def clusters(text: str) -> list[str]:
    """The text cut into what a reader takes for one character (close to UAX 29, from the standard library alone)."""
    found: list[str] = []
    for character in text:
        if found and _extends(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


class Words:
    """A text in one line, cut into atoms that no line breaks within; a stretch of it is given as `i` up to `j`.

    Lines break at spaces, or between Chinese and Japanese characters; a word of more than `length` columns is cut
    between characters.
    """

    def __init__(self, text: str, length: int):
        self.length = length
        self.atoms = list(_atoms(one_line(text), length))
        self._ends = [0]
        for atom in self.atoms:
            self._ends.append(self._ends[-1] + atom.spaced + atom.columns)

    def text(self, i: int, j: int) -> str:
        """The words of a stretch."""
        return "".join(" " * atom.spaced + atom.text for atom in self.atoms[i:j]).strip(" ")

    def columns(self, i: int, j: int) -> int:
        """The columns of a stretch in one line."""
        return self._ends[j] - self._ends[i] - self.atoms[i].spaced

    def lines(self) -> list[str]:
        """As few lines as the text needs, of like length, broken where a reader would pause."""
        return self._fewest(lambda i, j: self.columns(i, j) <= self.length, self._cost(self.length, 0.15))

    def screens(self, rows: int) -> list[str]:
        """As few texts of at most `rows` lines as it needs, cut at ends of sentences, then clauses."""
        return self._fewest(lambda i, j: self._rows(i, j) <= rows, self._cost(self.length * rows, 2.0))

    def _fewest(self, fits: Callable[[int, int], bool], cost: Callable[[int, int], float]) -> list[str]:
        """The cheapest of the ways to cut the text into as few stretches as fit; a stretch of one atom always fits."""
        best: list[tuple[int, float, int]] = [(0, 0.0, 0)]
        for j in range(1, len(self.atoms) + 1):
            ways = []
            for i in range(j - 1, -1, -1):
                if i < j - 1 and not fits(i, j):
                    break
                ways.append((best[i][0] + 1, best[i][1] + cost(i, j), i))
            best.append(min(ways))
        cuts = [len(self.atoms)]
        while cuts[-1]:
            cuts.append(best[cuts[-1]][2])
        return [self.text(i, j) for i, j in pairwise(reversed(cuts))]

    def _rows(self, i: int, j: int) -> int:
        rows, start = 1, i
        for k in range(i + 1, j):
            if self.columns(start, k + 1) > self.length:
                rows, start = rows + 1, k
        return rows

    def _cost(self, room: int, weight: float) -> Callable[[int, int], float]:
        """Squares of lengths, which are least where they are alike, and a price for each unlucky break."""
        return lambda i, j: (self.columns(i, j) / room) ** 2 + weight * self._price(j)

    def _price(self, j: int) -> float:
        if j == len(self.atoms):
            return 0.0
        before, after = self.atoms[j - 1].text.rstrip("\"')]}»”’」』）"), self.atoms[j].text
        if before.endswith((".", "!", "?", "…", "。", "！", "？")):
            return 0.0
        if before.endswith((",", ";", ":", "—", "–", "、", "，", "；", "：", "،", "؛")):
            return 0.15
        if before.casefold() in _CLINGING:
            return 1.0
        return 0.25 if after.casefold() in _OPENING else 0.5


_CONNECTIVES = """and or but nor so yet because while when where who which that if as than after before until in on at
by with from into onto over under behind beside near next through along across around above below between for to of"""
_HELPERS = """a an the this these those my your his her its our their some two three i he she it we they is are was were
be been has have had do does did will would can could not no very"""
_OPENING = frozenset(_CONNECTIVES.split())
"""English conjunctions and prepositions: lines break well before them (Netflix style guide, Line Treatment)."""
_CLINGING = _OPENING | frozenset(_HELPERS.split())
"""Words that belong to the next one: articles, pronouns, auxiliaries, negation, and those above."""
_NO_START = frozenset("、。，．！？）」』】〕〉》・ー々…：；％ぁぃぅぇぉっゃゅょァィゥェォッャュョ,.!?)]}%:;")
_NO_END = frozenset("（「『【〔〈《([{")


class _Atom(NamedTuple):
    """What no line breaks within, its columns, and whether a space stands before it."""

    text: str
    columns: int
    spaced: bool


def _atoms(line: str, longest: int) -> Iterator[_Atom]:
    for word in filter(None, line.split(" ")):
        spaced = True
        for run in _runs(word):
            for piece in _cut(run, longest):
                yield _Atom(piece, width(piece), spaced)
                spaced = False


def _runs(word: str) -> Iterator[str]:
    """A word cut where Chinese and Japanese lines may break."""
    run = ""
    for cluster in clusters(word):
        free = run and (_ideographic(run[-1]) or _ideographic(cluster[0]))
        if free and cluster[0] not in _NO_START and run[-1] not in _NO_END:
            yield run
            run = ""
        run += cluster
    yield run


def _cut(run: str, longest: int) -> Iterator[str]:
    piece, columns = "", 0
    for cluster in clusters(run):
        if piece and columns + _columns(cluster) > longest:
            yield piece
            piece, columns = "", 0
        piece, columns = piece + cluster, columns + _columns(cluster)
    yield piece


def _extends(cluster: str, character: str) -> bool:
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc", "Cf")
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
        or "\u1160" <= character <= "\u11ff"  # Hangul vowels and finals
        or cluster[-1] == "\u200d"  # joined emoji
        or (_regional(character) and _regional(cluster))
    )


def _regional(cluster: str) -> bool:
    """Half a flag."""
    return len(cluster) == 1 and "\U0001f1e6" <= cluster <= "\U0001f1ff"


def _columns(cluster: str) -> int:
    first = cluster[0]
    if unicodedata.category(first) in ("Mn", "Me", "Mc", "Cf", "Cc") or "\u1160" <= first <= "\u11ff":
        return 0
    flag = len(cluster) > 1 and _regional(first)
    return 2 if flag or "\ufe0f" in cluster or unicodedata.east_asian_width(first) in "WF" else 1


def _ideographic(character: str) -> bool:
    """Whether lines may break beside it without a space: Chinese, Japanese and full-width forms, not Hangul."""
    ranges = (
        ("\u2e80", "\u312f"),
        ("\u3190", "\u9fff"),
        ("\uf900", "\ufaff"),
        ("\uff01", "\uff9f"),
        ("\U00020000", "\U0003ffff"),
    )
    return any(first <= character <= last for first, last in ranges)
