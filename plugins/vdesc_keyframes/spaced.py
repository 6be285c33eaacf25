"""The `uniform` and `every` keyframers: frames spaced evenly in time."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

from pydantic import Field, field_validator
from vdesc import Keyframe, Keyframer, Shot, Span, Video

_UNITS = {"ms": 1, "s": 1000, "": 1000, "m": 60_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) *(ms|s|m|)")


class Spaced(Keyframer):
    """The frame shown at the middle of each of even stretches, which are its shots; one still shown is not repeated."""

    @abstractmethod
    def stretches(self, span: Span) -> list[Span]:
        """Stretches that tile the span."""

    def select(self, video: Video) -> Iterator[Keyframe]:
        """Keyframes in order of time."""
        from vdesc.media import Frame, decode

        from .alike import sharpness

        def keyframe(frame: Frame, span: Span) -> Keyframe:
            clear = sharpness(frame.small(frame.reduced()))
            return Keyframe(kept, frame.at, Shot(kept, span), frame, clear, frame.number)

        frames, kept, held, start = decode(video), 0, None, 0
        stretches = self.stretches(video.span)
        for stretch, frame in zip(stretches, frames.at(s.middle for s in stretches), strict=True):
            if held and frame.at != held.at:
                yield keyframe(held, Span(start, stretch.start))
                kept, start = kept + 1, stretch.start
            held = frame
        if held:
            yield keyframe(held, Span(start, video.span.end))
            self.note(f"stretches: {len(stretches)}; keyframes kept: {kept + 1}")
        if frames.trouble:
            self.note(f"{video.path.name}: {frames.trouble}", "warning")


class Uniform(Spaced):
    """As many keyframes as asked for, the i-th at the middle of the i-th even part of the video."""

    name = "uniform"
    shorthand: ClassVar[str] = "count"

    class Options(Keyframer.Options):
        """How many."""

        count: int = Field(10, ge=1, description="how many keyframes; fewer where the video has not so many frames")

    def stretches(self, span: Span) -> list[Span]:
        """`count` parts of the span, equal to a millisecond."""
        count = min(self.options.count, span.length)
        ends = [span.start + span.length * i // count for i in range(count + 1)]
        return [Span(start, end) for start, end in pairwise(ends)]


class Every(Spaced):
    """A keyframe for each step of time, at its middle; the last step is half a step shorter to half a step longer."""

    name = "every"
    shorthand: ClassVar[str] = "step"

    class Options(Keyframer.Options):
        """How often."""

        step: str = Field("2s", description="the time between keyframes: 2s, 500ms, 1m, or seconds as a number")

        @field_validator("step", mode="before")
        @classmethod
        def _duration(cls, value: Any) -> str:
            text = str(value).strip()
            if not (match := _DURATION.fullmatch(text)) or float(match[1]) * _UNITS[match[2]] < 1:
                raise ValueError(f"'{text}' is no time; write 2s, 500ms, 1m or 1.5")
            return text

    @property
    def step(self) -> int:
        """The step in milliseconds."""
        number, unit = _DURATION.fullmatch(self.options.step).groups()  # type: ignore[union-attr]
        return round(float(number) * _UNITS[unit])

    def stretches(self, span: Span) -> list[Span]:
        """Steps from the span's start; the last is half a step to one and a half long."""
        count = max(1, (span.length + self.step // 2) // self.step)
        starts = [span.start + i * self.step for i in range(count)]
        return [Span(start, end) for start, end in zip(starts, [*starts[1:], span.end], strict=True)]
