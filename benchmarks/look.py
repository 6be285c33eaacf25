"""The look stage against PySceneDetect's own command line, by hand: `python benchmarks/look.py [--long]`.

Makes a 60 s video (1280x720, 30 fps, x264, 13 textured scenes), then measures as whole processes, start-up included:

- ours: probe, decode, shots, keyframes as JPEG quality 95;
- theirs: `scenedetect -i FILE detect-adaptive save-images` (three pictures a scene, its default, and one).

With --long, the same packets joined to 5 and 60 minutes: seconds and peak memory (RSS) of ours for both.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "core"), str(HERE.parent / "plugins"), str(HERE.parent / "tests")]


def look(path: Path, folder: Path) -> None:
    """What the engine does in its look stage: our side of the race."""
    from vdesc.media import probe, save_picture
    from vdesc_keyframes import Shots

    shots = Shots()
    for keyframe in shots.select(probe(path)):
        save_picture(keyframe.image, folder / f"{keyframe.index:06}.jpg")
    print("  ours:", *(finding.message for finding in shots.findings))


def make(path: Path) -> Path:
    """A 60 s video with 12 cuts, encoded as an ordinary upload would be."""
    from media_samples import scenes, write_video

    lengths = [140, 60, 200, 90, 150, 240, 45, 175, 130, 210, 80, 160, 120]
    frames = scenes(lengths, (1280, 720), speed=2)
    return write_video(path, frames, gop=250, options={"preset": "veryfast", "crf": "23", "bf": "3"})


def loop(path: Path, source: Path, times: int) -> Path:
    """The video that many times over, its packets copied."""
    import av

    with av.open(str(path), "w") as out:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(source)) as file:
                video = file.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                for packet in file.demux(video):
                    if packet.size:
                        packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                        out.mux(packet)
                shift += round(Fraction(60) / video.time_base)
    return path


def heard(path: Path, source: Path) -> Path:
    """The video with a sound track, 44.1 kHz stereo AAC: noise that swells and fades, a tone every other second."""
    import av
    import numpy as np

    rate, draw = 44_100, np.random.default_rng(0)
    with av.open(str(source)) as file, av.open(str(path), "w") as out:
        video = file.streams.video[0]
        picture, sound = out.add_stream_from_template(video), out.add_stream("aac", rate=rate)
        for packet in file.demux(video):
            if packet.size:
                packet.stream = picture
                out.mux(packet)
        for second in range(int((file.duration or 0) / 1_000_000)):
            t = np.arange(rate) / rate
            wave = 0.1 * draw.standard_normal(rate) * (second % 7) / 7 + 0.2 * np.sin(880 * np.pi * t) * (second % 2)
            frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]).astype(np.float32), "fltp", "stereo")
            frame.sample_rate, frame.pts = rate, second * rate
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
    return path


def timed(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MB of a child process."""
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=None if "--only" in command else subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def aside(*making: str | Path | int) -> Path:
    """Makes a video in a process of its own: a child's peak memory counts from its parent's at the fork."""
    subprocess.run([sys.executable, __file__, "--make", *map(str, making)], check=True)
    return Path(str(making[1]))


def ours(path: Path, folder: Path) -> tuple[float, float, float]:
    """Our look stage as a process of its own."""
    folder.mkdir(exist_ok=True)
    return timed([sys.executable, __file__, "--only", str(path), str(folder)])


def theirs(path: Path, folder: Path, pictures: int) -> tuple[float, float, float]:
    """PySceneDetect's command line doing the like."""
    program = str(Path(sys.executable).with_name("scenedetect"))
    save = ["save-images", "--num-images", str(pictures), "--quality", "95"]
    return timed([program, "-q", "-i", str(path), "-o", str(folder), "detect-adaptive", *save])


def main() -> None:
    """Runs the races and prints their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="also 5 and 60 minutes (takes a while)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--video", type=Path, help="a video of your own instead of the synthetic one")
    parser.add_argument("--only", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        look(*args.only)
    elif args.make:
        what, path, *rest = args.make
        if what == "clip":
            make(Path(path))
        elif what == "loop":
            loop(Path(path), Path(rest[0]), int(rest[1]))
        else:
            heard(Path(path), Path(rest[0]))
    else:
        race(args)


def race(args: argparse.Namespace) -> None:
    """Times both sides in turns, so that what else runs on the machine disturbs all alike."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clip = args.video or aside("clip", folder / "clip.mp4")
        rows: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(args.rounds):
            rows.setdefault("ours", []).append(ours(clip, folder / "ours"))
            rows.setdefault("scenedetect, 3 pictures a scene", []).append(theirs(clip, folder / "three", 3))
            rows.setdefault("scenedetect, 1 picture a scene", []).append(theirs(clip, folder / "one", 1))
        best = {name: tuple(min(column) for column in zip(*runs, strict=True)) for name, runs in rows.items()}
        for name, (wall, cpu, peak) in best.items():
            ratios = f"{wall / best['ours'][0]:.2f}x the time, {cpu / best['ours'][1]:.2f}x the processor time of ours"
            print(f"{name}: {wall:.2f} s, {cpu:.2f} s processor, peak {peak:.0f} MB; {ratios}")
        if args.long:
            clips = [aside("loop", folder / f"{minutes}.mp4", clip, minutes) for minutes in (5, 60)]
            short, long = (ours(path, folder / "long") for path in clips)
            print(f"5 min: {short[0]:.1f} s, peak {short[2]:.0f} MB; 60 min: {long[0]:.1f} s, peak {long[2]:.0f} MB")
            print(f"peak memory 60 min / 5 min: {long[2] / short[2]:.2f}; {3600 / long[0]:.0f}x real time")


if __name__ == "__main__":
    main()
