"""VideoDescription's timestamps: "HH:MM:SS,mmm --> HH:MM:SS,mmm". Pure functions."""

from __future__ import annotations

import re

from vdesc import Span

STAMP = re.compile(
    r"\s*(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})\s*-->\s*(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})\s*", re.A
)


def span(stamp: object) -> Span:
    """The time that a timestamp tells, to the millisecond. Raises `ValueError` where it tells none."""
    found = STAMP.fullmatch(stamp) if isinstance(stamp, str) else None
    if not found:
        raise ValueError(f"{stamp!r} is no timestamp as 00:00:01,000 --> 00:00:02,500")
    numbers = [int(number) for number in found.groups()]
    start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
    if end < start:
        raise ValueError(f"{stamp!r} ends before it starts")
    return Span(start, end)


def stamp(span: Span) -> str:
    """The timestamp of a time."""
    return f"{_clock(span.start)} --> {_clock(span.end)}"


def _clock(at: int) -> str:
    return f"{at // 3600000:02}:{at // 60000 % 60:02}:{at // 1000 % 60:02},{at % 1000:03}"
