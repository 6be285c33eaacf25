"""Timing profiles: how long cues stay, how far apart they stand, and how many lines they have. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .data import Cue, Finding, Span
from .lines import Words, one_line, width


@dataclass(frozen=True, slots=True)
class Profile:
    """What a broadcaster asks of cues; times in milliseconds, text in columns (see `lines.py`).

    `speed` is columns a second; `hang` is how late a cue may begin so that the one before it can be read; 0 `lines` are
    no rule at all.
    """

    name: str
    shortest: int = 0
    longest: int = 0
    gap: int = 0
    line_length: int = 0
    lines: int = 0
    speed: int = 1
    hang: int = 0

    def reading_time(self, text: str) -> int:
        """Milliseconds that it takes to read `text`."""
        return math.ceil(width(one_line(text)) * 1000 / self.speed)

    def need(self, text: str) -> int:
        """Milliseconds for which `text` should be shown: its reading time, between the shortest and the longest."""
        return min(self.longest, max(self.shortest, self.reading_time(text)))


NONE = Profile("none")
"""Times and text as they are."""

NETFLIX = Profile("netflix", shortest=833, longest=7000, gap=83, line_length=42, lines=2, speed=20, hang=500)
"""Netflix Timed Text Style Guide: 5/6 s to 7 s, 2 frames between cues, 2 lines (General Requirements); 42 characters a
line, 20 a second for adults (English); the end up to 12 frames late (Timing). Frames are taken as 1/24 s."""

BBC = Profile("bbc", shortest=1000, longest=7000, gap=0, line_length=37, lines=2, speed=15, hang=1500)
"""BBC Subtitle Guidelines: 37 characters a line (3.1), 2 lines (3.3), 180 words a minute, here 5 characters each (4),
no short gaps (4.5), at most 1.5 s late (5.2). It names no shortest and longest time: those are ours."""

KOREAN = Profile("korean", shortest=833, longest=7000, gap=83, line_length=32, lines=2, speed=24, hang=500)
"""Netflix Korean Timed Text Style Guide: 16 characters a line where Latin ones count half (2), 12 a second; else as
`NETFLIX`."""

PROFILES = {profile.name: profile for profile in (NETFLIX, BBC, KOREAN, NONE)}


def fit(cues: Sequence[Cue], end: int, profile: Profile) -> tuple[tuple[Cue, ...], tuple[Finding, ...]]:
    """The cues as they are shown, with what of the profile could not be kept.

    A text that needs more lines than allowed becomes several cues, cut at ends of sentences, then clauses, that share
    its time by length; a newline separates lines. Then, in this order of weight: nothing overlaps or ends after `end`;
    the gap is kept; a cue begins where it did, or up to `hang` later where the one before it needs the time and it can
    spare it; it lasts as long as it did, at most `longest`, and runs on into free time until it can be read; it begins
    earlier only to reach `shortest`. A cue without words goes. Ids count from 1. With the profile `none`
    all is left as it is.

    Args:
        cues: in order of time; their spans may overlap.
        end: the end of the video in milliseconds.
    """
    if not profile.lines:
        return tuple(cues), ()
    parts = [part for cue in sorted(cues, key=lambda cue: cue.span.start) for part in _parts(cue, profile)]
    spans = _placed([part.span for part in parts], [profile.need(part.text) for part in parts], end, profile)
    shown = tuple(replace(part, id=i, span=span) for i, (part, span) in enumerate(zip(parts, spans, strict=True), 1))
    return shown, _broken_rules(shown, profile)


def break_lines(text: str, profile: Profile) -> tuple[str, ...]:
    """The text in as few lines as `line_length` allows, of like length, broken where a reader would pause.

    More than `profile.lines` lines come back where the text needs them. Newlines in `text` count as spaces.
    """
    return tuple(Words(text, profile.line_length).lines() if profile.lines else text.splitlines())


def _parts(cue: Cue, profile: Profile) -> list[Cue]:
    """The cue, or the several that its text needs, with line breaks; each has its share of the time."""
    texts = Words(cue.text, profile.line_length).screens(profile.lines)
    time = min(cue.span.length, profile.longest * len(texts)) if len(texts) > 1 else cue.span.length
    total, done, parts = sum(map(width, texts)), 0, []
    for text in texts:
        start = cue.span.start + time * done // max(1, total)
        done += width(text)
        span = Span(start, cue.span.start + time * done // max(1, total))
        parts.append(replace(cue, text="\n".join(break_lines(text, profile)), span=span))
    return parts


def _placed(spans: Sequence[Span], needs: Sequence[int], end: int, profile: Profile) -> list[Span]:
    """The spans moved, stretched and cut as `fit` says."""
    gap, floors = _least(spans, end, profile)
    starts = _starts(spans, floors, gap, end)
    placed: list[Span] = []
    for i, (span, need) in enumerate(zip(spans, needs, strict=True)):
        limit = starts[i + 1] - gap if i + 1 < len(starts) else end
        if i + 1 < len(starts):
            after = starts[i + 2] - gap if i + 2 < len(starts) else end
            spare = min(after - starts[i + 1] - needs[i + 1], spans[i + 1].start + profile.hang - starts[i + 1])
            late = max(0, min(starts[i] + need - limit, spare))
            starts[i + 1], limit = starts[i + 1] + late, limit + late
        stop = min(limit, starts[i] + profile.longest, max(span.end, starts[i] + need))
        earliest = placed[-1].end + gap if placed else 0
        placed.append(Span(min(starts[i], max(stop - profile.shortest, earliest)), stop))
    return placed


def _least(spans: Sequence[Span], end: int, profile: Profile) -> tuple[int, list[int]]:
    """The gap, and the least that each cue must last: less than the profile's where the video has no room for them."""
    floors = [max(1, min(profile.shortest, span.length - profile.gap)) for span in spans]
    if sum(floors) + profile.gap * len(spans) <= end:
        return profile.gap, floors
    return 0, [1 if len(spans) <= end else 0] * len(spans)


def _starts(spans: Sequence[Span], floors: Sequence[int], gap: int, end: int) -> list[int]:
    """Where cues begin: where they did, but after the least of the one before, and early enough for all that follow."""
    latest = [end]
    for floor in reversed(floors):
        latest.append(min(latest[-1], end) - floor - (gap if len(latest) > 1 else 0))
    starts: list[int] = []
    for i, (span, last) in enumerate(zip(spans, reversed(latest[1:]), strict=True)):
        first = starts[-1] + floors[i - 1] + gap if starts else 0
        starts.append(max(first, min(span.start, last)))
    return starts


def _broken_rules(cues: Sequence[Cue], profile: Profile) -> tuple[Finding, ...]:
    short = [cue.id for cue in cues if cue.span.length < profile.shortest]
    fast = [cue.id for cue in cues if cue.span.length < profile.reading_time(cue.text) and cue.id not in short]
    rules = (
        (short, f"are shorter than the {profile.shortest} ms of {profile.name}"),
        (fast, f"pass faster than the {profile.speed} columns a second of {profile.name}"),
    )
    return tuple(
        Finding(
            "timing",
            f"{len(ids)} of {len(cues)} cues {what}: {', '.join(map(str, ids[:10]))}{' ...' * (len(ids) > 10)}",
        )
        for ids, what in rules
        if ids
    )
