"""The timeline: what was seen and heard, in order of time, as lines for a person. Pure functions."""

from __future__ import annotations

from .data import Description, Evidence
from .lines import one_line

QUOTED = ("speech", "text")
"""Kinds whose value is what somebody said or wrote."""


def clock(at: int) -> str:
    """Milliseconds as h:mm:ss.mmm."""
    seconds, milli = divmod(at, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}.{milli:03}"


def timeline(description: Description) -> list[tuple[str, str]]:
    """A start time and a line for each shot and each piece of evidence; what begins with a shot comes after it."""
    frames = [keyframe.shot for keyframe in description.keyframes]
    rows = [
        (shot.span.start, 0, f"-- shot {shot.index + 1}, {_seconds(shot.span.length)}, {_some(frames.count(shot))}")
        for shot in description.shots
    ]
    rows += [(e.span.start, 1, _line(e)) for e in description.evidence]
    rows.sort(key=lambda row: row[:2])
    return [("" if description.video.still else clock(at), line) for at, _, line in rows]


def _line(evidence: Evidence) -> str:
    value = one_line(evidence.value)
    value = f'"{value}"' if evidence.kind in QUOTED else value
    count = evidence.details.get("count", 1)
    times = f" x{count}" if isinstance(count, int) and count > 1 else ""
    return f"{evidence.kind:<10} {value}{times}  ({evidence.confidence:.2f}, {_seconds(evidence.span.length)})"


def _seconds(length: int) -> str:
    return f"{length / 1000:.1f} s"


def _some(keyframes: int) -> str:
    return f"{keyframes} keyframe{'s' * (keyframes != 1)}"
