"""The published JSON form of a description, both ways, with its JSON Schema; and any noun as plain JSON values.

The published form holds every thing once: keyframes name their shot, slots their keyframes, by index; the evidence of a
slot is found again by time. It tells nothing of the machine: the video is a file name, pictures are relative to the
document, the person's home folder is `~`. How long stages took is left out, so that equal runs give equal bytes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from .data import Candidate, Context, Cue, Description, Evidence, Finding, Keyframe, Picture, Shot, Slot, Span, Video
from .errors import InputError

T = TypeVar("T")
VERSION = "1.0"
_adapter: Callable[[Any], TypeAdapter[Any]] = lru_cache(TypeAdapter)


def encode(kind: type[T], value: T) -> Any:
    """A noun, or a tuple of them, as JSON values that `decode` turns back into an equal one; paths stay as they are."""
    return _adapter(kind).dump_python(value, mode="json")


def decode(kind: type[T], value: Any) -> T:
    """The noun that `encode` made JSON values of. Raises pydantic's `ValidationError` (a ValueError)."""
    return cast(T, _adapter(kind).validate_python(value))


def target(description: Description, folder: Path, ending: str) -> Path:
    """The path in `folder` for a file named after the video; `ending` is what follows its stem, as `.srt`."""
    return folder / (description.video.path.stem + ending)


def dump(description: Description, base: Path | None = None) -> bytes:
    """The published form as UTF-8 JSON; equal descriptions give equal bytes.

    Args:
        base: the folder of the document; pictures inside it are named relative to it, others by file name.
    """
    text = json.dumps(_plain(_published(description, base)), indent=1, ensure_ascii=False, allow_nan=False)
    return _homeless(text).encode("utf-8", "replace") + b"\n"


def load(data: bytes, base: Path | None = None, source: str = "the document") -> Description:
    """The description in a published document.

    Args:
        base: the folder of the document, to which pictures are relative.
        source: what to call the document in errors.
    Raises:
        InputError: it is no JSON, of another schema version, or a field is wrong (which).
    """
    try:
        value = json.loads(data)
    except ValueError as error:
        raise InputError(f"{source} is not JSON: {error}") from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != VERSION:
        raise InputError(
            f"{source} has schema version {version!r}, this vdesc reads {VERSION!r}: make it again with vdesc run"
        )
    try:
        return _description(decode(_Document, value), base)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{source} does not fit its schema at {place}: {first['msg']}") from error
    except KeyError as error:
        raise InputError(f"{source} names a shot or keyframe {error} that it does not hold") from error


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the published form."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"vdesc description {VERSION}"}
    return head | {k: v for k, v in _adapter(_Document).json_schema(mode="serialization").items() if k not in head}


@dataclass(frozen=True, slots=True)
class PublishedKeyframe:
    """A frame that stands for the time around it: `at` is its exact time in milliseconds, `shot` the index of its shot.

    `image` is a path relative to the document; `frame` is its number in decoding order; `sharpness` is a focus measure.
    """

    index: int
    at: int
    shot: int
    image: str
    sharpness: float
    frame: int | None


@dataclass(frozen=True, slots=True)
class PublishedSlot:
    """A stretch of time that wants words, and the indexes of the keyframes that show it.

    `budget` is how long the words may take in milliseconds, or null.
    """

    index: int
    span: Span
    keyframes: tuple[int, ...]
    budget: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """What vdesc knows of a video. Times are integer milliseconds from the first frame; scores are 0 to 1.

    `sought` are the kinds of evidence that were looked for, found or not; `settings` are the effective ones; `made_by`
    maps each plugin to the version that ran.
    """

    schema_version: Literal["1.0"]
    video: Video
    shots: tuple[Shot, ...]
    keyframes: tuple[PublishedKeyframe, ...]
    evidence: tuple[Evidence, ...]
    slots: tuple[PublishedSlot, ...]
    candidates: tuple[Candidate, ...]
    cues: tuple[Cue, ...]
    findings: tuple[Finding, ...]
    sought: tuple[str, ...] = ()
    settings: Mapping[str, Any]
    made_by: Mapping[str, str]


def _published(description: Description, base: Path | None) -> _Document:
    def name(path: Path) -> str:
        return (path.relative_to(base) if base and path.is_relative_to(base) else Path(path.name)).as_posix()

    keyframes = tuple(
        PublishedKeyframe(k.index, k.at, k.shot.index, name(k.image.path), k.sharpness, k.frame)
        for k in description.keyframes
    )
    slots = tuple(
        PublishedSlot(s.index, s.span, tuple(k.index for k in s.keyframes), s.budget) for s in description.slots
    )
    video = replace(description.video, path=Path(description.video.path.name))
    same = {f.name: getattr(description, f.name) for f in fields(_Document)}
    return _Document(**same | {"video": video, "keyframes": keyframes, "slots": slots})


def _description(document: _Document, base: Path | None) -> Description:
    shots, context = {shot.index: shot for shot in document.shots}, Context(document.evidence, document.sought)
    keyframes = {
        k.index: Keyframe(k.index, k.at, shots[k.shot], Picture((base or Path()) / k.image), k.sharpness, k.frame)
        for k in document.keyframes
    }
    slots = (
        Slot(s.index, s.span, tuple(keyframes[k] for k in s.keyframes), context.during(s.span), s.budget)
        for s in document.slots
    )
    same = {f.name: getattr(document, f.name) for f in fields(_Document)}
    return Description(**same | {"keyframes": tuple(keyframes.values()), "slots": tuple(slots)})


def _homeless(text: str) -> str:
    """JSON text with `~` in place of the person's home folder."""
    home = json.dumps(os.path.expanduser("~"), ensure_ascii=False)[1:-1]  # noqa: PTH111 - never raises
    return re.sub(rf"(?<![\w./-]){re.escape(home)}(?=[/\\\"])", "~", text) if len(home) > 1 else text


def _plain(value: Any) -> Any:
    """JSON values in the order of the fields, mappings in the order of their keys."""
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(value[name]) for name in sorted(value, key=str)}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return str(value) if isinstance(value, Path | Fraction) else value


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
