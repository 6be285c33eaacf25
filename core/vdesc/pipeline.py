"""The arrows: video -> keyframes -> evidence -> slots -> candidates -> ranked cues -> files; one function each.

No stage reads a later noun, none changes an earlier one. `describe` runs them all for one video; an `Engine` does so
for many, with every plugin made once and every model loaded once, when it is first needed. Each stage's result is kept
in the cache under a key of all that it depends on, so that a killed run goes on where it was.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TypeVar

from . import ranking
from .cache import Cache, key
from .crew import WORKERS, Crew, blamed, finding
from .data import Candidate, Context, Cue, Description, Evidence, Finding, Keyframe, Picture, Slot, Video
from .errors import PluginError, SettingsError, VdescError, nearest
from .kinds import Observer, Plugin
from .media import probe, save_picture
from .planning import plan
from .record import Clock, Findings
from .registry import Registry
from .settings import Ranking, Settings
from .similarity import by_vectors, similarity
from .stages import judged, observed, proposed, remembered
from .timing import PROFILES, fit

P = TypeVar("P", bound=Plugin)
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
        words: False stops after the evidence: nothing is captioned.
    Raises:
        PluginError, SettingsError: see `Crew`.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry | None = None,
        cache: Cache | None = None,
        report: Report = lambda progress: None,
        words: bool = True,
    ):
        self.settings, self.cache, self.report = settings, cache or Cache(), report
        self.crew = Crew(settings, registry or Registry(), self.cache, WORKERS if words else ("observer",))
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
        seen = scene(path, crew, self.report)
        video, slots = seen.video, seen.slots
        with clock("propose"):
            candidates = findings.of(propose(video, slots, crew, settings.candidates, self.report))
        with clock("choose"):
            candidates = findings.of(score(video, slots, candidates, crew))
            cues, measure = choose(slots, candidates, settings.ranking, crew)
            profile = PROFILES["none" if video.still else settings.timing.profile]
            cues, late = fit(cues, video.span.end, profile)
        return replace(
            seen, candidates=candidates, cues=cues, findings=(*seen.findings, *findings.all, *late),
            made_by=crew.versions | {"similarity": measure}, timings={**seen.timings, **clock.spent},
        )  # fmt: skip

    def write(self, description: Description, folder: Path) -> tuple[Path, ...]:
        """The files written to `folder`, one for each format of the settings. Raises `OutputError`."""
        return write(description, self.crew, folder)


def scene(path: Path, crew: Crew, report: Report) -> Description:
    """What is known of a video or photo before anybody says a word of it: without candidates and cues.

    Raises `VdescError` where it cannot be read, or has no keyframe.
    """
    clock, findings = Clock(), Findings()
    with clock("look"):
        video = probe(path)
        keyframes = findings.of(look(video, crew, report))
    with clock("observe"):
        context = findings.of(observe(video, keyframes, crew, report))
    slots = plan(video, keyframes, context, crew.settings.slots.shortest, crew.keyframer.tiles)
    return Description(
        video=video, shots=tuple(dict.fromkeys(keyframe.shot for keyframe in keyframes)), keyframes=keyframes,
        evidence=context.evidence, sought=context.sought, slots=slots, candidates=(), cues=(),
        findings=tuple(findings.all), settings=crew.settings.model_dump(mode="json") | {"options": crew.options()},
        made_by=dict(crew.versions), timings=clock.spent,
    )  # fmt: skip


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
    stored, findings = remembered(crew, "look", parts, keyframer, tuple[Keyframe, ...], select)
    if not all((folder / keyframe.image.path).is_file() for keyframe in stored):  # frames were cleared away
        crew.cache.forget("look", key(*parts))
        return look(video, crew, report)
    if not stored:
        raise PluginError(f"{keyframer.name} found no keyframe in {video.path}")
    return tuple(replace(k, image=Picture(folder / k.image.path)) for k in stored), findings


def observe(video: Video, keyframes: Sequence[Keyframe], crew: Crew, report: Report) -> tuple[Context, list[Finding]]:
    """All evidence of all observers, in order of time. An observer that fails is named, the others go on."""
    evidence: list[Evidence] = []
    sought: set[str] = set()
    findings: list[Finding] = []

    def one(observer: Observer) -> tuple[tuple[Evidence, ...], tuple[str, ...], list[Finding]]:
        try:
            found, said = observed(video, keyframes, crew, observer)
            return found, (*observer.finds, *(one.kind for one in found)), said
        except VdescError as error:
            return (), (), [finding(observer, error)]

    for i, (found, kinds, said) in enumerate(_side_by_side(one, crew.observers)):
        evidence += found
        sought.update(kinds)
        findings += said
        report(Progress("observe", i + 1, len(crew.observers)))
    return Context(tuple(sorted(evidence, key=lambda e: (e.span, e.kind, e.value))), tuple(sorted(sought))), findings


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
                found, said = proposed(video, some, crew, captioner, n)
                candidates += found
                findings += said
                report(Progress(f"propose {captioner.name}", start + len(some), len(slots), "slots"))
        except VdescError as error:
            errors.append(error)
            findings.append(finding(captioner, error))
    if errors and len(errors) == len(crew.captioners):
        raise errors[0]
    return tuple(candidates), findings


def score(
    video: Video, slots: Sequence[Slot], candidates: Sequence[Candidate], crew: Crew
) -> tuple[tuple[Candidate, ...], list[Finding]]:
    """The candidates with every ranker's number and what they rest on. A ranker that fails is named and left out."""
    findings: list[Finding] = []
    for ranker in crew.rankers:
        try:
            judgements, said = judged(video, slots, candidates, crew, ranker)
            candidates = [
                replace(
                    candidate,
                    scores={**candidate.scores, ranker.name: judgement.score},
                    rests_on=(*candidate.rests_on, *(e for e in judgement.rests_on if e not in candidate.rests_on)),
                )
                for candidate, judgement in zip(candidates, judgements, strict=True)
            ]
            findings += said
        except VdescError as error:
            findings.append(finding(ranker, error))
    return tuple(candidates), findings


def choose(
    slots: Sequence[Slot], candidates: Sequence[Candidate], how: Ranking, crew: Crew
) -> tuple[tuple[Cue, ...], str]:
    """One cue a slot, neighbours that say the same merged, and the name of the measure of likeness."""
    measure, similar = alike([candidate.text for candidate in candidates], how, crew)
    return ranking.merge(ranking.choose(slots, candidates, how.weights, similar), how.merge, similar), measure


def alike(sentences: Iterable[str], how: Ranking, crew: Crew) -> tuple[str, ranking.Similarity]:
    """The name of the measure of likeness, and the measure of any two of the sentences. Raises `SettingsError`."""
    texts = sorted(set(sentences))
    if judge := next((ranker for ranker in crew.rankers if ranker.name == how.similarity), None):
        with blamed(judge, "failed to compare sentences"):
            vectors = crew.ready(judge).sentences(texts)
        if vectors is None:
            raise SettingsError(f"{judge.name} cannot compare sentences: use --set ranking.similarity=tokens")
        return judge.name, by_vectors(texts, vectors)
    measure, prepare = similarity(how.similarity if len(texts) > 1 else "tokens")  # one sentence needs no model
    return measure, prepare(texts)


def write(description: Description, crew: Crew, folder: Path) -> tuple[Path, ...]:
    """The files, one for each writer. Raises `OutputError` where one cannot be written."""
    paths = []
    for writer in crew.writers:
        with blamed(writer, "failed"):
            paths.append(crew.ready(writer).write(description, folder))
    return tuple(paths)


def _side_by_side(work: Callable[[P], T], plugins: Sequence[P]) -> Iterator[T]:
    """What `work` gives for each plugin, in their order; several at a time where the machine has cores for that.

    Threads, as the libraries that do the heavy work let others run meanwhile. One plugin for each two cores: fewer take
    the cores from each other.
    """
    at_once = min(len(plugins), (os.cpu_count() or 1) // 2)
    if at_once < 2:
        yield from map(work, plugins)
        return
    with ThreadPool(at_once) as pool:  # its threads are daemons: Ctrl-C need not wait for them
        yield from pool.imap(work, plugins)
