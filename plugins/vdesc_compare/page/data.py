"""What the page is told: a comparison as plain JSON values, each thing once. Numbers name keyframes and slots."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from vdesc import Candidate, Evidence, Video

from ..comparison import Column, Comparison
from ..figures import described
from .reasons import reason
from .thumbnails import thumbnails


def page_data(comparison: Comparison, folder: Path) -> dict[str, Any]:
    """All that the page shows.

    Args:
        folder: of the page; the video is named relative to it.
    """
    scene = comparison.scene
    place = {keyframe.index: i for i, keyframe in enumerate(scene.keyframes)}
    names = [name for column in comparison.columns for name in (*column.scores, *column.slot_scores)]
    names += [name for cue in scene.cues for name in cue.chosen.scores]
    names += [name for way in comparison.choices.values() for name in way]
    return {
        "kind": "run" if scene.cues else "compare",
        "video": _video(scene.video, folder),
        "shots": [[shot.span.start, shot.span.end] for shot in scene.shots],
        "keyframes": [
            {"at": keyframe.at, "image": image}
            for keyframe, image in zip(scene.keyframes, thumbnails(scene.keyframes), strict=True)
        ],
        "slots": [
            {"span": [s.span.start, s.span.end], "keyframes": [place[k.index] for k in s.keyframes if k.index in place]}
            for s in scene.slots
        ],
        "evidence": [_evidence(found, place) for found in scene.evidence],
        "columns": [_column(column, comparison) for column in comparison.columns],
        "finals": _finals(comparison),
        "figures": described(names),
        "agreement": comparison.agreement,
        "disagreement": comparison.disagreement,
        "differences": [
            {"figure": d.figure, "first": d.first, "second": d.second, "value": d.value, "low": d.low, "high": d.high,
             "noise": d.noise}
            for d in comparison.differences
        ],
        "references": [{"span": [r.span.start, r.span.end], "text": r.text} for r in comparison.references],
        "choices": {name: dict(values) for name, values in comparison.choices.items()},
        "findings": [{"source": f.source, "message": f.message, "level": f.level} for f in scene.findings],
    }  # fmt: skip


def address(path: Path, folder: Path) -> str:
    """The URL of a file as seen from `folder`, every character that means something in a URL escaped."""
    try:
        seen = os.path.relpath(path, folder)
    except ValueError:  # another drive
        return path.absolute().as_uri()
    return quote(os.fsencode(seen.replace(os.sep, "/")), safe="/")


def _video(video: Video, folder: Path) -> dict[str, Any]:
    return {
        "name": video.path.name,
        "src": address(video.path, folder),
        "digest": video.digest,
        "length": video.span.end,
        "width": video.width,
        "height": video.height,
        "still": video.still,
    }


def _column(column: Column, comparison: Comparison) -> dict[str, Any]:
    said: dict[int, list[Candidate]] = {}
    for candidate in column.candidates:
        said.setdefault(candidate.slot, []).append(candidate)
    picks = dict(zip((slot.index for slot in comparison.scene.slots), column.picks, strict=False))
    cost = column.cost
    return {
        "label": column.label,
        "plugin": column.plugin,
        "options": {name: str(value) for name, value in column.options.items()},
        "error": column.error,
        "cost": {
            "load": cost.load, "propose": cost.propose, "slots": cost.slots, "tokens": cost.tokens,
            "tokensPerSecond": cost.tokens_per_second, "memory": cost.memory, "device": cost.device,
            "parameters": cost.parameters,
        },
        "scores": dict(column.scores),
        "slotScores": {name: list(values) for name, values in column.slot_scores.items()},
        "cells": [_cell(picks.get(slot.index), said.get(slot.index, ())) for slot in comparison.scene.slots],
        "cues": [[cue.span.start, cue.span.end, cue.text, cue.language] for cue in column.cues],
    }  # fmt: skip


def _cell(pick: Candidate | None, said: Sequence[Candidate]) -> list[dict[str, Any]]:
    """What a captioner said of a slot: the pick first, then what it said otherwise; nothing without a pick."""
    if pick is None:
        return []
    others = {candidate.text: candidate for candidate in said if candidate.text != pick.text}
    return [
        {"text": c.text, "language": c.language, "scores": _scores(c)}
        for c in (pick, *others.values())
    ]  # fmt: skip


def _scores(candidate: Candidate) -> dict[str, float]:
    own = {} if candidate.confidence is None else {"confidence": candidate.confidence}
    return {**own, **candidate.scores}


def _finals(comparison: Comparison) -> list[dict[str, Any] | None]:
    """For each slot of a run the cue that speaks for it."""
    cues = {slot: cue for cue in comparison.scene.cues for slot in cue.slots}
    return [
        {"text": cue.text, "language": cue.language, "label": cue.chosen.source, "slot": cue.chosen.slot,
         "why": reason(cue), "span": [cue.span.start, cue.span.end]}
        if (cue := cues.get(slot.index)) else None
        for slot in comparison.scene.slots
    ]  # fmt: skip


def _evidence(found: Evidence, place: Mapping[int, int]) -> dict[str, Any]:
    """A piece of evidence; `boxes` are [keyframe, left, top, right, bottom]; without a keyframe (null) it lasts."""
    return {
        "kind": found.kind,
        "span": [found.span.start, found.span.end],
        "value": found.value,
        "confidence": found.confidence,
        "source": found.source,
        "boxes": _boxes(found, place),
        **({"count": count} if isinstance(count := found.details.get("count"), int) else {}),
    }


def _boxes(found: Evidence, place: Mapping[int, int]) -> list[list[Any]]:
    seen = found.details.get("seen")
    boxes: list[list[Any]] = []
    for sighting in seen if isinstance(seen, list | tuple) else ():
        keyframe = sighting.get("keyframe") if isinstance(sighting, Mapping) else None
        box: Any = sighting.get("box") if isinstance(sighting, Mapping) else None
        if isinstance(keyframe, int) and keyframe in place and _rectangle(box):
            boxes.append([place[keyframe], *box])
    if not boxes and found.box:
        boxes.append([None, found.box.left, found.box.top, found.box.right, found.box.bottom])
    return boxes


def _rectangle(box: Any) -> bool:
    """Whether it is four finite numbers: another program may have written anything."""
    return isinstance(box, list | tuple) and len(box) == 4 and all(
        isinstance(side, int | float) and math.isfinite(side) for side in box
    )  # fmt: skip
