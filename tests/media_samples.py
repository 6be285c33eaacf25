"""Small videos made for tests: textured moving scenes, encoded with PyAV, whole or damaged in known ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

SIZE = (160, 96)


def texture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """An RGB picture (height, width, 3) with coarse shapes, fine detail and a colour of its own for each seed."""
    width, height = size
    random = np.random.default_rng(seed)
    picture = np.full((height, width, 3), random.uniform(60, 190, 3), np.float32)
    for cells, light, colour in ((3, 40.0, 25.0), (9, 20.0, 5.0), (40, 12.0, 0.0)):
        grid = (cells, cells * width // height + 1)
        noise = light * random.standard_normal((*grid, 1)) + colour * random.standard_normal((*grid, 3))
        picture += cv2.resize(noise.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    return picture.clip(0, 255).astype(np.uint8)


def scene(seed: int, frames: int, size: tuple[int, int] = SIZE, speed: float = 1.0) -> Iterator[np.ndarray]:
    """Frames of one shot: a camera that pans over a texture by `speed` pixels a frame (0 stands still)."""
    width, height = size
    wide = texture(seed, (width + 64, height))
    for index in range(frames):
        left = round(abs((index * speed) % 128 - 64))
        yield wide[:, left : left + width]


def scenes(lengths: Sequence[int], size: tuple[int, int] = SIZE, speed: float = 1.0) -> Iterator[np.ndarray]:
    """Frames of several shots with hard cuts between them; each length is a number of frames."""
    for seed, length in enumerate(lengths):
        yield from scene(seed, length, size, speed)


def numbered(frames: int, size: tuple[int, int] = SIZE) -> Iterator[np.ndarray]:
    """Frames that each bear their number as eight bars, black for 0 and white for 1: `number_of` reads it back."""
    for index in range(frames):
        bits = np.unpackbits(np.array([index], np.uint8)) * 255
        yield np.repeat(cv2.resize(bits[None], size, interpolation=cv2.INTER_NEAREST)[..., None], 3, axis=2)


def number_of(pixels: np.ndarray) -> int:
    """The number of a frame made by `numbered`."""
    bars = cv2.resize(pixels.mean(2), (8, 1), interpolation=cv2.INTER_AREA)[0]
    return int(np.packbits(bars > 127)[0])


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    fps: Fraction | int = 30,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times: Sequence[int] | None = None,
    start: int = 0,
    gop: int = 12,
    rotation: int | None = None,
    aspect: Fraction | None = None,
    sound: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """`path`, holding the frames as a video; the ending of its name chooses the container.

    Args:
        path: where to write.
        frames: RGB uint8 (height, width, 3), all of one size.
        fps: frames a second, where `times` does not say when each is shown.
        codec: FFmpeg's name of an encoder.
        pix_fmt: FFmpeg's name of the pixel format that is encoded.
        times: milliseconds at which each frame is shown (a variable frame rate).
        start: milliseconds added to every timestamp.
        gop: frames from one key frame to the next.
        rotation: degrees clockwise that the container asks players for.
        aspect: the width of a pixel by its height.
        sound: a language, to add a silent audio track in it.
        options: the encoder's.
        container_options: the container's.
    """
    base = Fraction(1, 1000) if times is not None else 1 / Fraction(fps)
    with av.open(f"file:{path}", "w", options=container_options or {}) as file:
        stream: Any = None
        for index, rgb in enumerate(frames):
            if stream is None:
                stream = file.add_stream(codec, rate=Fraction(fps))
                stream.height, stream.width = rgb.shape[:2]
                stream.pix_fmt, stream.time_base, stream.gop_size = pix_fmt, base, gop
                stream.codec_context.time_base = base
                preset = {"preset": "ultrafast", "bf": "2", "crf": "20"} if codec == "libx264" else {}
                stream.options = preset | (options or {})
                if rotation is not None:
                    stream.set_display_rotation(-rotation)
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                voice = _silence(file, sound) if sound else None
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame.pts = (times[index] if times is not None else index) + round(Fraction(start, 1000) / base)
            frame.time_base = base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if voice:
            write_silence(file, voice)
    return path


def write_silence(file: Any, stream: Any, seconds: int = 1) -> None:
    """Adds silence to an audio stream of an open output container."""
    for index in range(seconds * 8):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1000), np.float32), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, index * 1000, Fraction(1, 8000)
        file.mux(stream.encode(frame))
    file.mux(stream.encode(None))


def write_audio(path: Path, language: str = "eng") -> Path:
    """`path`, holding a second of silence and no picture."""
    with av.open(str(path), "w") as file:
        write_silence(file, _silence(file, language))
    return path


def cut_off(path: Path, share: float) -> Path:
    """The file, shortened to a share of its bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def damage(path: Path, first: float, last: float, seed: int = 0) -> Path:
    """The file with noise for its bytes between two shares of its length."""
    data = bytearray(path.read_bytes())
    start, stop = int(len(data) * first), int(len(data) * last)
    data[start:stop] = np.random.default_rng(seed).bytes(stop - start)
    path.write_bytes(data)
    return path


def join_clips(path: Path, pieces: Sequence[tuple[Path, float, int]], size: tuple[int, int] = (320, 180)) -> list[int]:
    """The numbers of the frames at which pieces of real clips begin (but the first), joined at `path` with hard cuts.

    Each piece is a file, where to begin in seconds, and how many frames to take, every one of them.
    """
    cuts, taken = [], 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal taken
        for source, begin, count in pieces:
            cuts.append(taken)
            with av.open(str(source)) as file:
                left = count
                for frame in file.decode(video=0):
                    if (frame.time or 0) >= begin and left:
                        yield frame.to_ndarray(format="rgb24", width=size[0], height=size[1])
                        left, taken = left - 1, taken + 1
                    if not left:
                        break

    write_video(path, frames(), fps=25, gop=250)
    return cuts[1:]


def _silence(file: Any, language: str) -> Any:
    stream = file.add_stream("aac", rate=8000, layout="mono")
    stream.metadata["language"] = language
    return stream
