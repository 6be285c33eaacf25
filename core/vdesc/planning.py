"""Planning: the stretches of a video that want words. Pure functions over times."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .data import Context, Keyframe, Slot, Span, Video


def plan(
    video: Video, keyframes: Sequence[Keyframe], context: Context, shortest: int = 0, tiles: bool = True
) -> tuple[Slot, ...]:
    """The slots in order of time: one for each keyframe, cut where shots meet, or halfway within a shot.

    Args:
        shortest: stretches of fewer milliseconds are joined with a neighbour.
        tiles: whether the shots cover the whole video. A shot without keyframes (all of them looked like the one
            before) then belongs to the slot before it.
    """
    spans = stretches(keyframes, video.span if tiles else None)
    groups = _joined(list(zip(spans, [(keyframe,) for keyframe in keyframes], strict=True)), shortest if tiles else 0)
    return tuple(Slot(i, span, frames, context.during(span)) for i, (span, frames) in enumerate(groups))


def stretches(keyframes: Sequence[Keyframe], whole: Span | None = None) -> list[Span]:
    """The time that each keyframe stands for: its part of its shot; with `whole`, also what lies between the shots."""
    starts = [keyframe.shot.span.start for keyframe in keyframes]
    ends = [keyframe.shot.span.end for keyframe in keyframes]
    for i, (one, other) in enumerate(pairwise(keyframes)):
        if one.shot.index == other.shot.index:
            ends[i] = starts[i + 1] = (one.at + other.at + 1) // 2
        elif whole:
            ends[i] = starts[i + 1]
    if whole and keyframes:
        starts[0], ends[-1] = whole.start, max(whole.end, starts[-1])
    return [Span(start, end) for start, end in zip(starts, ends, strict=True)]


def _joined(
    stretches: list[tuple[Span, tuple[Keyframe, ...]]], shortest: int
) -> list[tuple[Span, tuple[Keyframe, ...]]]:
    """Stretches gathered until each is long enough; a short rest goes to the last one."""
    groups: list[tuple[Span, tuple[Keyframe, ...]]] = []
    for span, frames in stretches:
        if groups and groups[-1][0].length < shortest:
            before, earlier = groups.pop()
            span, frames = Span(before.start, span.end), earlier + frames
        groups.append((span, frames))
    if len(groups) > 1 and groups[-1][0].length < shortest:
        rest, late = groups.pop()
        before, earlier = groups.pop()
        groups.append((Span(before.start, rest.end), earlier + late))
    return groups
