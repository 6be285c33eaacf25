"""Grouping: what detectors saw in single keyframes, as one evidence for each label of a shot. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from vdesc import Evidence, Keyframe, Span
from vdesc.sightings import Sighting, lasting


def objects(
    source: str, sightings: Iterable[Sighting], keyframes: Sequence[Keyframe], spans: Sequence[Span]
) -> list[Evidence]:
    """One evidence of kind `object` for each label in each shot, in order of first sight.

    It lasts from the stretch of the first keyframe of the shot that shows the label to that of the last; box and
    confidence are those of the surest sighting. Its details hold `count`, the most that one keyframe shows, which is
    how many there are at least (no object is followed from one keyframe to the next), and `seen`, every sighting.

    Args:
        source: the observer's name.
        sightings: in any order of keyframes.
        spans: each keyframe's stretch, from `planning.stretches`.
    """
    groups: dict[tuple[int, str], list[Sighting]] = {}
    for sighting in sorted(sightings, key=lambda sighting: sighting.keyframe):
        groups.setdefault((keyframes[sighting.keyframe].shot.index, sighting.value), []).append(sighting)
    return [
        lasting("object", source, group, keyframes, spans, count=max(Counter(s.keyframe for s in group).values()))
        for group in groups.values()
    ]
