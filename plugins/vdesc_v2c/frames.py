"""Frames as v2c.py takes them: N at equal distances, each speaking for the first half of its interval."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field
from vdesc import Keyframe, Keyframer, MediaError, Picture, Shot, Span, Video

if TYPE_CHECKING:
    import cv2
    import numpy as np


class V2cFrames(Keyframer):
    """N frames at equal distances, as VideoCaptionerWithClip's v2c.py takes them: v2c:N.

    Frame counts, frame rate and pictures are OpenCV's, as they are there: what it calls frame 7 of a video with several
    streams or an uneven frame rate need not be what others do.
    """

    name = "v2c"
    shorthand = "count"
    tiles = False  # the second half of each interval has no words

    class Options(Keyframer.Options):
        """How many frames."""

        count: int = Field(10, ge=1, description="Frames to take.")

    def select(self, video: Video) -> Iterator[Keyframe]:
        """The frames that can be read; as in v2c.py, those after an unreadable one move up to its times."""
        import cv2

        count, read = self.options.count, 0
        with opened(video) as capture:
            frames, fps = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
            if frames <= 0 or not fps > 0:
                raise MediaError(f"{video.path} does not say how many frames it has: use --keyframes uniform:{count}")
            for i in range(count):
                wanted = number(i, count, frames, fps)
                capture.set(cv2.CAP_PROP_POS_FRAMES, wanted)
                there, bgr = capture.read()
                if there:
                    at = round(capture.get(cv2.CAP_PROP_POS_MSEC))
                    picture = Still(video.path, cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
                    yield Keyframe(i, at, Shot(read, span(read, count, frames, fps)), picture, frame=wanted)
                    read += 1
        if read < count:
            self.note(f"{count - read} of {count} frames could not be read", "warning")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Still(Picture):
    """A picture in memory."""

    rgb: np.ndarray

    def pixels(self) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        return self.rgb


@contextmanager
def opened(video: Video) -> Iterator[cv2.VideoCapture]:
    """OpenCV's own reader of the video."""
    import cv2

    capture = cv2.VideoCapture(str(video.path))
    try:
        yield capture
    finally:
        capture.release()


def number(i: int, count: int, frames: int, fps: float) -> int:
    """The number of the i-th frame of `count`."""
    return int(fps * (i * (frames / fps / count)))


def span(i: int, count: int, frames: int, fps: float) -> Span:
    """The first half of the i-th interval of `count`."""
    interval = frames / fps / count
    return Span(milliseconds(i * interval), milliseconds((i + 0.5) * interval))


def milliseconds(seconds: float) -> int:
    """What v2c.py prints for a time: its fraction is cut off after the seconds are taken away, so 2.3 s are 2299 ms."""
    rest = seconds % 60
    whole = int(seconds // 3600) * 3600 + int((seconds % 3600) // 60) * 60 + int(rest)
    return whole * 1000 + int((rest - int(rest)) * 1000)
