"""Reads VideoDescription's files, those that are there, into one `Work`. Knows their names and forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError
from vdesc import InputError, Span

from .times import span
from .work import Final, Line, Scene, Work, spoken

KEYFRAMES = "keyframes_timestamp.json"
FRAMES = "keyframes_pyscenedetect"
"""The folder in which each video has one with its keyframes."""
SCENES = ("deepface_ocr.json", "yolo_results.json", "final_input.json", "caption_candidates.json")
"""Files with an entry a scene, as they are made one after another: each holds what those before it hold, and more."""
SCRIPT = "video_script_large.json"
FINALS = "final_caption.json"
NAMES = (KEYFRAMES, *SCENES, SCRIPT, FINALS)


def _worded(value: Any) -> Any:
    """Texts as a list without blank ones, be it one or several."""
    texts = [value] if isinstance(value, str) else value
    return [text for text in texts if text.strip()] if _texts(texts) else texts


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


Time = Annotated[Span, BeforeValidator(span)]
NoTime = Annotated[Span | None, BeforeValidator(lambda text: span(text) if text != "" else None)]
Texts = Annotated[list[str], BeforeValidator(_worded)]


class Thing(BaseModel):
    """A detected object: detection writes its name as `class`, the steps after it read `class` or `label`."""

    name: str = Field(validation_alias=AliasChoices("class", "label"))


class KeyframeEntry(BaseModel):
    """An entry of KEYFRAMES."""

    image: str = Field(validation_alias="frame_file", min_length=1)
    timestamp: Time


class SceneEntry(BaseModel):
    """An entry of one of SCENES; what its file does not tell is None."""

    image: str = Field(min_length=1)
    timestamp: NoTime = None
    ocr: Texts | None = None
    deepface: str | None = None
    yolo: list[Thing] | None = None
    dialogue: Texts | None = None
    captions: Texts | None = None


class LineEntry(BaseModel):
    """An entry of SCRIPT."""

    timestamp: Time
    dialogue: Texts


class FinalEntry(BaseModel):
    """An entry of FINALS."""

    image: str = Field(min_length=1)
    timestamp: NoTime = None
    caption: str


Entry = TypeVar("Entry", bound=BaseModel)


def read(source: Path) -> Work:
    """What the files of a folder, or one file, hold. Raises `InputError` where one is broken or a time is missing."""
    files = found(source)
    gathered = _Gathered()
    for keyframe in _entries(files, KEYFRAMES, KeyframeEntry):
        gathered.add(KEYFRAMES, keyframe.image, timestamp=keyframe.timestamp)
    for name in SCENES:
        for scene in _entries(files, name, SceneEntry):
            gathered.add(name, scene.image, **{key: value for key, value in scene if key != "image"})
    finals = _entries(files, FINALS, FinalEntry)
    for final in finals:
        known = "timestamp" in gathered.scenes.get(final.image, {})
        gathered.add(FINALS, final.image, timestamp=None if known else final.timestamp)
    folder = files[KEYFRAMES].parent if KEYFRAMES in files else source if source.is_dir() else source.parent
    scenes = {scene.image: scene for scene in gathered.ordered(source, folder)}
    script = tuple(Line(e.timestamp, text) for e in _entries(files, SCRIPT, LineEntry) for text in e.dialogue)
    chosen = tuple(Final(e.image, e.timestamp or scenes[e.image].span, e.caption) for e in finals if e.caption.strip())
    said = (*gathered.disagreements(), *gathered.denied(script))
    return Work(folder.resolve().name or "video", tuple(scenes.values()), script, chosen, said)


def found(source: Path) -> dict[str, Path]:
    """The files to read, by name: the source itself, or those of a folder with the one that lists its keyframes.

    Raises:
        InputError: the folder has keyframes of several videos.
    """
    if source.is_file():
        return {source.name: source} if source.name in NAMES else {}
    files = {name: source / name for name in NAMES if (source / name).is_file()}
    listed = sorted(source.glob(f"{FRAMES}/*/{KEYFRAMES}"))
    if len(listed) > 1 and KEYFRAMES not in files:
        folders = ", ".join(path.parent.name for path in listed)
        raise InputError(f"{source / FRAMES} has keyframes of several videos ({folders}): move all but one away")
    return {KEYFRAMES: listed[0], **files} if listed else files


class _Gathered:
    """What files tell of scenes, by the names of their frames; a later file is believed more than those before it."""

    def __init__(self) -> None:
        self.scenes: dict[str, dict[str, Any]] = {}
        self.others: Counter[tuple[str, str]] = Counter()

    def add(self, file: str, image: str, **told: Any) -> None:
        """Takes what a file tells of a scene; None is nothing told."""
        scene = self.scenes.setdefault(image, {})
        for key, value in told.items():
            if value is not None:
                self.others[file, key] += scene.get(key, value) != value
                scene[key] = value

    def ordered(self, source: Path, folder: Path) -> list[Scene]:
        """The scenes in order of time. Raises `InputError` where the time of one is in no file."""
        for image, told in self.scenes.items():
            if "timestamp" not in told:
                raise InputError(f"{source}: no timestamp of {image} is there: put {KEYFRAMES} beside it")
        scenes = [
            Scene(
                image=image, span=told["timestamp"], ocr=tuple(told.get("ocr", ())), deepface=told.get("deepface", ""),
                yolo=tuple(thing.name for thing in told.get("yolo", ())), dialogue=tuple(told.get("dialogue", ())),
                captions=tuple(told.get("captions", ())), picture=folder / Path(image).name,
            )
            for image, told in self.scenes.items()
        ]  # fmt: skip
        return sorted(scenes, key=lambda scene: scene.span)

    def disagreements(self) -> list[str]:
        """A line for each field of each file that does not agree with the files before it."""
        return [
            f"{file} tells another {key} than the files before it of {number} scenes: it is taken"
            for (file, key), number in self.others.items()
            if number
        ]

    def denied(self, script: Sequence[Line]) -> list[str]:
        """A line where the script has words for scenes that are said to have none."""
        silent = [told["timestamp"] for told in self.scenes.values() if told.get("dialogue") == []]
        number = sum(bool(spoken(script, time)) for time in silent)
        return [f"{SCRIPT} has words for {number} scenes without dialogue: they stay"] if number else []


def _entries(files: Mapping[str, Path], name: str, kind: type[Entry]) -> list[Entry]:
    """The entries of a file, none where it is not there. Raises `InputError`, which names the file and the entry."""
    if name not in files:
        return []
    path = files[name]
    try:
        return TypeAdapter(list[kind]).validate_json(path.read_bytes())  # type: ignore[valid-type]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        number, *inner = first["loc"] or ("",)
        place = f" at entry {int(number) + 1}" if number != "" else ""
        place += f", {'.'.join(map(str, inner))}" if inner else ""
        raise InputError(
            f"{path} is not as VideoDescription writes it{place}: {first['msg'].removeprefix('Value error, ')}"
        ) from error
