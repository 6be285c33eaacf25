"""Times real time: the sounds observer against ONNX Runtime called patch by patch on the same sound, in turns.

    python benchmarks/sounds.py [--minutes 5] [--rounds 3] [--sound FILE] [--litert yamnet.tflite]

The sound is noise, or a file's, over and over. Ours reads samples from the cache, computes the spectrogram, hears
patches in batches and makes events of the scores; the other side has its patches ready. With `--litert` (and the
package ai-edge-litert) the published network in Google's own runtime is called patch by patch, too.
`--minutes 60 --rounds 1` shows what an hour takes; memory is what the process needs at most, above what it had before
it listened.
"""

import argparse
import resource
import statistics
import time
import wave
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
from vdesc import Audio, Cache, Video, listen
from vdesc.media import probe
from vdesc.onnx import session
from vdesc.registry import create
from vdesc_sounds import Sounds
from vdesc_sounds.yamnet import HOP, PATCH, WEIGHTS, count, log_mel, patches

RATE = 16_000


def sounding(folder: Path, minutes: int, source: str) -> Video:
    """A video of so many minutes with a still picture and 16 kHz sound."""
    draw = np.random.default_rng(0)
    if source:
        heard = listen(probe(Path(source)))
        assert heard
        minute = np.resize((heard.samples(heard.span) * 32767).astype(np.int16), RATE * 60)
    else:
        minute = (draw.normal(size=RATE * 60) * 3000).astype(np.int16)
    with wave.open(str(folder / "sound.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for _ in range(minutes):
            file.writeframes(minute.tobytes())
    path = folder / "clip.mkv"
    with av.open(str(path), "w") as out, av.open(str(folder / "sound.wav")) as sound:
        stream = out.add_stream("mpeg4", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        copied = out.add_stream_from_template(sound.streams.audio[0])
        for _ in range(minutes * 60):
            out.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        out.mux(stream.encode(None))
        for packet in sound.demux(audio=0):
            if packet.dts is not None:
                packet.stream = copied
                out.mux(packet)
    return probe(path)


def bare(net: Any, audio: Audio) -> float:
    """Seconds for the network alone, patch by patch; the patches are made outside of the clock."""
    spent = 0.0
    for start, samples in audio.blocks(HOP * 100):
        ready = patches(log_mel(np.pad(samples, (0, (PATCH - HOP) * RATE // 1000)))) if start < audio.span.end else []
        begun = time.perf_counter()
        for patch in ready:
            net.run(None, {"patches": patch[None]})
        spent += time.perf_counter() - begun
    return spent


def litert(path: str) -> Callable[[Audio], float]:
    """Seconds for the published network in LiteRT, patch by patch, its spectrogram included."""
    from ai_edge_litert.interpreter import Interpreter

    net = Interpreter(path, num_threads=2)
    net.allocate_tensors()
    place = net.get_input_details()[0]["index"]

    def run(audio: Audio) -> float:
        spent = 0.0
        for _, samples in audio.blocks(HOP * 100):
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(samples, (0, 7920)), 15_600)[:: HOP * 16]
            begun = time.perf_counter()
            for window in windows:
                net.set_tensor(place, window[None].astype(np.float32))
                net.invoke()
            spent += time.perf_counter() - begun
        return spent

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("minutes", 5), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--sound", default="", help="a video whose sound is played over and over")
    parser.add_argument("--litert", default="", help="yamnet.tflite, to time LiteRT too")
    asked = parser.parse_args()
    plugin = create(Sounds)
    plugin.load("cpu")
    sides: dict[str, Callable[[Audio], float]] = {}
    net = session(WEIGHTS, "sounds", "evidence")  # with as many threads as it likes
    sides["ONNX Runtime, patch by patch"] = lambda audio: bare(net, audio)
    if asked.litert:
        sides["LiteRT, patch by patch"] = litert(asked.litert)
    took: dict[str, list[float]] = {"observer": [], **{side: [] for side in sides}}
    with TemporaryDirectory() as name:
        video = sounding(Path(name), asked.minutes, asked.sound)
        plugin.cache = Cache(Path(name) / "cache")
        audio = listen(video, plugin.cache)  # decoded once, for all observers
        assert audio
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(asked.rounds):
            begun = time.perf_counter()
            found = plugin.observe(video, ())
            took["observer"].append(time.perf_counter() - begun)
            more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            for side, run in sides.items():
                took[side].append(run(audio))
    print(f"{asked.minutes} minutes, {count(audio.span.length)} patches, {len(found)} events; +{more / 1024:.0f} MB")
    for side, values in took.items():
        print(f"{side:30} {asked.minutes * 60 / statistics.median(values):7.0f} times real time")
    for side in sides:
        ratios = [their / our for our, their in zip(took["observer"], took[side], strict=True)]
        print(f"observer / {side}: {statistics.median(ratios):.2f}   (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    main()
