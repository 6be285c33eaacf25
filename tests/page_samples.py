"""Made-up comparisons for the tests of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
from vdesc import Box, Candidate, Cue, Description, Evidence, Finding, Keyframe, Span, Video
from vdesc.testing import description, picture
from vdesc_compare.comparison import Column, Comparison, Cost, Difference, Reference

LABELS = ("clipgpt", "clipgpt@beam=5", "llava", "vlm")
SUBJECTS = ("A man", "A woman", "Two dogs", "A red bus", "A cyclist", "An old couple", "A crowd", "A child")
DEEDS = ("walks along a busy street", "waits at a crossing", "looks into a shop window", "stands under a tree")


def comparison(
    slots: int = 6, labels: Sequence[str] = LABELS[:2], path: Path = Path("fake.mp4"), failed: str = ""
) -> Comparison:
    """A comparison of made-up captions; the column named `failed` said nothing."""
    scene = _scene(slots, path)
    columns = tuple(_column(i, label, scene, label == failed) for i, label in enumerate(labels))
    many = len(columns)
    return Comparison(
        scene, columns,
        agreement=tuple(tuple(1.0 if i == j else 0.4 + 0.1 * abs(i - j) for j in range(many)) for i in range(many)),
        disagreement=tuple((7 * i % 10) / 10 for i in range(slots)) if many > 1 else (),
        differences=tuple(
            Difference("alignment", labels[i], labels[j], 0.02 * (j - i), low, 0.08)
            for i in range(many) for j in range(i + 1, many) for low in [0.01 if j - i > 1 else -0.01]
        ),
        references=(Reference(Span(0, 900), "Someone walks a dog."),),
        choices={way: {"alignment": 0.2 + 0.03 * i} for i, way in enumerate(("random", "first", "ranked", "oracle"))},
    )  # fmt: skip


def _scene(slots: int, path: Path) -> Description:
    scene = description(slots)
    words = tuple(
        Evidence("text", shot.span, f"sign {shot.index}", 0.9, "fake", Box(0.1, 0.1, 0.5, 0.3)) for shot in scene.shots
    )
    things = tuple(
        Evidence("object", frame.shot.span, "dog", 0.8, "fake", None, {"count": 2, "seen": [_seen(frame)]})
        for frame in scene.keyframes[::3]
    )
    width, height = (480, 270) if slots < 50 else (96, 54)
    frames = tuple(replace(frame, image=picture(frame.index, width, height)) for frame in scene.keyframes)
    video = replace(scene.video, path=path, digest=f"{slots:064x}", width=480, height=270)
    finding = Finding("shots", "keyframes kept: some")
    return replace(
        scene, video=video, keyframes=frames, evidence=words + things, candidates=(), cues=(), findings=(finding,),
        slots=tuple(replace(slot, keyframes=frames[slot.index : slot.index + 1]) for slot in scene.slots),
    )  # fmt: skip


def _seen(frame: Keyframe) -> dict[str, object]:
    return {"keyframe": frame.index, "box": [0.2, 0.2, 0.8, 0.8], "confidence": 0.8}


def _column(i: int, label: str, scene: Description, failed: bool) -> Column:
    if failed:
        return Column(
            label, label, error=f"{label}: the model is missing <b>here</b>", picks=(None,) * len(scene.slots)
        )
    said = [
        Candidate(slot.index, sentence(slot.index, i, n), label, "en", 0.9 - n / 10, {"alignment": 0.3})
        for slot in scene.slots for n in range(2)
    ]  # fmt: skip
    picks = tuple(said[::2])
    cues = tuple(Cue(s.index + 1, s.span, p.text, p, (s.index,)) for s, p in zip(scene.slots, picks, strict=True))
    each = tuple(((s.index * 37 + i * 11) % 100) / 100 for s in scene.slots)
    cost = Cost(
        900.0, 120.0 * len(picks), (120.0,) * len(picks), 11 * len(picks), 300_000_000 * (i + 1), "cpu", 28_000_000
    )
    mean = sum(each) / max(1, len(each))
    return Column(
        label,
        "clipgpt",
        {"beam": i + 1},
        tuple(said),
        picks,
        cues,
        cost,
        {"alignment": mean, "words": 7.0},
        {"alignment": each},
    )


def sentence(slot: int, column: int, n: int = 0) -> str:
    return f"{SUBJECTS[(slot + column * n) % len(SUBJECTS)]} {DEEDS[(slot + column + n) % len(DEEDS)]}."


def film(path: Path, codec: str = "libx264", seconds: int = 3, rate: int = 10) -> Path:
    """`path`, now a video that changes each second."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
        for number in range(seconds * rate):
            frame = av.VideoFrame.from_ndarray(picture(number // rate, 480, 270).pixels(), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def photo(path: Path) -> Comparison:
    """A comparison on a photo."""
    made = comparison(1, path=path)
    still = Video(path, "1" * 64, Span(0, 0), None, 480, 270, still=True)
    slots = tuple(replace(slot, span=Span(0, 0)) for slot in made.scene.slots)
    return replace(made, scene=replace(made.scene, video=still, slots=slots, evidence=()))
