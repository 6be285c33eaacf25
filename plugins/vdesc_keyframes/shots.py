"""The `shots` keyframer: cuts by an adaptive detector, then the sharpest frame of each shot or piece of a long take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pydantic import Field
from vdesc import Keyframe, Keyframer, Shot, Span, Video

if TYPE_CHECKING:
    from vdesc.media import Frames

    from .alike import Gate
    from .takes import Look


class Shots(Keyframer):
    """One keyframe a shot, more for long takes; near-duplicates are left out. One pass over the video, few frames held.

    A look that is taken before its shot has ended waits on disk, so that memory does not grow with the shot.
    """

    name = "shots"

    class Options(Keyframer.Options):
        """What counts as a cut, how often a long take is looked at, and which frames are too alike."""

        threshold: float = Field(3.5, gt=0, description="how many times its neighbours' change a cut must show")
        shortest: int = Field(600, ge=0, description="no shot is shorter than this, in milliseconds")
        longest_take: int = Field(8000, ge=100, description="a take is looked at at least this often, in milliseconds")
        near: int | None = Field(
            6,
            ge=0,
            le=64,
            description="a keyframe whose 64-bit perceptual hash differs from the last kept one's in at most this many "
            "bits is dropped; null keeps all",
        )
        blank: float = Field(
            3.0, ge=0, description="a keyframe whose gray levels vary less than this (of 255) is dropped; 0 keeps all"
        )

    def select(self, video: Video) -> Iterator[Keyframe]:
        """Keyframes in order of time; the sharpest frame in the middle half of each shot, or piece of a long take."""
        from vdesc.media import decode

        from .alike import Gate

        frames, gate, shots, kept = decode(video), Gate(self.options.near, self.options.blank), 0, 0
        with TemporaryDirectory(prefix="vdesc-shots-") as folder:
            for shot, looks in self._shots(video, frames, gate, Path(folder)):
                shots += 1
                while looks:
                    look = looks.pop(0)
                    yield Keyframe(kept, look.at, shot, look.image, look.sharpness, look.number)
                    kept += 1
        if not kept and gate.spare:
            look, kept = gate.spare, 1
            yield Keyframe(0, look.at, Shot(0, video.span), look.image, look.sharpness, look.number)
        counts = f"frames seen: {frames.seen}; shots: {shots}; keyframes kept: {kept}"
        self.note(f"{counts}; near-duplicates dropped: {gate.same}; blank: {gate.empty}")
        if frames.trouble:
            self.note(f"{video.path.name}: {frames.trouble}", "warning")

    def _shots(self, video: Video, frames: Frames, gate: Gate, folder: Path) -> Iterator[tuple[Shot, list[Look]]]:
        from .cuts import judged
        from .takes import Take

        index = 0
        take: Take | None = None
        looks: list[Look] = []
        for frame, sharpness, starts in judged(frames, self.options.threshold, self.options.shortest):
            if take is None:
                take = Take(0, self.options.longest_take)
            elif starts and frame.at > take.start:
                looks += gate.new(take.rest(frame.at))
                yield Shot(index, Span(take.start, frame.at)), looks
                index, take, looks = index + 1, Take(frame.at, self.options.longest_take), []
            looks += [look.stored(folder) for look in gate.new(take.ended(frame.at))]
            take.add(frame, sharpness)
        if take:
            looks += gate.new(take.rest(video.span.end))
            yield Shot(index, Span(take.start, video.span.end)), looks
