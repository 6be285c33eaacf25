"""A stage's result: taken from the cache, or from its plugin and then kept; under a key of all that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from .cache import key
from .crew import Crew, blamed
from .data import Candidate, Context, Evidence, Finding, Keyframe, Slot, Video
from .document import decode, encode
from .errors import PluginError
from .kinds import Captioner, Observer, Plugin, Ranker

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a ranker says of a candidate: a number in 0..1, and the evidence that it rests on."""

    score: float
    rests_on: tuple[Evidence, ...] = ()


def observed(
    video: Video, keyframes: Sequence[Keyframe], crew: Crew, observer: Observer
) -> tuple[tuple[Evidence, ...], list[Finding]]:
    """What one observer finds."""
    parts = ["observe", video.digest, *crew.identity(crew.keyframer), *crew.identity(observer)]

    def work() -> tuple[Evidence, ...]:
        return tuple(crew.ready(observer).observe(video, keyframes))

    return remembered(crew, "observe", parts, observer, tuple[Evidence, ...], work)


def proposed(
    video: Video, slots: Sequence[Slot], crew: Crew, captioner: Captioner, n: int
) -> tuple[tuple[Candidate, ...], list[Finding]]:
    """What one captioner proposes for some slots."""
    shown = _shown(slots, captioner.reads_context)
    parts = ["propose", video.digest, *crew.identity(crew.keyframer), shown, *crew.identity(captioner), n]

    def work() -> tuple[Candidate, ...]:
        return sound(captioner, slots, crew.ready(captioner).propose(slots, n), n)

    return remembered(crew, "propose", parts, captioner, tuple[Candidate, ...], work)


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


def judged(
    video: Video, slots: Sequence[Slot], candidates: Sequence[Candidate], crew: Crew, ranker: Ranker
) -> tuple[tuple[Judgement, ...], list[Finding]]:
    """What one ranker says of the candidates, one judgement each."""
    said = encode(tuple[Candidate, ...], tuple(candidates))
    parts = ["score", video.digest, *crew.identity(crew.keyframer), _shown(slots, True), said, *crew.identity(ranker)]

    def work() -> tuple[Judgement, ...]:
        numbers = [float(number) for number in crew.ready(ranker).score(slots, candidates)]
        support = list(ranker.support(slots, candidates))
        for given, what in ((numbers, "scores"), (support, "supports")):
            if len(given) != len(candidates):
                raise PluginError(f"{ranker.name} gave {len(given)} {what} for {len(candidates)} candidates")
        return tuple(
            Judgement(min(1.0, max(0.0, number)), tuple(rests_on))
            for number, rests_on in zip(numbers, support, strict=True)
        )

    return remembered(crew, "score", parts, ranker, tuple[Judgement, ...], work)


def remembered(
    crew: Crew, part: str, parts: list[Any], plugin: Plugin, kind: type[T], work: Callable[[], T]
) -> tuple[T, list[Finding]]:
    """The cached result of a stage with its findings; else the result of `work`, which is then cached.

    It is not where the plugin noted what may be gone next time: the next run asks it again.
    """
    name = key(*parts)
    if (stored := crew.cache.get(part, name)) is not None:
        return decode(kind, stored["value"]), list(decode(tuple[Finding, ...], stored["findings"]))
    plugin.findings.clear()
    plugin.passing = False
    with blamed(plugin, "failed"):
        value = encode(kind, work())  # what is no plain value is the plugin's fault
    findings = list(plugin.findings)
    if not plugin.passing:
        crew.cache.put(part, name, {"value": value, "findings": encode(tuple[Finding, ...], tuple(findings))})
    return decode(kind, value), findings  # as the next run will read it: an int stays no int where a float is meant


def _shown(slots: Sequence[Slot], context: bool) -> list[Any]:
    """What a plugin sees of slots, for cache keys."""
    shown = [[slot.index, slot.span.start, slot.span.end, [k.at for k in slot.keyframes]] for slot in slots]
    return [shown, [encode(Context, slot.context) for slot in slots] if context else []]
