"""Containers: an opened video file, its raw frames with their exact times, and its index, whatever the damage."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from .data import AudioTrack
from .errors import InputError, MediaError

_TEXT_ART = {"adf", "bin", "idf", "tty", "xbin"}  # FFmpeg would draw any .txt file as a terminal's screen
_TAGS = {  # ISO 639-2 to the shorter ISO 639-1, which BCP 47 asks for
    "ara": "ar", "ces": "cs", "chi": "zh", "cze": "cs", "dan": "da", "deu": "de", "dut": "nl", "ell": "el", "eng": "en",
    "fin": "fi", "fra": "fr", "fre": "fr", "ger": "de", "gre": "el", "heb": "he", "hin": "hi", "hun": "hu", "ind": "id",
    "ita": "it", "jpn": "ja", "kor": "ko", "nld": "nl", "nor": "no", "pol": "pl", "por": "pt", "ron": "ro", "rum": "ro",
    "rus": "ru", "spa": "es", "swe": "sv", "tha": "th", "tur": "tr", "ukr": "uk", "vie": "vi", "zho": "zh",
}  # fmt: skip


class Container:
    """An opened file and its main video stream (a cover picture is none).

    `damaged` counts the packets and frames that could not be decoded so far.

    Raises `MediaError` where the file is no media or has no video.
    """

    def __init__(self, path: Path):
        self.path, self.damaged = path, 0
        self.origin: int | None = None  # the timestamp of the first frame, once that is decoded
        try:
            # "file:" lets no name pass for an address, and the list keeps playlists from the network.
            self.file = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
        except av.FFmpegError as error:
            raise MediaError(_why_not(path)) from error
        self.stream = self._main_stream()
        self.stream.thread_type = "AUTO"

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    @property
    def audio(self) -> tuple[AudioTrack, ...]:
        """The audio streams; the codec of one that nothing here can decode is `unknown`."""
        known = ((s, s.codec_context) for s in self.file.streams.audio)
        return tuple(
            AudioTrack(s.index, c.name, c.channels, c.rate, _language(s))
            if c
            else AudioTrack(s.index, "unknown", 0, 0, _language(s))
            for s, c in known
        )

    @property
    def promised(self) -> int:
        """The milliseconds of video that the file's head tells of; 0 where it tells nothing."""
        return self._ms(self.stream.duration or 0)

    def frames(self, start: int | None = None) -> Iterator[tuple[int, av.VideoFrame]]:
        """Each frame with its time in milliseconds, from where the file stands, or from a key frame before `start`.

        A frame without a timestamp, or with one that goes back, comes one frame length after the one before it.
        """
        if start is not None and not self._seek(start):
            return
        now: int | None = None
        for raw in self._decoded():
            expected = 0 if now is None else now + (raw.duration or self._length)
            stamp = self._stamp(raw)
            if stamp is None:
                now = expected
            else:
                self.origin = stamp - expected if self.origin is None else self.origin
                now = stamp - self.origin if now is None or stamp - self.origin >= now else expected
            yield self._ms(now), raw

    def sound(self, index: int) -> Iterator[tuple[float | None, av.AudioFrame]]:
        """Each frame of the audio stream `index` with its time in seconds, or None; the picture can't be read after."""
        self.stream.discard = av.stream.Discard.all
        self.stream = self.file.streams[index]
        self.stream.discard = av.stream.Discard.default
        if self.stream.codec_context is None:
            return
        base = float(self.stream.time_base)
        for raw in self._decoded():
            yield None if raw.pts is None else raw.pts * base, raw

    def end(self, origin: int | None) -> int:
        """When the last frame ends, in milliseconds from the timestamp `origin`; reads all packets, decodes none."""
        end = count = 0
        try:
            for packet in self.file.demux(self.stream):
                if packet.size and not packet.is_discard and not packet.is_corrupt:
                    count, stamp = count + 1, self._stamp(packet)
                    if stamp is None or origin is None or self._counted:
                        end = max(end, count * self._length)
                    else:
                        end = max(end, stamp - origin + (packet.duration or self._length))
        except av.FFmpegError:
            pass  # what comes before the break is the video
        return max(1, self._ms(end))

    def keyframes(self) -> list[int]:
        """When decoding can begin, about, in milliseconds, from the container's index; empty where there is none."""
        origin = self.origin or 0
        return sorted({self._ms(entry.timestamp - origin) for entry in self.stream.index_entries if entry.is_keyframe})

    def _seek(self, start: int) -> bool:
        try:
            self.file.seek((self.origin or 0) + int(start / self.stream.time_base / 1000), stream=self.stream)
        except av.FFmpegError:
            return False
        return True

    def _main_stream(self) -> Any:
        stream = None if self.file.format.name in _TEXT_ART else self.file.streams.best("video")
        if stream is None or stream.disposition & av.stream.Disposition.attached_pic:
            sound = "only sound" if self.file.streams.audio else "no video"
            self.file.close()
            raise MediaError(f"{self.path} holds {sound}; name a file that has a picture")
        for other in self.file.streams:
            if other.index != stream.index:
                other.discard = av.stream.Discard.all
        return stream

    def _decoded(self) -> Iterator[Any]:
        for packet in self._packets():
            try:
                raws = self.stream.decode(packet)
            except av.FFmpegError:
                self.damaged += 1
                continue
            for raw in raws:
                if raw.is_corrupt:
                    self.damaged += 1
                else:
                    yield raw

    def _packets(self) -> Iterator[av.Packet | None]:
        try:
            yield from self.file.demux(self.stream)
        except av.FFmpegError:
            self.damaged += 1
            yield None  # lets the decoder give out what it still holds

    @property
    def _length(self) -> int:
        rate = self.stream.average_rate or Fraction(25)
        return max(1, round(1 / (rate * self.stream.time_base)))

    @property
    def _counted(self) -> bool:
        """AVI has no timestamps: frames are counted, and FFmpeg's guess at `pts` is wrong where they are reordered."""
        return self.file.format.name == "avi"

    def _stamp(self, thing: av.Packet | av.VideoFrame) -> int | None:
        return thing.dts if self._counted or thing.pts is None else thing.pts

    def _ms(self, ticks: int) -> int:
        base = self.stream.time_base
        return (2000 * ticks * base.numerator + base.denominator) // (2 * base.denominator)


def _language(stream: Any) -> str | None:
    tag = stream.language
    return None if tag in (None, "und") else _TAGS.get(tag, tag)


def _why_not(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if head[4:8] == b"ftyp":
        return f"{path} lacks its index (moov), as a recording or download that was cut off; get the whole file"
    return f"{path} is no video or photo that can be read; check that the file is what its name says"
