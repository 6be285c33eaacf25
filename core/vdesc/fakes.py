"""Small deterministic inputs and a fake plugin of each kind, for tests. `vdesc.testing` is the door to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from .data import (
    Candidate,
    Context,
    Cue,
    Description,
    Evidence,
    Keyframe,
    Picture,
    Shot,
    Slot,
    Span,
    Video,
)
from .files import write_atomic
from .hookspecs import hookimpl
from .kinds import KINDS, Captioner, Keyframer, Observer, Plugin, Ranker, Writer

if TYPE_CHECKING:
    import numpy as np

Look = int | tuple[int, int, int]
"""How a picture looks: a number gives a patchwork of its own, three numbers 0..255 give that one colour, RGB."""
LENGTH = 1000  # milliseconds of each made-up shot


@dataclass(frozen=True, slots=True)
class Painted(Picture):
    """A picture made of numbers, in memory."""

    look: Look
    width: int
    height: int

    def pixels(self) -> np.ndarray:
        """RGB uint8 (height, width, 3): 4 x 4 patches, or one colour."""
        import numpy as np

        if isinstance(self.look, tuple):
            return np.full((self.height, self.width, 3), self.look, np.uint8)
        patches = np.random.default_rng(self.look).integers(0, 256, (4, 4, 3), np.uint8)
        rows, columns = np.arange(self.height) * 4 // self.height, np.arange(self.width) * 4 // self.width
        return patches[rows][:, columns]


def picture(look: Look = 0, width: int = 64, height: int = 48) -> Picture:
    """A picture in memory, the same for the same arguments. See `Look`."""
    return Painted(Path(f"painted-{look}.png"), look, width, height)


def keyframes(n: int) -> tuple[Keyframe, ...]:
    """`n` keyframes with pictures in memory, each in the middle of a shot of its own of one second."""
    spans = [Span(i * LENGTH, (i + 1) * LENGTH) for i in range(n)]
    return tuple(Keyframe(i, span.middle, Shot(i, span), picture(i), 1.0, i) for i, span in enumerate(spans))


def slots(n: int, frames: int = 1) -> tuple[Slot, ...]:
    """`n` slots, each shown by `frames` keyframes, with a word of text as evidence."""
    shown = keyframes(n * frames)
    groups = [shown[i : i + frames] for i in range(0, n * frames, frames)]
    spans = [Span(group[0].shot.span.start, group[-1].shot.span.end) for group in groups]
    return tuple(
        Slot(i, span, group, Context((Evidence("text", span, f"word {i}", 0.9, "fake-observer"),)))
        for i, (span, group) in enumerate(zip(spans, groups, strict=True))
    )


def candidates(asked: Sequence[Slot], n: int = 1) -> tuple[Candidate, ...]:
    """`n` candidates for each slot, best first, from `fake-captioner`."""
    return tuple(
        Candidate(slot.index, f"Scene {slot.index} said in way {i}.", "fake-captioner", confidence=0.9 / (i + 1))
        for slot in asked
        for i in range(n)
    )


def video(length: int = 3 * LENGTH) -> Video:
    """A video of so many milliseconds that is not on disk."""
    return Video(Path("fake.mp4"), "0" * 64, Span(0, length), Fraction(10), 64, 48)


def description(n: int = 2) -> Description:
    """A whole description of `n` slots, two candidates and one cue each."""
    asked = slots(n)
    proposed = candidates(asked, 2)
    cues = tuple(
        Cue(i + 1, slot.span, proposed[2 * i].text, proposed[2 * i], (slot.index,), (proposed[2 * i + 1],))
        for i, slot in enumerate(asked)
    )
    frames = tuple(frame for slot in asked for frame in slot.keyframes)
    evidence = tuple(found for slot in asked for found in slot.context.evidence)
    return Description(
        video=video(max(n, 1) * LENGTH), shots=tuple(frame.shot for frame in frames), keyframes=frames,
        evidence=evidence, slots=asked, candidates=proposed, cues=cues, made_by={"fake-captioner": "1"},
    )  # fmt: skip


def stored(frames: Sequence[Keyframe], folder: Path) -> tuple[Keyframe, ...]:
    """The keyframes with their pictures on disk, as the engine hands them to plugins."""
    from .media import save_picture

    return tuple(replace(k, image=save_picture(k.image, folder / f"{k.index:06}.jpg")) for k in frames)


def small_video(path: Path, seconds: int = 3, width: int = 64, height: int = 48, rate: int = 10) -> Path:
    """`path`, now a real MPEG-4 video that shows another still picture each second; equal on every call."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=rate, options={"flags": "+bitexact"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(seconds * rate):
            pixels = picture(number // rate, width, height).pixels()
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    return path


def module(*plugins: type[Plugin], name: str = "fakes") -> ModuleType:
    """A module whose hooks bring the plugins, for `Registry.register`."""
    made = ModuleType(name)
    for kind, base in KINDS.items():
        mine = [plugin for plugin in plugins if issubclass(plugin, base)]
        setattr(made, kind + "s", hookimpl(lambda mine=mine: mine))
    return made


class Fake(Plugin):
    """What the fakes share: `calls` counts the calls of the verb; with the option `fail` the verb raises."""

    class Options(Plugin.Options):
        """Whether to fail."""

        fail: bool = Field(False, description="Raise, to see what the program does then.")

    calls = 0

    def called(self) -> None:
        """Counts the call. Raises `RuntimeError` where that is asked for."""
        self.calls += 1
        if self.options.fail:
            raise RuntimeError("it was asked to fail")


class FakeKeyframer(Fake, Keyframer):
    """One made-up keyframe for each of even parts of the video; reads nothing."""

    name = "fake-keyframer"
    shorthand: ClassVar[str] = "count"

    class Options(Fake.Options):
        """How many."""

        count: int = Field(3, ge=1, description="How many keyframes.")

    def select(self, video: Video) -> Iterator[Keyframe]:
        """Keyframes with pictures in memory, of the video's size."""
        self.called()
        count = min(self.options.count, max(1, video.span.length))
        ends = [video.span.length * i // count for i in range(count + 1)]
        for i in range(count):
            span = Span(ends[i], ends[i + 1])
            yield Keyframe(i, span.middle, Shot(i, span), picture(i, video.width, video.height), 1.0, None)


class FakeObserver(Fake, Observer):
    """One word of text for each keyframe: its number."""

    name = "fake-observer"

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> list[Evidence]:
        """Evidence for the whole shot of each keyframe."""
        self.called()
        return [Evidence("text", k.shot.span, f"word {k.index}", 0.9, self.name) for k in keyframes]


class FakeCaptioner(Fake, Captioner):
    """Says the average colour of a slot's first keyframe, as numbers, in as many ways as asked for."""

    name = "fake-captioner"

    def propose(self, slots: Sequence[Slot], n: int = 1) -> list[Candidate]:
        """`n` candidates a slot, of falling confidence."""
        self.called()
        return [
            Candidate(slot.index, f"A scene like {self._colour(slot)}, way {i}.", self.name, confidence=0.9 / (i + 1))
            for slot in slots
            for i in range(n)
        ]

    def _colour(self, slot: Slot) -> str:
        pixels = slot.keyframes[0].pixels()
        return " ".join(str(round(channel)) for channel in pixels.mean((0, 1)))


class FakeRanker(Fake, Ranker):
    """A number drawn from each text's digest."""

    name = "fake-ranker"

    def score(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        """A number in 0..1 for each candidate, equal for equal texts."""
        self.called()
        return [hashlib.sha256(candidate.text.encode()).digest()[0] / 255 for candidate in candidates]


class FakeWriter(Fake, Writer):
    """The cues' times and texts, a line each."""

    name = "fake-writer"
    extension = ".fake"

    def write(self, description: Description, folder: Path) -> Path:
        """The path of the file."""
        self.called()
        lines: list[Any] = [f"{cue.span.start}-{cue.span.end} {cue.text}\n" for cue in description.cues]
        return write_atomic(folder / (description.video.path.stem + self.extension), "".join(lines) or "nothing\n")
