"""Audio: the sound of a video as 16 kHz mono samples, decoded once, kept on disk, read a window at a time.

Times are the video's own: milliseconds from its first frame. Whatever the track holds (5.1, 44.1 kHz, a late start,
damaged packets), each sample lies where it is heard. In the cache a track is a file of 16-bit samples that begins with
the first frame, and a JSON head that says where in it there is sound.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

from .cache import Cache, key
from .data import AudioTrack, Span, Video
from .errors import MediaError, SettingsError
from .files import replacing

if TYPE_CHECKING:
    import av
    import numpy as np

RATE = 16_000
"""Samples a second: what the networks for speech and sound events listen at."""

_FORMAT = 1  # of the files in the cache
_MS = RATE // 1000
_DRIFT = 0.015
"""Seconds by which timestamps may differ from the count of samples: containers round them, clocks drift."""
_LEAP = 1.0
"""Seconds back from which on a timestamp means that the clock was set anew, and not that sound overlaps."""
_DECODING = Lock()  # observers run side by side: one decodes, the others find the result


@dataclass(frozen=True, slots=True)
class Audio:
    """The sound of one track, as samples on disk; `span` is where it lies in the video's time.

    It never begins before the video's first frame, and may last longer than the picture. `trouble` says what was
    damaged, as a sentence; "" where all was well.
    """

    track: AudioTrack
    span: Span
    path: Path
    trouble: str = ""

    def samples(self, span: Span) -> np.ndarray:
        """Float32 (n,), -1..1, mono, 16 for each millisecond of `span`: what is heard; silence where there is nothing.

        Only that much is read from disk, so windows of any number and order cost no memory.
        """
        import numpy as np

        heard = np.zeros(span.length * _MS, np.float32)
        first, last = max(span.start, 0) * _MS, max(span.end, 0) * _MS
        found = np.fromfile(self.path, np.int16, last - first, offset=min(first * 2, self.path.stat().st_size))
        begin = first - span.start * _MS
        np.multiply(found, np.float32(1 / 32768), out=heard[begin : begin + len(found)])
        return heard

    def blocks(self, length: int) -> Iterator[tuple[int, np.ndarray]]:
        """The track in blocks of `length` milliseconds, each with the time it begins at; the last may be shorter."""
        for start in range(self.span.start, self.span.end, length):
            yield start, self.samples(Span(start, min(start + length, self.span.end)))


def listen(video: Video, cache: Cache | None = None, track: int | None = None) -> Audio | None:
    """The sound of a video's track, decoded now or found in the cache; None where the video has no sound.

    Args:
        cache: where the samples are kept; None keeps them in a folder that is removed when the program ends.
        track: which of `video.audio`, counted from 0; None takes the first.
    Raises:
        SettingsError: the video has no such track.
        MediaError: nothing of the track can be decoded.
    """
    if video.still or not video.audio:
        return None
    if not 0 <= (track or 0) < len(video.audio):
        have = f"{len(video.audio)} audio tracks" if len(video.audio) > 1 else "one audio track"
        raise SettingsError(f"{video.path} has {have}, counted from 0: there is no track {track}")
    chosen, cache = video.audio[track or 0], cache or _passing()
    name = key("audio", video.digest, chosen.index, RATE, _FORMAT)
    with _DECODING:
        head = _found(cache, name)
        if head is None:
            head = _decode(video, chosen, cache.samples(name), cache)
            cache.put("audio", name, head)
    span = Span(head["start"], head["end"])
    return Audio(chosen, span, cache.samples(name), head["trouble"]) if span.length else None


def _found(cache: Cache, name: str) -> dict[str, Any] | None:
    """The head under a key, where it and the samples that it speaks of are there."""
    head, path = cache.get("audio", name), cache.samples(name)
    return head if head and path.is_file() and path.stat().st_size == 2 * head["samples"] else None


def _decode(video: Video, track: AudioTrack, path: Path, cache: Cache) -> dict[str, Any]:
    """Writes the samples of a track, and gives their head. Raises `MediaError` where all of it is damaged."""
    from .container import Container

    with Container(video.path) as picture:
        next(picture.frames(), None)
        zero = float((picture.origin or 0) * picture.stream.time_base)
    with cache.writing(), replacing(path) as partial, partial.open("wb") as file, Container(video.path) as container:
        tape = _Tape(file, video.span.end / 1000)
        for at, frame in container.sound(track.index):
            tape.add(None if at is None else at - zero, frame)
        tape.close()
        passed = container.damaged + tape.damaged
        if (passed or track.codec == "unknown") and not tape.end:
            raise MediaError(
                f"nothing of audio track {video.audio.index(track)} ({track.codec}) of {video.path} can be decoded: "
                "name another track, or get the whole file"
            )
    trouble = f"damaged packets or frames of sound passed over: {passed}" if passed else ""
    return {"start": tape.start // _MS, "end": -(-tape.end // _MS), "samples": tape.end, "trouble": trouble}


class _Tape:
    """Samples on their way to a file, each at its place: gaps become silence, what overlaps is dropped.

    `start` and `end` count samples from the video's first frame to where sound begins and where it ends. `longest` is
    the time in seconds beyond which no gap leads: nobody hears that, and a damaged timestamp may lead years ahead.
    """

    def __init__(self, file: BinaryIO, longest: float):
        self.file, self.longest = file, longest
        self.start = self.end = self.damaged = 0
        self._resampler: Any = None
        self._next = 0.0  # seconds at which the next frame is due
        self._at = 0  # the place of the resampler's next sample

    def add(self, at: float | None, frame: av.AudioFrame) -> None:
        """Takes a frame that is heard at a time in seconds, or right after the last one."""
        if at is None or (self._resampler and at - self._next < -_LEAP):
            at = self._next
        late = at - self._next
        if late > _DRIFT and at > self.longest:
            self.damaged += self._resampler is not None
            return
        if self._resampler is None or abs(late) > _DRIFT or not self._like_last(frame):
            self._cut(at, frame)
        self._next += frame.samples / frame.sample_rate
        self._play(frame)

    def close(self) -> None:
        """Writes what is still on its way."""
        if self._resampler:
            self._play(None)

    def _cut(self, at: float, frame: av.AudioFrame) -> None:
        """Begins anew at a time: after a gap, or with sound of another form."""
        import av

        self.close()
        self._form = (frame.format.name, frame.layout.name, frame.sample_rate)
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        self._next, self._at = at, round(at * RATE)

    def _like_last(self, frame: av.AudioFrame) -> bool:
        return self._form == (frame.format.name, frame.layout.name, frame.sample_rate)

    def _play(self, frame: av.AudioFrame | None) -> None:
        import av

        try:
            played = self._resampler.resample(frame)
        except (av.FFmpegError, ValueError):
            self.damaged += 1
            return
        for piece in played:
            self._write(bytes(piece.planes[0])[: 2 * piece.samples], piece.samples)

    def _write(self, data: bytes, samples: int) -> None:
        """Writes 16-bit samples at their place, but those whose place is taken."""
        new = min(samples, self._at + samples - self.end)
        self._at += samples
        if new > 0:
            first = self._at - new
            if first != self.end:
                self.file.seek(2 * first)  # what is jumped over reads as silence
            self.start = self.start if self.end else first
            self.file.write(data[-2 * new :])
            self.end = self._at


@once
def _passing() -> Cache:
    """A cache for this program's life."""
    folder = Path(tempfile.mkdtemp(prefix="vdesc-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Cache(folder)
