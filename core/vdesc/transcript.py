"""Transcript: what was said, as words with their times, as phrases, and as cues that can be read. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from .data import Candidate, Cue, Evidence, Span
from .lines import Words, one_line, width
from .timing import Profile, fit

PAUSE = 1000
"""Milliseconds of silence after which what is said next stands on its own."""

_BREATH = 300  # milliseconds: shorter silences do not end a sentence after what may be an abbreviation
_TOO_SHORT = 300  # milliseconds in which nobody reads anything
_END = re.compile(r"""[.!?…。！？]["'”’»)\]」』）]*$""")  # noqa: RUF001 - the full-width marks are meant
_SHORT = re.compile(r"""["'“‘(\[]*(?:[A-Z][a-z]{0,2}|(?:\w\.)*\w)\.$""")  # noqa: RUF001 - Mr. Mrs. U.S. e.g. J.


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word; `text` begins with the space before it where one belongs; `probability` is 0..1."""

    text: str
    span: Span
    probability: float = 1.0


def text_of(words: Iterable[Word]) -> str:
    """What the words say together."""
    return "".join(word.text for word in words).strip()


def words_of(evidence: Evidence) -> tuple[Word, ...]:
    """The words of a speech evidence, in order, within its span; together they are its value.

    Their times come from `details["words"]`, rows of start, end, word and probability; where it has none, or they are
    not the words of the value, each word has its share of the time by its length.
    """
    timed = list(_timed(evidence)) or list(_shared(evidence))
    found, at = [], evidence.span.start
    for word in timed:
        start = min(max(word.span.start, at), evidence.span.end)
        at = min(max(word.span.end, start), evidence.span.end)
        found.append(replace(word, span=Span(start, at)))
    return tuple(found)


def phrases(words: Sequence[Word]) -> list[tuple[Word, ...]]:
    """The words, cut at the ends of sentences and at pauses."""
    return _cut(words, lambda before, silence: silence >= PAUSE or _ends(before, silence))


def cues(evidence: Iterable[Evidence], profile: Profile, end: int) -> tuple[Cue, ...]:
    """The speech among the evidence as cues of the role `speech`, timed as the profile asks.

    Each begins with its first word; it is as long as the profile's lines hold, cut at pauses, then at ends of sentences
    and clauses. A speaker who is known is named where he begins. What is said at the same time stands in one cue, with
    dashes. Where several observers heard the same, the one that is surest is believed.

    Args:
        end: the end of the video in milliseconds.
    """
    made: list[Cue] = []
    speaker = ""
    for heard in _believed(evidence):
        name = one_line(str(heard.details.get("speaker") or ""))
        words = words_of(heard)
        if words and name not in ("", speaker):
            words = (Word(f"{name}: ", Span(heard.span.start, heard.span.start)), *words)
        speaker = name
        for run in _cut(words, lambda _, silence: silence >= PAUSE):
            made += [_cue(heard, text, span) for text, span in _screens(run, profile)]
    return fit(_apart(made), end, profile)[0]


def _timed(evidence: Evidence) -> Iterator[Word]:
    """The words that the details tell of, each with all of the value from the end of the one before it."""
    rows = evidence.details.get("words") or ()
    at, ends = 0, []
    for row in rows:
        place = evidence.value.find(str(row[2]).strip(), at)
        if place < 0:
            return
        at = place + len(str(row[2]).strip())
        ends.append(at)
    for row, begin, stop in zip(rows, [0, *ends], [*ends[:-1], len(evidence.value)], strict=False):
        start, end = int(row[0]), int(row[1])
        yield Word(evidence.value[begin:stop], Span(start, max(start, end)), float(row[3]) if len(row) > 3 else 1.0)


def _shared(evidence: Evidence) -> Iterator[Word]:
    """The words of the value, each with its share of the time by its length."""
    parts = re.findall(r"\s*\S+", evidence.value)
    total, done = max(1, sum(map(width, parts))), 0
    for part in parts:
        start = evidence.span.start + evidence.span.length * done // total
        done += width(part)
        yield Word(part, Span(start, evidence.span.start + evidence.span.length * done // total), evidence.confidence)


def _cut(words: Sequence[Word], ends: Any) -> list[tuple[Word, ...]]:
    """The words, cut where `ends` says so of a word and the milliseconds of silence after it."""
    cut: list[list[Word]] = []
    for i, word in enumerate(words):
        if i == 0 or ends(words[i - 1], word.span.start - words[i - 1].span.end):
            cut.append([])
        cut[-1].append(word)
    return [tuple(part) for part in cut]


def _ends(word: Word, silence: int) -> bool:
    text = word.text.strip()
    return bool(_END.search(text)) and (silence >= _BREATH or not _SHORT.match(text))


def _believed(evidence: Iterable[Evidence]) -> list[Evidence]:
    """The speech of the observer whose mean confidence over time is the highest, in order of time."""
    by_source: dict[str, list[Evidence]] = {}
    for e in evidence:
        if e.kind == "speech" and e.value.strip():
            by_source.setdefault(e.source, []).append(e)

    def trust(source: str) -> tuple[float, str]:
        spoken = by_source[source]
        return sum(e.confidence for e in spoken) / len(spoken), source

    return sorted(by_source[max(by_source, key=trust)], key=lambda e: e.span) if by_source else []
