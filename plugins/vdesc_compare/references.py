"""References: what people said of stretches of a video, from subtitles, JSON, CSV, COCO or ActivityNet files."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vdesc import InputError, Slot, Span, Video
from vdesc.cuefiles import plain, read

from .comparison import Reference

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)$")


def references(path: Path, video: Video) -> tuple[Reference, ...]:
    """What the file says of the video, in order of time.

    Args:
        path: SubRip, WebVTT and what else `vdesc.cuefiles` reads; vdesc's own JSON; a CSV with start, end and text;
            COCO's JSON whose annotations have a start and end; ActivityNet's by the name of the video. Numbers are
            seconds.
    Raises:
        InputError: it cannot be read (the line is named), or says nothing of the time that the video lasts.
    """
    said = sorted(_said(path, video), key=lambda one: one.span)
    inside = tuple(one for one in said if one.text and (video.still or one.span.overlap(video.span)))
    if not inside:
        when = f"its {len(said)} references lie outside of {video.path.name}" if said else "it says nothing"
        raise InputError(f"{path} is of another video: {when}; give the references of this one")
    return inside


def of_slots(slots: Sequence[Slot], said: Sequence[Reference], still: bool = False) -> dict[int, list[str]]:
    """The references of each slot by its index: those that share half of the time of the shorter of the two.

    A slot without any is left out; all that is said of a photo is said of its one slot.
    """
    found = {slot.index: [one.text for one in said if still or _shared(slot.span, one.span)] for slot in slots}
    return {index: texts for index, texts in found.items() if texts}


def _shared(slot: Span, said: Span) -> bool:
    return 2 * slot.overlap(said) >= max(1, min(slot.length, said.length))


def _said(path: Path, video: Video) -> list[Reference]:
    if path.suffix.lower() == ".csv":
        return list(_csv(path))
    if path.suffix.lower() == ".json":
        whole = _parsed(path)
        for form in (_own, _coco, _activitynet, _rows):
            if (rows := form(whole, video)) is not None:
                return [_reference(path, i, row) for i, row in enumerate(_whole(path, rows), 1)]
        raise InputError(
            f"{path} holds no references: a list with start, end and text, or COCO's or ActivityNet's JSON"
        )
    file = read(path)
    return [
        Reference(cue.span, " ".join(text for _, text in plain(cue.text, file.webvtt) if text)) for cue in file.cues
    ]


def _parsed(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputError(f"line {getattr(error, 'lineno', 1)} of {path} is no JSON: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _whole(path: Path, rows: Iterator[tuple[Any, Any, Any]]) -> list[tuple[Any, Any, Any]]:
    try:
        return list(rows)
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path} has an entry without start, end and text: {error}") from error


def _own(whole: Any, video: Video) -> Iterator[tuple[Any, Any, Any]] | None:
    """The cues of a description that vdesc wrote, whose times are milliseconds."""
    if not isinstance(whole, dict) or "schema_version" not in whole:
        return None
    return ((c["span"]["start"] / 1000, c["span"]["end"] / 1000, c["text"]) for c in whole.get("cues", ()))


def _coco(whole: Any, video: Video) -> Iterator[tuple[Any, Any, Any]] | None:
    if not isinstance(whole, dict) or not isinstance(whole.get("annotations"), list):
        return None
    return ((row.get("start", 0), row.get("end", _end(video)), row.get("caption")) for row in whole["annotations"])


def _activitynet(whole: Any, video: Video) -> Iterator[tuple[Any, Any, Any]] | None:
    entry = whole.get(video.path.stem) if isinstance(whole, dict) else None
    if not isinstance(entry, dict) or "timestamps" not in entry:
        return None
    return ((*times, text) for times, text in zip(entry["timestamps"], entry.get("sentences", ()), strict=False))


def _rows(whole: Any, video: Video) -> Iterator[tuple[Any, Any, Any]] | None:
    rows = whole.get("segments") if isinstance(whole, dict) else whole
    if not isinstance(rows, list):
        return None
    return ((row.get("start"), row.get("end"), row.get("text", row.get("caption"))) for row in rows)


def _csv(path: Path) -> Iterator[Reference]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t|", key=text.partition("\n")[0].count))
    names = {name.strip().lower(): name for name in rows.fieldnames or ()}
    column = next((names[name] for name in ("text", "caption") if name in names), None)
    if column is None or not {"start", "end"} <= names.keys():
        raise InputError(f"line 1 of {path} must name the columns start, end and text")
    for row in rows:
        yield _reference(path, rows.line_num, (row[names["start"]], row[names["end"]], row[column]), "line")


def _reference(path: Path, number: int, row: tuple[Any, Any, Any], what: str = "entry") -> Reference:
    start, end, text = row
    try:
        return Reference(Span(_milliseconds(start), _milliseconds(end)), " ".join(str(text or "").split()))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{what} {number} of {path} has no start and end in seconds, the end after the start: {str(row)[:80]}"
        ) from error


def _milliseconds(value: Any) -> int:
    if isinstance(value, str) and (clock := _CLOCK.match(value.strip())):
        hours, minutes, seconds = clock.groups()
        value = 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))
    return round(1000 * float(value))


def _end(video: Video) -> float:
    return video.span.end / 1000
