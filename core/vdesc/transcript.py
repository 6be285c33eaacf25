"""Transcript: what was said, as words with their times, as phrases, and as cues that can be read. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from .data import Candidate, Cue, Description, Evidence, Span
from .lines import Words, one_line, width
from .timing import NONE, PROFILES, Profile, fit

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


def shown(description: Description, words: str) -> tuple[Cue, ...]:
    """The cues of a description to be written, in order of time.

    Args:
        words: `captions` are what was written of the pictures, `speech` is what was said, in the same timing profile,
            `both` is both, where captions stand in brackets, as captions for the deaf write what is not said.
    """
    if words == "captions":
        return description.cues
    name = description.settings.get("timing", {}).get("profile")
    spoken = cues(description.evidence, PROFILES.get(name, NONE), description.video.span.end)
    if words == "speech":
        return spoken
    captions = (replace(cue, text=f"[{cue.text.strip()}]") for cue in description.cues if cue.text.strip())
    both = sorted([*captions, *spoken], key=lambda cue: cue.span)
    return tuple(replace(cue, id=i) for i, cue in enumerate(both, 1))


def _timed(evidence: Evidence) -> Iterator[Word]:
    """The words that the details tell of, each with all of the value from the end of the one before it."""
    rows = [row for row in evidence.details.get("words") or () if str(row[2]).strip()]
    at, ends = 0, []
    for row in rows:
        text = str(row[2]).strip()
        place = evidence.value.find(text, at)
        if place < 0:
            return
        at = place + len(text)
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


def _cut(words: Sequence[Word], ends: Callable[[Word, int], bool]) -> list[tuple[Word, ...]]:
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


def _cue(heard: Evidence, text: str, span: Span) -> Cue:
    language = str(heard.details.get("language") or "und")
    chosen = Candidate(-1, text, heard.source, language, heard.confidence)  # it speaks for no slot
    return Cue(0, span, text, chosen, (), language=language, role="speech")


def _screens(words: Sequence[Word], profile: Profile) -> Iterator[tuple[str, Span]]:
    """The words in as few texts as the profile's lines hold, each with its time."""
    text = one_line(text_of(words))
    times = [time for word in words for time in _times(word)]
    done = 0
    for screen in Words(text, profile.line_length).screens(profile.lines) if profile.lines else filter(None, [text]):
        shown = _shown(screen)
        yield from _no_longer(screen, times[done : done + shown], profile.longest)
        done += shown


def _no_longer(text: str, times: list[Span], longest: int) -> Iterator[tuple[str, Span]]:
    """The text with its time; two parts of it where it is said so slowly that it lasts longer than `longest`."""
    span = Span(times[0].start, times[-1].end)
    gaps = [match.start() for match in re.finditer(" ", text)]
    if longest and span.length > longest and gaps:
        gap = min(gaps, key=lambda at: abs(times[_shown(text[:at])].start - span.middle) * (5 - 4 * _rests(text[:at])))
        first = _shown(text[:gap])
        yield from _no_longer(text[:gap], times[:first], longest)
        yield from _no_longer(text[gap + 1 :], times[first:], longest)
    else:
        yield text, span


def _times(word: Word) -> Iterator[Span]:
    """When each character of the word is said, but for its spaces."""
    shown, start, length = _shown(word.text), word.span.start, word.span.length
    for i in range(shown):
        yield Span(start + length * i // shown, start + length * (i + 1) // shown)


def _rests(text: str) -> bool:
    """Whether a reader would pause after it."""
    return bool(_END.search(text)) or text.endswith((",", ";", ":"))


def _shown(text: str) -> int:
    return sum(not character.isspace() for character in text)


def _apart(cues: Iterable[Cue]) -> list[Cue]:
    """The cues in order of time, none while the one before lasts: that ends earlier, or both become one with dashes."""
    apart: list[Cue] = []
    for cue in sorted(cues, key=lambda cue: cue.span.start):
        if apart and cue.span.start < apart[-1].span.end:
            last = apart.pop()
            if cue.span.start - last.span.start >= _TOO_SHORT:
                apart.append(replace(last, span=Span(last.span.start, cue.span.start)))
            else:
                text = f"{'' if last.text.startswith('- ') else '- '}{last.text} - {cue.text}"
                cue = replace(last, text=text, span=Span(last.span.start, max(last.span.end, cue.span.end)))
        apart.append(cue)
    return [replace(cue, id=i) for i, cue in enumerate(apart, 1)]
