"""`openai`: k requests in flight against one at a time, and the peak memory of many slots. Run by hand.

    python benchmarks/openai.py [--wait 0.5] [--size 1280x720] [--slots 600] [--rounds 3]

The server is a process of its own that answers each request after `--wait` seconds. Both sides caption the same slots,
one picture each, read from disk, made smaller and compressed on the way; they take turns. `efficiency` is the
throughput with k in flight over k times that of one. What a slot takes of a core, here and in the server, tells
how far that can go: with k in flight and answers after w seconds, k / w times as much is wanted each second. Memory is
the peak of a process that captions 60 slots, and of one that captions `--slots`.
"""

import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from vdesc import Slot
from vdesc.media import save_picture
from vdesc.registry import create
from vdesc.testing import picture, slots
from vdesc_openai import OpenAI

SERVER = Path(__file__).resolve().parents[1] / "tests" / "plugins" / "openai_server.py"
FEW = 60
DIFFERENT = 30
"""Pictures on disk, shown in turn."""


@contextmanager
def server(wait: float) -> Iterator[tuple[str, int]]:
    """The address and process of a server that answers after so many seconds."""
    command = [sys.executable, str(SERVER), "--wait", str(wait)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1", process.pid
        process.terminate()


def made(count: int, folder: Path, width: int, height: int) -> list[Slot]:
    """Slots of one keyframe each, with pictures on disk."""
    paths = [folder / f"{i}.jpg" for i in range(DIFFERENT)]
    stored = [save_picture(picture(i, width, height), path) for i, path in enumerate(paths) if not path.exists()]
    images = stored or [replace(picture(0), path=path) for path in paths]
    return [
        replace(slot, keyframes=(replace(slot.keyframes[0], image=images[i % DIFFERENT]),))
        for i, slot in enumerate(slots(count))
    ]


def throughput(url: str, some: Sequence[Slot], in_flight: int) -> float:
    """Slots a second."""
    plugin = create(OpenAI, url=url, model="tiny", in_flight=in_flight)
    start = time.perf_counter()
    found = list(plugin.propose(some))
    assert len(found) == len(some), plugin.findings
    return len(some) / (time.perf_counter() - start)


def compared(url: str, some: Sequence[Slot], k: int) -> float:
    """Throughput with k in flight over k times that of one."""
    return throughput(url, some[: 16 * k], k) / (k * throughput(url, some[:8], 1))


def taken(url: str, process: int, some: Sequence[Slot], in_flight: int) -> tuple[float, float]:
    """Milliseconds of a core that a slot takes here, and in the server (Linux alone tells; else not a number)."""
    here, there = time.process_time(), _spent(process)
    throughput(url, some, in_flight)
    here, there = time.process_time() - here, _spent(process) - there
    return 1000 * here / len(some), 1000 * there / len(some)


def _spent(process: int) -> float:
    try:
        user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    except OSError:
        return math.nan
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def peak(url: str, count: int, size: str, in_flight: int) -> float:
    """The peak memory in MB of a process that captions so many slots."""
    command = [sys.executable, __file__, "--peak", url, "--slots", str(count), "--size", size, "--k", str(in_flight)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wait", type=float, default=0.5)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--slots", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, nargs="+", default=[4, 8, 16])
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    with TemporaryDirectory() as folder:
        if asked.peak:
            throughput(asked.peak, made(asked.slots, Path(folder), width, height), asked.k[0])
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            return
        some = made(16 * max(asked.k), Path(folder), width, height)
        with server(asked.wait) as (url, process):
            throughput(url, some[:4], 4)  # imports what is needed
            print(f"{asked.size}, answers after {asked.wait:g} s")
            for k in asked.k:
                ratios = [compared(url, some, k) for _ in range(asked.rounds)]
                shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
                print(f"{k:3} in flight: efficiency {statistics.median(ratios):.3f}  ({shown})")
            here, there = taken(url, process, some, max(asked.k))
            print(f"a slot takes {here:.1f} ms of a core here, and {there:.1f} ms in the server")
        with server(0.01) as (url, _):
            k = max(asked.k)
            few, many = peak(url, FEW, asked.size, k), peak(url, asked.slots, asked.size, k)
            print(f"peak memory, {k} in flight: {FEW} slots {few:.0f} MB, {asked.slots} slots {many:.0f} MB")


if __name__ == "__main__":
    main()
