"""The whole default run on a 5-minute 720p video, start-up included, against the video's own length. Run by hand.

    python benchmarks/run.py [--rounds 3] [--minutes 5] [--plugins clipgpt,rapidocr,yolox,sounds]

The video has sound. Each round is a process of its own with an empty cache. The last line is a second run over the
full cache.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from look import aside

VDESC = Path(sys.executable).with_name("vdesc")


def run(video: Path, folder: Path, cache: Path, *more: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of `vdesc run`, with its defaults but for `more`."""
    begin = time.perf_counter()
    child = subprocess.Popen(
        [VDESC, "run", video, "-o", folder, "--quiet", *more], env=os.environ | {"VDESC_CACHE": str(cache)}
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit("vdesc failed")
    return time.perf_counter() - begin, usage.ru_maxrss / 1024


def main() -> None:
    """Makes the video, runs the rounds, prints seconds, times real time, and memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=int, default=5)
    parser.add_argument("--plugins", default="clipgpt")
    args = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        silent = aside("loop", folder / "silent.mp4", aside("clip", folder / "minute.mp4"), args.minutes)
        video = aside("heard", folder / "video.mp4", silent)
        named = ["--plugins", args.plugins]
        plain = [*named, "--set", "ranking.similarity=tokens"]  # as where sentence-transformers is not installed
        rounds = [run(video, folder / "out", folder / f"cache{i}", *plain) for i in range(args.rounds)]
        again, _ = run(video, folder / "out", folder / "cache0", *plain)
        auto, _ = run(video, folder / "out", folder / "auto", *named)
    seconds = statistics.median(spent for spent, _ in rounds)
    length, memory = args.minutes * 60, max(memory for _, memory in rounds)
    print(f"{args.plugins}, {args.minutes} minutes of 1280x720:")
    print(f"{seconds:.1f} s, {length / seconds:.1f} x real time, {memory:.0f} MB")
    print(f"again, from the cache: {again:.1f} s")
    print(f"with whatever measure of likeness is installed: {auto:.1f} s, {length / auto:.1f} x real time")


if __name__ == "__main__":
    main()
