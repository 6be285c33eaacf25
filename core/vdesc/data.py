"""The nouns: everything that flows from a video to files. Frozen values, tuples, times in integer milliseconds.

    video -> keyframes -> evidence -> slots -> candidates -> ranked cues -> files

Everything here but pixels is JSON-able; `document.py` holds the published form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time from `start` up to, not including, `end`; milliseconds from the video's first frame."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"a span cannot end before it starts: {self.start}..{self.end}")

    @property
    def length(self) -> int:
        """Milliseconds from start to end."""
        return self.end - self.start

    @property
    def middle(self) -> int:
        """The time halfway, rounded down."""
        return (self.start + self.end) // 2

    def contains(self, at: int) -> bool:
        """Whether the time `at` lies in the span."""
        return self.start <= at < self.end

    def overlap(self, other: Span) -> int:
        """Milliseconds that both spans share; 0 where they only touch or lie apart."""
        return max(0, min(self.end, other.end) - max(self.start, other.start))

    def gap_to(self, other: Span) -> int:
        """Milliseconds between the spans; 0 where they touch or overlap."""
        return max(0, max(self.start, other.start) - min(self.end, other.end))


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio stream: its index in the container, codec, channels, sample rate in Hz, language (BCP 47 or None)."""

    index: int
    codec: str
    channels: int
    rate: int
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """A video or photo file.

    `digest` is the SHA-256 of its bytes; `span` runs from 0 to the end of its last frame; `fps` is the average frame
    rate, or None where the file does not say; `width` and `height` are pixels as shown, after `rotation` (degrees
    clockwise that the container asks for). `still` marks a photo.
    """

    path: Path
    digest: str
    span: Span
    fps: Fraction | None
    width: int
    height: int
    rotation: int = 0
    audio: tuple[AudioTrack, ...] = ()
    language: str | None = None
    still: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture on disk, read each time its pixels are asked for, so that holding many costs nothing.

    A subclass may hold its pixels in memory (a frame just decoded); the engine stores it and keeps the path.
    """

    path: Path

    def pixels(self) -> np.ndarray:
        """RGB uint8 (height, width, 3), upright."""
        import numpy as np
        from PIL import Image

        with Image.open(self.path) as image:
            return np.asarray(image.convert("RGB"))


@dataclass(frozen=True, slots=True)
class Shot:
    """What one camera sees without a cut."""

    index: int
    span: Span


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A frame that stands for the time around it: `at` is its exact container time in milliseconds.

    `frame` is its number in decoding order from 0 (None where it is not known); `sharpness` is a focus measure,
    comparable within one video only.
    """

    index: int
    at: int
    shot: Shot
    image: Picture
    sharpness: float = 0.0
    frame: int | None = None

    def pixels(self) -> np.ndarray:
        """RGB uint8 (height, width, 3) at the video's full size, upright."""
        return self.image.pixels()


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle as shares of the picture's width and height, 0..1, from the top left."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that was seen or heard: `kind` is speech, text, object, face, sound, or a plugin's own word.

    `value` is what it says or is called; `confidence` is 0..1; `source` names the observer.
    """

    kind: str
    span: Span
    value: str
    confidence: float
    source: str
    box: Box | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """All evidence, and the only access to it that captioners and rankers get.

    `sought` are the kinds that were looked for, whether any was found: without it no object seen might mean that
    nobody looked.
    """

    evidence: tuple[Evidence, ...] = ()
    sought: tuple[str, ...] = ()

    def during(self, span: Span) -> Context:
        """The evidence whose span shares time with `span` (an instant counts where it lies inside)."""
        inside = tuple(e for e in self.evidence if e.span.overlap(span) or span.contains(e.span.start))
        return Context(inside, self.sought)

    def of(self, kind: str) -> tuple[Evidence, ...]:
        """The evidence of one kind, in order of time."""
        return tuple(sorted((e for e in self.evidence if e.kind == kind), key=lambda e: (e.span, e.value)))

    def quiet(self, span: Span, shortest: int = 0) -> tuple[Span, ...]:
        """The stretches of `span`, at least `shortest` milliseconds long, in which nobody speaks."""
        free, at = [], span.start
        for speech in self.of("speech"):
            if speech.span.overlap(span):
                free.append((at, speech.span.start))
                at = max(at, speech.span.end)
        free.append((at, span.end))
        return tuple(Span(a, b) for a, b in free if b > a and b - a >= shortest)


@dataclass(frozen=True, slots=True)
class Slot:
    """A stretch of time that wants words, the keyframes that show it, and the evidence that falls in it.

    `budget` is how long the words may take in milliseconds (audio description), or None for captions.
    """

    index: int
    span: Span
    keyframes: tuple[Keyframe, ...]
    context: Context = Context()
    budget: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Words that a captioner proposes for a slot.

    `confidence` is the captioner's own measure in 0..1, or None; `scores` holds every number, 0..1, that the ranking
    gave it, by name; `rests_on` is the evidence that supports it.
    """

    slot: int
    text: str
    source: str
    language: str = "en"
    confidence: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    rests_on: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Cue:
    """Words with the time in which they are shown, the candidate they came from, and those that lost.

    `slots` are the indexes of the slots it speaks for: several where neighbours said the same.
    """

    id: int
    span: Span
    text: str
    chosen: Candidate
    slots: tuple[int, ...]
    runners_up: tuple[Candidate, ...] = ()
    language: str = "en"
    role: Literal["caption", "description", "speech"] = "caption"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the person should know: what was dropped, damaged, missing or left out, and by whom it is said."""

    source: str
    message: str
    level: Literal["note", "warning", "error"] = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Everything that is known of a video at the end of a run.

    `sought` are the kinds of evidence that were looked for; `settings` are the effective ones; `made_by` maps each
    plugin to the version that ran; `timings` maps each stage to the milliseconds it took in this run.
    """

    schema_version: Literal["1.0"] = "1.0"
    video: Video
    shots: tuple[Shot, ...]
    keyframes: tuple[Keyframe, ...]
    evidence: tuple[Evidence, ...]
    slots: tuple[Slot, ...]
    candidates: tuple[Candidate, ...]
    cues: tuple[Cue, ...]
    findings: tuple[Finding, ...] = ()
    sought: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, int] = field(default_factory=dict)
