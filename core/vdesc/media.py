"""Media: what a video or photo is, its frames with their exact times, and pictures to disk.

Times come from the container's own timestamps, never from frame numbers: milliseconds from the first shown frame of
the video stream, rounded to the nearest (half up). PyAV decodes; no ffmpeg need be installed.
"""

from __future__ import annotations

import math
import shutil
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from .container import Container
from .data import Picture, Span, Video
from .errors import InputError, MediaError
from .files import digest, replacing

if TYPE_CHECKING:
    import numpy as np

STILL = Span(0, 5000)
"""How long a photo is taken to be shown, so that its words have a time in which to be read."""

_PHOTOS = {"AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP"}
_MOVING = {"AVIF", "GIF", "PNG", "WEBP"}  # formats whose several pictures are an animation (TIFF's and MPO's are not)
_PLANAR = {  # the bits to drop from each sample for 8; the chroma planes may have any size
    "yuv420p": 0, "yuvj420p": 0, "yuv422p": 0, "yuvj422p": 0, "yuv444p": 0, "yuvj444p": 0,
    "yuv420p10le": 2, "yuv422p10le": 2, "yuv444p10le": 2, "yuv420p12le": 4, "yuv422p12le": 4,
}  # fmt: skip


def probe(path: Path) -> Video:
    """What a video or photo file is: see `Video`. Every packet is read (not decoded) to find the true end.

    Width and height are as shown: turned as the container asks, pixels made square. A photo's span is `STILL`.

    Raises:
        InputError: the file is missing, empty, a folder or unreadable.
        MediaError: it holds no picture, or none that can be decoded.
    """
    path = Path(path)
    identity = _digest(path)
    if size := _photo_size(path):
        return Video(path, identity, STILL, None, *size, still=True)
    with Container(path) as file:
        _, raw = next(file.frames(), (0, None))
        if raw is None:
            raise MediaError(f"no frame of {path} can be decoded; get the whole file")
        audio, fps, aspect = file.audio, file.stream.average_rate or None, file.stream.sample_aspect_ratio
    with Container(path) as again:
        span = Span(0, again.end(file.origin))
    (width, height), rotation = _shown(raw, aspect or Fraction(1)), _orientation(raw)[0] * 90
    return Video(path, identity, span, fps, width, height, rotation, audio, audio[0].language if audio else None)


def decode(video: Video) -> Frames:
    """All frames of a video in order of time, in one pass that holds none of them. See `Frames`."""
    return Frames(video)


def frames_at(video: Video, times: Iterable[int]) -> Iterator[Frame]:
    """The frame that is shown at each of the times (milliseconds), in order of time. See `Frames.at`."""
    return Frames(video).at(times)


def save_picture(picture: Picture, path: Path, quality: int = 95) -> Picture:
    """The picture, now stored as JPEG at `path`, whole or not at all; one that is a JPEG file already is copied.

    Raises `OutputError` where it cannot be written.
    """
    import cv2

    with replacing(path) as partial:
        if type(picture) is Picture and picture.path.suffix.lower() in (".jpg", ".jpeg"):
            shutil.copyfile(picture.path, partial)
        else:
            bgr = cv2.cvtColor(picture.pixels(), cv2.COLOR_RGB2BGR)
            partial.write_bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())
    return Picture(path)


@dataclass(frozen=True, slots=True)
class Photo(Picture):
    """A photo file, upright as its EXIF asks, 16-bit samples brought to 8."""

    def pixels(self) -> np.ndarray:
        """RGB uint8 (height, width, 3), upright."""
        import numpy as np
        from PIL import Image

        from .upright import upright

        with Image.open(self.path) as image:
            if upright(image).mode.startswith("I"):
                gray = (np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8)
                return np.repeat(gray[..., None], 3, axis=2)
            return np.asarray(image.convert("RGB"))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Frame(Picture):
    """A decoded frame in memory, still in the decoder's own pixel format; `path` is the video's.

    `at` is its time in milliseconds; `number` counts the decoded frames from 0 (None after a seek); `raw` is PyAV's;
    `size` is width and height as shown; `turns` are the quarter turns clockwise that make it upright, `mirrored` says
    whether it is flipped left to right before them.
    """

    at: int
    number: int | None
    raw: av.VideoFrame
    size: tuple[int, int]
    turns: int = 0
    mirrored: bool = False

    @property
    def weight(self) -> int:
        """Bytes of memory that the frame holds."""
        return sum(plane.buffer_size for plane in self.raw.planes)

    def pixels(self) -> np.ndarray:
        """RGB uint8 (height, width, 3) at full size, upright, pixels square."""
        import numpy as np

        width, height = self.size[::-1] if self.turns % 2 else self.size
        rgb = self.raw.to_ndarray(format="rgb24", width=width, height=height)
        return np.ascontiguousarray(np.rot90(rgb[:, ::-1] if self.mirrored else rgb, -self.turns))

    def reduced(self, width: int = 256) -> tuple[int, int]:
        """An even width and height for `small`: a whole fraction of the coded size that comes close to `width`."""
        part = max(1, round(self.raw.width / width))
        return max(2, self.raw.width // part // 2 * 2), max(2, self.raw.height // part // 2 * 2)

    def small(self, size: tuple[int, int]) -> np.ndarray:
        """BGR uint8 (height, width, 3) for analysis, `size` being an even width and height; not turned upright.

        The planes are sampled before the colours are converted, which costs far less than the other order.
        """
        import cv2
        import numpy as np

        drop = _PLANAR.get(self.raw.format.name)
        if drop is None:
            return self.raw.to_ndarray(format="bgr24", width=size[0], height=size[1], interpolation="FAST_BILINEAR")
        half, planes = (size[0] // 2, size[1] // 2), []
        for index, plane in enumerate(self.raw.planes):
            samples = np.frombuffer(plane, np.uint16 if drop else np.uint8)  # type: ignore[call-overload]
            samples = samples.reshape(plane.height, -1)[:, : plane.width]
            planes.append(cv2.resize(samples, half if index else size).ravel())
        i420 = (np.concatenate(planes) >> drop).astype(np.uint8, copy=False)
        return cv2.cvtColor(i420.reshape(-1, size[0]), cv2.COLOR_YUV2BGR_I420)


class Frames:
    """The frames of a video, decoded one at a time: iterate for all, or ask for those `at` given times.

    What is damaged is passed over; `seen` and `damaged` count frames and packets of the last pass, and `trouble` says
    what the person should know. Raises `MediaError`, once iterated, where nothing can be decoded.
    """

    def __init__(self, video: Video):
        self.video, self.seen, self.damaged, self._missing = video, 0, 0, 0
        self._upright: tuple[int, bool] | None = None

    @property
    def trouble(self) -> str:
        """What was damaged or missing in the last pass, as a sentence; "" where all was well."""
        parts = [f"damaged packets or frames passed over: {self.damaged}"] if self.damaged else []
        if self._missing:
            parts.append(f"the file ends {self._missing / 1000:.1f} s earlier than it promises")
        return "; ".join(parts)

    def __iter__(self) -> Iterator[Frame]:
        self.seen = self.damaged = self._missing = 0
        if self.video.still:
            self.seen = 1
            yield self._frame(0, av.VideoFrame.from_ndarray(Photo(self.video.path).pixels(), format="rgb24"), 0)
            return
        with Container(self.video.path) as file:
            self._missing = self._shortfall(file)
            for self.seen, (at, raw) in enumerate(file.frames(), 1):
                self.damaged = file.damaged
                yield self._frame(at, raw, self.seen - 1)
            self.damaged = file.damaged
        if not self.seen:
            raise MediaError(f"no frame of {self.video.path} can be decoded; get the whole file")

    def at(self, times: Iterable[int]) -> Iterator[Frame]:
        """The frame shown at each of the times (milliseconds, put in order): the last one that starts by then.

        Where the container has an index and seeking saves half of the work, each group of pictures is sought once and
        decoded up to the last frame wanted; else all is decoded in order. Both give the same frames.
        """
        wanted = sorted(times)
        if wanted and not self.video.still:
            with Container(self.video.path) as file:
                first = next(file.frames(), None)  # sets the zero of time
                keys = file.keyframes() if first else []
                groups = [(key, list(group)) for key, group in groupby(wanted, lambda at: bisect_right(keys, at))]
                work = sum(group[-1] - keys[max(0, key - 1)] for key, group in groups) if keys else wanted[-1]
                if first and 2 * work <= wanted[-1]:
                    shown = self._frame(*first)
                    for key, group in groups:
                        for frame in _shown_at(self._sought(file, group[0], keys[:key]), group, shown):
                            shown = frame
                            yield frame
                        self.damaged = file.damaged
                    return
        yield from _shown_at(iter(self), wanted)

    def _sought(self, file: Container, wanted: int, keys: list[int]) -> Iterator[Frame]:
        for start in [wanted, *reversed(keys), 0]:  # a seek may lead too far: then to the key frame before, and so on
            frames = file.frames(start)
            for first in frames:
                if first[0] <= wanted or start == 0:
                    yield from (self._frame(at, raw) for at, raw in chain([first], frames))
                    return
                break

    def _frame(self, at: int, raw: av.VideoFrame, number: int | None = None) -> Frame:
        if self._upright is None:  # asked of one frame only: PyAV's side data and its frame hold each other in memory
            self._upright = _orientation(raw)
        at, size = max(0, min(at, self.video.span.end - 1)), (self.video.width, self.video.height)
        return Frame(self.video.path, at, number, raw, size, *self._upright)

    def _shortfall(self, file: Container) -> int:
        missing = file.promised - self.video.span.end
        return missing if missing > max(1000, file.promised // 50) else 0


def _shown_at(frames: Iterator[Frame], wanted: list[int], shown: Frame | None = None) -> Iterator[Frame]:
    """For each wanted time the last frame by then: `shown` where the frames begin later or there are none."""
    left = list(reversed(wanted))
    for frame in frames:
        while shown and left and frame.at > left[-1]:
            left.pop()
            yield shown
        if not left:
            return
        shown = frame
    if shown:
        yield from (shown for _ in left)


def _shown(raw: av.VideoFrame, aspect: Fraction) -> tuple[int, int]:
    """Width and height as shown: pixels of that aspect made square by their width, then turned."""
    width = round(raw.width * aspect) if 0.2 < aspect < 5 else raw.width
    return (raw.height, width) if _orientation(raw)[0] % 2 else (width, raw.height)


def _orientation(raw: av.VideoFrame) -> tuple[int, bool]:
    """Quarter turns clockwise, and whether the picture is mirrored left to right before them.

    Source: the display matrix of ISO/IEC 14496-12, 8.3.2: (x, y) is shown at (ax + cy, bx + dy), y pointing down.
    """
    import numpy as np

    data: Mapping[str, Any] = raw.side_data
    if "DISPLAYMATRIX" not in data:
        return 0, False
    a, b, _, c, d = np.frombuffer(data["DISPLAYMATRIX"], np.int32)[:5].tolist()
    mirrored = a * d < b * c
    sign = -1 if mirrored else 1
    return round(math.atan2(sign * b, sign * a) / (math.pi / 2)) % 4, mirrored


def _digest(path: Path) -> str:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a video or photo in it")
    if not path.exists():
        raise InputError(f"cannot find {path}; check the path")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty; get the file again")
    return digest(path)


def _photo_size(path: Path) -> tuple[int, int] | None:
    """Width and height of a photo, upright, or None where the file is something else. Raises `MediaError`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            moving = image.format in _MOVING and getattr(image, "is_animated", False)
            if image.format not in _PHOTOS or moving:
                return None
        height, width, _ = Photo(path).pixels().shape
        return width, height
    except UnidentifiedImageError:
        return None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"the photo {path} cannot be decoded ({error}); get the whole file") from error
