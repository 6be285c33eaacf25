"""What comparing k captioners costs beside the captioners' own time and one look at the video. Run by hand.

    python benchmarks/compare.py [--video examples/street.mp4] [--plugins clipgpt,clipgpt@beam=1,clipgpt@beam=5]

Both sides take turns in one process: looking and each captioner by itself, and the comparison
of all with its figures. What both load once (torch, the ranker's network) is loaded before.
"""

import argparse
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from vdesc import Cache, Settings, memory
from vdesc.crew import Crew
from vdesc.pipeline import scene
from vdesc.registry import Registry
from vdesc_compare.columns import Asked, asked
from vdesc_compare.comparing import compare
from vdesc_compare.hearing import heard

ROOT = Path(__file__).parents[1]


def apart(video: Path, columns: list[Asked], settings: Settings) -> float:
    """Seconds of one look and of each captioner alone, its loading counted."""
    registry = Registry()
    with TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        start = time.perf_counter()
        seen = scene(video, Crew(settings, registry, cache, ("observer",)), lambda progress: None)
        for one in columns:
            heard(one, [seen], settings, registry, cache, lambda done, total: None)
        return time.perf_counter() - start


def together(video: Path, columns: list[Asked], settings: Settings) -> float:
    """Seconds of the comparison."""
    with TemporaryDirectory() as folder:
        start = time.perf_counter()
        found = compare([video], columns, settings, {}, Cache(Path(folder)))[video]
        if isinstance(found, Exception):
            raise found
        return time.perf_counter() - start


def main() -> None:
    """Prints the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, default=ROOT / "examples" / "street.mp4")
    parser.add_argument("--plugins", default="clipgpt,clipgpt@beam=1,clipgpt@beam=5,clipgpt@precision=int8")
    parser.add_argument("--keyframes", default="every:1s")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    memory.keep()
    columns, shared = asked(given.plugins, None, Registry())
    settings = Settings(plugins=shared, keyframes=given.keyframes)
    together(given.video, columns, settings)
    times = [
        (apart(given.video, columns, settings), together(given.video, columns, settings)) for _ in range(given.rounds)
    ]
    ratios = [all_ / each for each, all_ in times]
    print(f"{given.video.name}, {len(columns)} captioners, {given.keyframes}")
    print(f"one look and each captioner alone  {statistics.median(each for each, _ in times):6.2f} s")
    print(f"the comparison                     {statistics.median(all_ for _, all_ in times):6.2f} s")
    print(f"comparison / apart  {statistics.median(ratios):.2f}   (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    main()
