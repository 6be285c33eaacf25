"""Frames as NYU's CLIPVideoCap takes them: N at whole steps from the first, the rest of the video unseen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, pairwise

from pydantic import Field
from vdesc import Keyframe, Keyframer, MediaError, Picture, Shot, Span, Video

from .frames import Still, opened


class NyuFrames(Keyframer):
    """N frames at whole steps from the first, as NYU's CLIPVideoCap takes its 28: nyu:N.

    Every frame that OpenCV decodes counts, whatever the file says of their number. Each frame speaks until the next.
    """

    name = "nyu"
    shorthand = "count"

    class Options(Keyframer.Options):
        """How many frames."""

        count: int = Field(28, ge=1, description="Frames to take.")

    def select(self, video: Video) -> Iterator[Keyframe]:
        """Frames 0, step, 2 step, ... Raises `MediaError` where the video has fewer than are wanted."""
        count = self.options.count
        with opened(video) as capture:
            frames = sum(1 for _ in iter(capture.grab, False))
        step = frames // count
        if not step:
            raise MediaError(
                f"{video.path} has {frames} frames, too few for nyu:{count}: use --keyframes uniform:{count}"
            )
        shown = chain(_each(video, step, count), [(video.span.end, Picture(video.path))])
        for i, ((at, picture), (end, _)) in enumerate(pairwise(shown)):
            yield Keyframe(i, at, Shot(i, Span(at, max(at, end))), picture, frame=i * step)


def _each(video: Video, step: int, count: int) -> Iterator[tuple[int, Picture]]:
    """The times and pictures of `count` frames, decoded in order: a seek may miss."""
    import cv2

    with opened(video) as capture:
        for number in range((count - 1) * step + 1):
            capture.grab()
            if number % step == 0:
                rgb = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
                yield round(capture.get(cv2.CAP_PROP_POS_MSEC)), Still(video.path, rgb)
