"""The arrows: video -> keyframes -> evidence -> slots -> candidates -> ranked cues -> files; one function each.

No stage reads a later noun, none changes an earlier one. `describe` runs them all for one video; an `Engine` does so
for many, with every plugin made once and every model loaded once, when it is first needed. Each stage's result is kept
in the cache under a key of all that it depends on, so that a killed run goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from . import ranking
from .cache import Cache, key
from .crew import Crew, blamed, finding
from .data import Candidate, Context, Cue, Description, Evidence, Finding, Keyframe, Picture, Slot, Video
from .document import decode, encode
from .errors import PluginError, SettingsError, VdescError, nearest
from .kinds import Captioner, Observer, Plugin, Ranker
from .media import probe, save_picture
from .planning import plan
from .record import Clock, Findings
from .registry import Registry
from .settings import Ranking, Settings
from .similarity import similarity
from .timing import PROFILES, fit

T = TypeVar("T")
CHUNK = 64
"""Slots that a captioner gets at once: enough to fill a batch, few enough that a killed run loses little."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stage is: `done` of `total` (None where the end is not known), in `unit`s."""

    stage: str
    done: int
    total: int | None = None
    unit: str = ""


Report = Callable[[Progress], None]


def describe(video: str | Path, settings: Settings | None = None) -> Description:
    """The description of one video or photo. Raises `VdescError`."""
    with Engine(settings or Settings()) as engine:
        return engine.describe(Path(video))


class Engine:
    """Describes videos one after another with one crew of plugins.

    Args:
        report: called with each stage's progress.
    Raises:
        PluginError, SettingsError: see `Crew`.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry | None = None,
        cache: Cache | None = None,
        report: Report = lambda progress: None,
    ):
        self.settings, self.cache, self.report = settings, cache or Cache(), report
        self.crew = Crew(settings, registry or Registry(), self.cache)
        if settings.timing.profile not in PROFILES:
            wrong = settings.timing.profile
            raise SettingsError(f"there is no timing profile '{wrong}' ({nearest(wrong, PROFILES)})")

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.close()

    def describe(self, path: Path) -> Description:
        """Everything that can be said of a video or photo. Raises `VdescError` where nothing can."""
        clock, findings = Clock(), Findings()
        crew, settings = self.crew, self.settings
        with clock("look"):
            video = probe(path)
            keyframes = findings.of(look(video, crew, self.report))
        with clock("observe"):
            context = findings.of(observe(video, keyframes, crew, self.report))
        slots = plan(video, keyframes, context, settings.slots.shortest, crew.keyframer.tiles)
        with clock("propose"):
            candidates = findings.of(propose(video, slots, crew, settings.candidates, self.report))
        with clock("choose"):
            candidates = findings.of(score(video, slots, candidates, crew))
            cues, measure = choose(slots, candidates, settings.ranking)
            profile = PROFILES["none" if video.still else settings.timing.profile]
            cues, late = fit(cues, video.span.end, profile)
        return Description(
            video=video, shots=tuple(dict.fromkeys(keyframe.shot for keyframe in keyframes)), keyframes=keyframes,
            evidence=context.evidence, slots=slots, candidates=candidates, cues=cues, findings=(*findings.all, *late),
            settings=settings.model_dump(mode="json") | {"options": crew.options()},
            made_by=crew.versions | {"similarity": measure}, timings=clock.spent,
        )  # fmt: skip

    def write(self, description: Description, folder: Path) -> tuple[Path, ...]:
        """The files written to `folder`, one for each format of the settings. Raises `OutputError`."""
        return write(description, self.crew, folder)


def look(video: Video, crew: Crew, report: Report) -> tuple[tuple[Keyframe, ...], list[Finding]]:
    """The video's keyframes, their pictures stored as JPEG in the cache, and what the keyframer had to say."""
    keyframer = crew.keyframer
    folder = crew.cache.frames(key(video.digest, *crew.identity(keyframer)))

    def select() -> tuple[Keyframe, ...]:
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        kept = []
        for keyframe in crew.ready(keyframer).select(video):
            name = f"{keyframe.index:06}.jpg"
            with crew.cache.writing():
                save_picture(keyframe.image, partial / name)
            kept.append(replace(keyframe, image=Picture(Path(name))))
            report(Progress("look", keyframe.at, video.span.end, "ms"))
        shutil.rmtree(folder, ignore_errors=True)
        if kept:
            partial.rename(folder)
        return tuple(kept)

    parts = ["look", video.digest, *crew.identity(keyframer)]
    stored, findings = _remembered(crew, "look", parts, keyframer, tuple[Keyframe, ...], select)
    if not all((folder / keyframe.image.path).is_file() for keyframe in stored):  # frames were cleared away
        crew.cache.forget("look", key(*parts))
        return look(video, crew, report)
    if not stored:
        raise PluginError(f"{keyframer.name} found no keyframe in {video.path}")
    return tuple(replace(k, image=Picture(folder / k.image.path)) for k in stored), findings


def observe(video: Video, keyframes: Sequence[Keyframe], crew: Crew, report: Report) -> tuple[Context, list[Finding]]:
    """All evidence of all observers, in order of time. An observer that fails is named, the others go on."""
    evidence: list[Evidence] = []
    findings: list[Finding] = []
    for i, observer in enumerate(crew.observers):
        report(Progress(f"observe {observer.name}", i, len(crew.observers)))
        try:
            found, said = _observed(video, keyframes, crew, observer)
            evidence += found
            findings += said
        except VdescError as error:
            findings.append(finding(observer, error))
    return Context(tuple(sorted(evidence, key=lambda e: (e.span, e.kind, e.value)))), findings


def propose(
    video: Video, slots: Sequence[Slot], crew: Crew, n: int, report: Report
) -> tuple[tuple[Candidate, ...], list[Finding]]:
    """Up to `n` candidates of each captioner for each slot. Fails only where every captioner does."""
    candidates: list[Candidate] = []
    findings: list[Finding] = []
    errors: list[VdescError] = []
    for captioner in crew.captioners:
        try:
            for start in range(0, len(slots), CHUNK):
                some = slots[start : start + CHUNK]
                found, said = _proposed(video, some, crew, captioner, n)
                candidates += found
                findings += said
                report(Progress(f"propose {captioner.name}", start + len(some), len(slots), "slots"))
        except VdescError as error:
            errors.append(error)
            findings.append(finding(captioner, error))
    if len(errors) == len(crew.captioners):
        raise errors[0]
    return tuple(candidates), findings


def score(
    video: Video, slots: Sequence[Slot], candidates: Sequence[Candidate], crew: Crew
) -> tuple[tuple[Candidate, ...], list[Finding]]:
    """The candidates with every ranker's number among their scores. A ranker that fails is named and left out."""
    findings: list[Finding] = []
    for ranker in crew.rankers:
        try:
            numbers, said = _scored(video, slots, candidates, crew, ranker)
            candidates = [
                replace(candidate, scores={**candidate.scores, ranker.name: number})
                for candidate, number in zip(candidates, numbers, strict=True)
            ]
            findings += said
        except VdescError as error:
            findings.append(finding(ranker, error))
    return tuple(candidates), findings


def choose(slots: Sequence[Slot], candidates: Sequence[Candidate], how: Ranking) -> tuple[tuple[Cue, ...], str]:
    """One cue a slot, neighbours that say the same merged, and the name of the measure of likeness."""
    measure, prepare = similarity(how.similarity)
    similar = prepare(candidate.text for candidate in candidates)
    return ranking.merge(ranking.choose(slots, candidates, how.weights, similar), how.merge, similar), measure


def write(description: Description, crew: Crew, folder: Path) -> tuple[Path, ...]:
    """The files, one for each writer. Raises `OutputError` where one cannot be written."""
    paths = []
    for writer in crew.writers:
        with blamed(writer, "failed"):
            paths.append(crew.ready(writer).write(description, folder))
    return tuple(paths)


def _observed(
    video: Video, keyframes: Sequence[Keyframe], crew: Crew, observer: Observer
) -> tuple[tuple[Evidence, ...], list[Finding]]:
    parts = ["observe", video.digest, *crew.identity(crew.keyframer), *crew.identity(observer)]

    def work() -> tuple[Evidence, ...]:
        return tuple(crew.ready(observer).observe(video, keyframes))

    return _remembered(crew, "observe", parts, observer, tuple[Evidence, ...], work)


def _proposed(
    video: Video, slots: Sequence[Slot], crew: Crew, captioner: Captioner, n: int
) -> tuple[tuple[Candidate, ...], list[Finding]]:
    shown = _shown(slots, captioner.reads_context)
    parts = ["propose", video.digest, *crew.identity(crew.keyframer), shown, *crew.identity(captioner), n]

    def work() -> tuple[Candidate, ...]:
        return sound(captioner, slots, crew.ready(captioner).propose(slots, n), n)

    return _remembered(crew, "propose", parts, captioner, tuple[Candidate, ...], work)


def sound(captioner: Captioner, slots: Sequence[Slot], proposed: Any, n: int) -> tuple[Candidate, ...]:
    """The candidates that can be used; what a plugin got wrong is noted."""
    left = {slot.index: n for slot in slots}
    kept = []
    for candidate in proposed:
        if candidate.slot not in left:
            captioner.note(f"dropped a candidate for slot {candidate.slot}, which was not asked for", "warning")
        elif not candidate.text.strip():
            captioner.note(f"dropped an empty candidate for slot {candidate.slot}")
        elif left[candidate.slot] > 0:
            left[candidate.slot] -= 1
            if candidate.confidence is not None and not 0 <= candidate.confidence <= 1:
                captioner.note(f"ignored a confidence of {candidate.confidence}, which is not in 0..1", "warning")
                candidate = replace(candidate, confidence=None)
            kept.append(candidate)
    return tuple(kept)


def _scored(
    video: Video, slots: Sequence[Slot], candidates: Sequence[Candidate], crew: Crew, ranker: Ranker
) -> tuple[tuple[float, ...], list[Finding]]:
    said = encode(tuple[Candidate, ...], tuple(candidates))
    parts = ["score", video.digest, *crew.identity(crew.keyframer), _shown(slots, True), said, *crew.identity(ranker)]

    def work() -> tuple[float, ...]:
        numbers = [float(number) for number in crew.ready(ranker).score(slots, candidates)]
        if len(numbers) != len(candidates):
            raise PluginError(f"{ranker.name} gave {len(numbers)} scores for {len(candidates)} candidates")
        return tuple(min(1.0, max(0.0, number)) for number in numbers)

    return _remembered(crew, "score", parts, ranker, tuple[float, ...], work)


def _shown(slots: Sequence[Slot], context: bool) -> list[Any]:
    """What a plugin sees of slots, for cache keys."""
    shown = [[slot.index, slot.span.start, slot.span.end, [k.at for k in slot.keyframes]] for slot in slots]
    return [shown, [encode(Context, slot.context) for slot in slots] if context else []]


def _remembered(
    crew: Crew, part: str, parts: list[Any], plugin: Plugin, kind: type[T], work: Callable[[], T]
) -> tuple[T, list[Finding]]:
    """The cached result of a stage with its findings; else the result of `work`, which is then cached."""
    name = key(*parts)
    if (stored := crew.cache.get(part, name)) is not None:
        return decode(kind, stored["value"]), list(decode(tuple[Finding, ...], stored["findings"]))
    plugin.findings.clear()
    with blamed(plugin, "failed"):
        value = encode(kind, work())  # what is no plain value is the plugin's fault
    findings = list(plugin.findings)
    crew.cache.put(part, name, {"value": value, "findings": encode(tuple[Finding, ...], tuple(findings))})
    return decode(kind, value), findings  # as the next run will read it: an int stays no int where a float is meant
