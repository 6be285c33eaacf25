"""Turns a `Work` into a description, and a description into a `Work`. Knows the nouns of both, and no file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vdesc import Candidate, Context, Cue, Description, Evidence, Finding, Keyframe, Picture, Shot, Slot, Span, Video

from .work import Final, Line, Scene, Work, spoken

SOURCE = "videodescription"
SURENESS = {"text": 0.3, "object": 0.9, "expression": 0.5, "speech": 0.5}
"""The files hold no confidences: what the program requires of text and objects stands for them; else 0.5."""
FRAME = re.compile(r"frame_\d{4,}\.(png|jpe?g|webp)")


def describe(work: Work, video: Video | None, language: str) -> Description:
    """The description that a work amounts to; without a video its end is the last time that a file tells."""
    shots = [Shot(i, scene.span) for i, scene in enumerate(work.scenes)]
    keyframes = [
        Keyframe(i, scene.span.start, shot, Picture(scene.picture))
        for i, (scene, shot) in enumerate(zip(work.scenes, shots, strict=True))
    ]
    evidence = [*_heard(work, language), *(found for scene in work.scenes for found in _seen(scene, work))]
    context = Context(tuple(sorted(evidence, key=lambda found: found.span)))
    slots = tuple(Slot(k.index, k.shot.span, (k,), context.during(k.shot.span)) for k in keyframes)
    candidates = tuple(
        Candidate(i, text, SOURCE, language) for i, scene in enumerate(work.scenes) for text in scene.captions
    )
    said = "made of files of VideoDescription: confidences are the least that it requires"
    return Description(
        video=video or _unseen(work), shots=tuple(shots), keyframes=tuple(keyframes), evidence=context.evidence,
        slots=slots, candidates=candidates, cues=tuple(_cues(work, candidates, language)),
        findings=(Finding(SOURCE, said),),
    )  # fmt: skip


def work_of(description: Description) -> Work:
    """The work that a description amounts to: a scene a slot, known by its first keyframe."""
    script = tuple(
        Line(e.span, e.value) for e in Context(description.evidence).of("speech") if "image" not in e.details
    )
    scenes = {slot.index: _scene(slot, description.candidates, script) for slot in description.slots if slot.keyframes}
    finals = (Final(scenes[cue.slots[0]].image, cue.span, cue.text) for cue in description.cues)
    return Work(description.video.path.stem.strip(".") or "video", tuple(scenes.values()), script, tuple(finals))


def _unseen(work: Work) -> Video:
    """A video of which nothing is known but the stem of its name and the last time that is told."""
    times = [*(scene.span for scene in work.scenes), *(line.span for line in work.script)]
    return Video(Path(f"{work.stem}.mp4"), "", Span(0, max((time.end for time in times), default=0)), None, 0, 0)


def _heard(work: Work, language: str) -> Iterable[Evidence]:
    details = {"language": language}
    return (Evidence("speech", line.span, line.text, SURENESS["speech"], SOURCE, None, details) for line in work.script)


def _seen(scene: Scene, work: Work) -> Iterable[Evidence]:
    """What belongs to one scene, and dialogue of it that the script does not hold."""
    dialogue = scene.dialogue if scene.dialogue != spoken(work.script, scene.span) else ()
    values = {
        "text": scene.ocr, "object": scene.yolo, "expression": (scene.deepface,) * bool(scene.deepface),
        "speech": dialogue,
    }  # fmt: skip
    for kind, found in values.items():
        for value in found:
            yield Evidence(kind, scene.span, value, SURENESS[kind], SOURCE, None, {"image": scene.image})


def _cues(work: Work, candidates: Sequence[Candidate], language: str) -> Iterable[Cue]:
    slots = {scene.image: i for i, scene in enumerate(work.scenes)}
    for number, final in enumerate(work.finals, 1):
        slot = slots[final.image]
        mine = [candidate for candidate in candidates if candidate.slot == slot]
        chosen = next((c for c in mine if c.text.strip() == final.caption.strip()), None)
        lost = tuple(candidate for candidate in mine if candidate is not chosen)
        spoke = chosen or Candidate(slot, final.caption, SOURCE, language)
        yield Cue(number, final.span, final.caption, spoke, (slot,), lost, language)


def _scene(slot: Slot, candidates: Iterable[Candidate], script: Sequence[Line]) -> Scene:
    name = slot.keyframes[0].image.path.name
    image = name if FRAME.fullmatch(name) else f"frame_{slot.index:04}.png"
    mine = [e for e in slot.context.evidence if e.details.get("image", image) == image]
    values = {kind: tuple(e.value for e in mine if e.kind == kind) for kind in ("text", "object")}
    expression = max((e for e in mine if e.kind == "expression"), key=lambda e: e.confidence, default=None)
    own = tuple(e.value for e in mine if e.kind == "speech" and "image" in e.details)
    return Scene(
        image=image, span=slot.span, ocr=values["text"], deepface=expression.value if expression else "",
        yolo=tuple(dict.fromkeys(values["object"])), dialogue=own or spoken(script, slot.span),
        captions=tuple(candidate.text for candidate in candidates if candidate.slot == slot.index),
        picture=slot.keyframes[0].image.path,
    )  # fmt: skip
