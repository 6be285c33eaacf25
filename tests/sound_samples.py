"""Videos with sound made for tests: beeps at known times in any codec, layout, rate and container."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BEEP = 30  # milliseconds


def beeps(times: Sequence[int], length: int, rate: int = 48000) -> np.ndarray:
    """Float32 samples of `length` milliseconds, silent but for a beep of 1 kHz that begins at each of the times."""
    sound = np.zeros(length * rate // 1000, np.float32)
    tone = 0.7 * np.sin(np.arange(BEEP * rate // 1000) * 2 * np.pi * 1000 / rate)
    for at in times:
        first = round(at * rate / 1000)
        sound[first : first + len(tone)] += tone[: len(sound) - first]
    return sound


def onsets(samples: np.ndarray, rate: int = 16000, share: float = 0.3) -> list[int]:
    """The milliseconds at which something loud begins after at least 60 ms without."""
    loud = np.flatnonzero(np.abs(samples) > share * max(np.abs(samples).max(initial=0), 1e-3))
    return [round(at * 1000 / rate) for i, at in enumerate(loud) if i == 0 or at - loud[i - 1] > 0.06 * rate]


def write_sound(
    path: Path,
    tracks: Sequence[np.ndarray],
    *,
    rate: int = 48000,
    codec: str = "pcm_s16le",
    layout: str = "mono",
    format: str | None = None,
    picture: float = 1.0,
    picture_at: int = 0,
    sound_at: int = 0,
    skip: Sequence[int] = (),
    stamps: dict[int, int] | None = None,
    languages: Sequence[str] = (),
    fps: int = 25,
    options: dict[str, str] | None = None,
) -> Path:
    """`path`, holding a grey picture and each of the tracks as an audio stream.

    Args:
        path: where to write; the ending chooses the container.
        tracks: float samples (n,), the same on all channels, or (n, channels).
        rate: samples a second.
        codec: FFmpeg's name of an encoder.
        layout: FFmpeg's name of the channels.
        format: FFmpeg's name of the sample format; None takes the encoder's first.
        picture: seconds that the picture lasts.
        picture_at: milliseconds at which it begins.
        sound_at: milliseconds at which the sound begins.
        skip: frames of sound, counted from 0, that are left out.
        stamps: milliseconds added to the timestamps from a frame of sound on, by its number.
        languages: one for each track.
        fps: pictures a second.
        options: the container's.
    """
    with av.open(f"file:{path}", "w", options=options or {}) as file:
        stream = file.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sounds = []
        for i in range(len(tracks)):
            sounds.append(file.add_stream(codec, rate=rate, layout=layout))
            if format:
                sounds[-1].format = format
            if languages:
                sounds[-1].metadata["language"] = languages[i]
        for index in range(round(picture * fps)):
            shown = av.VideoFrame.from_ndarray(np.full((48, 64, 3), index * 7 % 256, np.uint8), format="rgb24")
            shown.pts, shown.time_base = index + round(picture_at * fps / 1000), Fraction(1, fps)
            file.mux(stream.encode(shown))
        file.mux(stream.encode(None))
        for sound, samples in zip(sounds, tracks, strict=True):
            _encode(file, sound, samples, round(sound_at * rate / 1000), skip, stamps or {})
    return path


def _encode(file, sound, samples, start, skip, stamps) -> None:
    context = sound.codec_context
    rate, channels = context.rate, context.layout.nb_channels
    wide = samples if samples.ndim == 2 else np.repeat(samples[:, None], channels, 1)
    size, shift = context.frame_size or 1024, 0
    resampler = av.AudioResampler(format=context.format.name, layout=context.layout.name, rate=rate)
    for index, first in enumerate(range(0, len(wide), size)):
        shift += stamps.get(index, 0) * rate // 1000
        if index in skip:
            continue
        piece = np.ascontiguousarray(wide[first : first + size].astype(np.float32).reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=context.layout.name)
        frame.sample_rate, frame.pts, frame.time_base = rate, first + start + shift, Fraction(1, rate)
        for ready in resampler.resample(frame):
            file.mux(sound.encode(ready))
    file.mux(sound.encode(None))
