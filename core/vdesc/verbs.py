"""The contract of each kind's verb: what it answers to none, one and several, asked twice; a sentence a broken rule."""

from __future__ import annotations

import json
import math
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from . import fakes
from .crew import blamed
from .data import Candidate, Description, Evidence, Keyframe, Slot, Span, Video
from .errors import InputError, PluginError, SettingsError, VdescError
from .kinds import Captioner, Converter, Keyframer, Metric, Observer, Plugin, Ranker, Writer

Rules = Iterator[str]
"""Broken rules, a sentence each."""


@contextmanager
def trying(plugin: Plugin, failing: str) -> Iterator[None]:
    """Makes one sentence of whatever the plugin raises, which says what it failed at."""
    try:
        with blamed(plugin, failing):
            yield
    except SettingsError:
        raise
    except VdescError as error:
        text = str(error)
        raise PluginError(text if failing in text else f"{plugin.name} {failing}: {text}") from error


def _answer(plugin: Plugin, verb: str, *given: Any) -> tuple[list[Any], list[str]]:
    """What the verb answers, and whether a second call answers the same and what it was given is as before."""
    before = repr(given)
    with trying(plugin, f"failed at {verb}"):
        first, second = ([*getattr(plugin, verb)(*given)] for _ in range(2))
    problems = []
    if repr(first) != repr(second):
        problems.append(f"{verb} answers otherwise when it is called again")
    if repr(given) != before:
        problems.append(f"{verb} changes what it is given")
    return first, problems


def _share(number: Any) -> bool:
    try:
        return math.isfinite(number) and 0 <= number <= 1
    except TypeError:
        return False


def _keyframer(plugin: Keyframer, folder: Path) -> Rules:
    from .media import probe, save_picture

    clip = probe(fakes.small_video(folder / "clip.mp4"))
    yield from _keyframes(plugin, clip)
    photo = save_picture(fakes.picture(), folder / "photo.jpg").path
    try:
        yield from _keyframes(plugin, probe(photo))
    except VdescError as error:
        if not isinstance(error, InputError):  # to refuse photos is fair
            yield f"a photo: {error}"


def _keyframes(plugin: Keyframer, video: Video) -> Rules:
    shape, passes = (video.height, video.width, 3), []
    for _ in range(2):
        found: list[Any] = []
        with blamed(plugin, "failed at select"):
            for keyframe in plugin.select(video):
                if not isinstance(keyframe, Keyframe):
                    yield f"select gives {type(keyframe).__name__}, not Keyframe"
                    return
                if (pixels := keyframe.pixels()).dtype != "uint8" or pixels.shape != shape:
                    yield f"a keyframe's pixels must be uint8 {shape}, not {pixels.dtype} {pixels.shape}"
                found.append((keyframe.index, keyframe.at, keyframe.shot, keyframe.frame))
        passes.append(found)
    if not passes[0]:
        yield f"select finds no keyframe in {'a photo' if video.still else 'a video of three scenes'}"
    if passes[0] != passes[1]:
        yield "select answers otherwise when it is called again"
    yield from _ordered(passes[0], video.span)


def _ordered(found: list[Any], whole: Span) -> Rules:
    for index, at, shot, _ in found:
        if not whole.contains(at):
            yield f"keyframe {index} at {at} ms is not inside the video, which lasts {whole.end} ms"
        if not whole.start <= shot.span.start < shot.span.end <= whole.end:
            yield f"shot {shot.index}, {shot.span.start}..{shot.span.end} ms, is empty or not inside the video"
    for (index, at, shot, _), (next_index, next_at, next_shot, _) in pairwise(found):
        if next_index <= index or next_at < at:
            yield f"keyframe {next_index} comes after keyframe {index}: they must be in order of index and time"
        if shot != next_shot and (next_shot.index <= shot.index or next_shot.span.start < shot.span.end):
            yield f"shot {next_shot.index} overlaps shot {shot.index} or comes before it"


def _observer(plugin: Observer, folder: Path) -> Rules:
    from .media import probe

    clip = probe(fakes.small_video(folder / "clip.mp4"))
    shown = fakes.stored(fakes.keyframes(3), folder)
    for some in ((), shown[:1], shown):
        found, problems = _answer(plugin, "observe", clip, some)
        yield from problems
        for evidence in found:
            yield from _evidence(plugin, evidence, clip)


def _evidence(plugin: Observer, evidence: Any, clip: Video) -> Rules:
    if not isinstance(evidence, Evidence):
        yield f"observe gives {type(evidence).__name__}, not Evidence"
        return
    if evidence.span.start < clip.span.start or evidence.span.end > clip.span.end:
        yield f"evidence at {evidence.span.start}..{evidence.span.end} ms is not inside the video"
    if not _share(evidence.confidence):
        yield f"the confidence of evidence must be in 0..1, not {evidence.confidence!r}"
    if not evidence.kind or evidence.source != plugin.name:
        yield "evidence must have a kind, and the observer's name as its source"
    try:
        json.dumps(dict(evidence.details), allow_nan=False)
    except (TypeError, ValueError):
        yield f"the details of evidence must be plain JSON values, not {evidence.details!r}"


def _captioner(plugin: Captioner, folder: Path) -> Rules:
    asked = _slots(4, 1, folder)
    for some, n in (((), 1), (asked[:1], 1), (asked[1:], 3), (_slots(2, 3, folder), 1)):
        found, problems = _answer(plugin, "propose", some, n)
        yield from problems
        yield from _proposed(plugin, found, some, n)


def _slots(n: int, frames: int, folder: Path) -> tuple[Slot, ...]:
    made = fakes.slots(n, frames)
    return tuple(replace(slot, keyframes=fakes.stored(slot.keyframes, folder)) for slot in made)


def _proposed(plugin: Captioner, found: list[Any], asked: Sequence[Slot], n: int) -> Rules:
    left = {slot.index: n for slot in asked}
    for candidate in found:
        if not isinstance(candidate, Candidate):
            yield f"propose gives {type(candidate).__name__}, not Candidate"
            return
        if candidate.slot not in left:
            yield f"propose answers for slot {candidate.slot} when asked for {sorted(left)}: use slot.index"
        else:
            left[candidate.slot] -= 1
        yield from _worded(candidate)
        if candidate.source != plugin.name:
            yield f"a candidate's source must be '{plugin.name}', not '{candidate.source}'"
        if candidate.confidence is not None and not _share(candidate.confidence):
            yield f"a candidate's confidence must be None or in 0..1, not {candidate.confidence!r}"
    if any(rest < 0 for rest in left.values()):
        yield "propose gives more candidates for a slot than it was asked for"


def _worded(candidate: Candidate) -> Rules:
    if not isinstance(candidate.text, str) or not candidate.text.strip():
        yield f"a candidate's text must be words, not {candidate.text!r}"
    elif any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in candidate.text):
        yield f"a candidate's text must have no line breaks or control characters: {candidate.text!r}"


def _ranker(plugin: Ranker, folder: Path) -> Rules:
    asked = _slots(4, 1, folder)
    for slots, n in (((), 1), (asked[:1], 1), (asked[1:], 3)):
        for candidates in ((), fakes.candidates(slots, n)):
            found, problems = _answer(plugin, "score", slots, candidates)
            yield from problems
            if len(found) != len(candidates):
                yield f"score gives {len(found)} numbers for {len(candidates)} candidates"
            for number in found:
                if not _share(number):
                    yield f"score must give numbers in 0..1, not {number!r}"
            yield from _supported(plugin, slots, candidates)
    yield from _compared(plugin)


def _supported(plugin: Ranker, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> Rules:
    found, problems = _answer(plugin, "support", slots, candidates)
    yield from problems
    if len(found) != len(candidates):
        yield f"support gives evidence for {len(found)} of {len(candidates)} candidates"
    known = [evidence for slot in slots for evidence in slot.context.evidence]
    if any(evidence not in known for some in found for evidence in some):
        yield "support gives evidence that is not in the slots"


def _compared(plugin: Ranker) -> Rules:
    texts = ["A scene.", "A dog runs.", "A scene."]
    with trying(plugin, "failed at sentences"):
        vectors = plugin.sentences(texts)
    if vectors is None:
        return
    if getattr(vectors, "dtype", None) != "float32" or len(vectors.shape) != 2 or len(vectors) != len(texts):
        yield f"sentences must give a float32 row for each of {len(texts)} texts"
    elif abs((vectors**2).sum(1) - 1).max() > 1e-3:
        yield "sentences must give vectors of length 1"
    elif abs(vectors[0] - vectors[2]).max() > 1e-4:
        yield "sentences gives the same text another vector"


def _writer(plugin: Writer, folder: Path) -> Rules:
    if not isinstance(getattr(plugin, "extension", None), str):
        yield "a writer needs an extension, as in extension = '.srt'"
        return
    kept, out = folder / "kept", folder / "out"
    for made in (kept, out):
        made.mkdir()
    path, problems = _written(plugin, _shown(3, folder), out)
    yield from problems
    if not _contents(path, path).strip():
        yield f"write leaves {path.name} empty"
    files = [file for file in sorted(out.rglob("*")) if file.is_file()]
    before = [file.read_bytes() for file in files]
    for i, file in enumerate(files):
        os.link(file, kept / str(i))  # a writer that opens the old file, and not a new one, changes this one too
    for n in (1, 0):
        yield from _written(plugin, _shown(n, folder), out)[1]
    if before != [(kept / str(i)).read_bytes() for i in range(len(files))]:
        yield "write changes the old file while it writes: use vdesc.write_atomic, so that a crash leaves a whole one"


def _written(plugin: Writer, description: Description, out: Path) -> tuple[Path, list[str]]:
    before, problems = repr(description), []
    with trying(plugin, "failed at write"):
        path = plugin.write(description, out)
        first = _contents(path, out)
        if _contents(plugin.write(description, out), out) != first:
            problems.append("write writes something else when it is called again")
    if not Path(path).is_relative_to(out) or not Path(path).exists():
        problems.append(f"write must give the path of what it wrote inside the folder, not {path}")
    if not str(path).endswith(plugin.extension):
        problems.append(f"write gives {Path(path).name}, which does not end in its extension '{plugin.extension}'")
    if any(child.name.startswith(".") for child in out.iterdir()):
        problems.append("write leaves hidden files in the folder")
    if repr(description) != before:
        problems.append("write changes what it is given")
    return path, problems


def _shown(n: int, folder: Path) -> Description:
    made = fakes.description(n)
    return replace(made, keyframes=fakes.stored(made.keyframes, folder))


def _contents(path: Path, base: Path) -> bytes:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return b"".join(file.read_bytes() for file in files if file.is_file())


def _converter(plugin: Converter, folder: Path) -> Rules:
    """Of files that are nobody's: each is asked of every file that a person names."""
    (folder / "empty.json").write_bytes(b"")
    (folder / "noise.dat").write_bytes(bytes(range(256)))
    (folder / "list.json").write_text("[1, 2]", encoding="utf-8")
    for source in (folder, *sorted(folder.glob("*.*")), folder / "missing.json"):
        with trying(plugin, f"failed at reads of {source.name}"):
            answer = plugin.reads(source)
        if answer is not False:
            yield f"reads must be False of a file that is not its own, not {answer!r} of {source.name}"


def _metric(plugin: Metric, folder: Path) -> Rules:
    with trying(plugin, "failed at score"):
        found = plugin.score(_shown(2, folder), ["A scene."])
    for name, number in found.items():
        if not isinstance(name, str) or not math.isfinite(number):
            yield f"score must give finite numbers by name, not {name!r}: {number!r}"


VERBS: dict[type[Plugin], Callable[[Any, Path], Rules]] = {
    Keyframer: _keyframer,
    Observer: _observer,
    Captioner: _captioner,
    Ranker: _ranker,
    Writer: _writer,
    Metric: _metric,
    Converter: _converter,
}
