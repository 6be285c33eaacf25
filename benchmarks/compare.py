"""What comparing k captioners costs beside the captioners' own time and one look at the video. Run by hand.

    python benchmarks/compare.py [--video examples/street.mp4] [--plugins clipgpt,clipgpt@beam=1,clipgpt@beam=5]

Both sides take turns in one process: looking and each captioner by itself, and the comparison of all with its figures.
Libraries are loaded before. The networks that judge (of `match`, of likeness) are loaded in each comparison: the fewer
slots there are, the more that weighs.
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


def clocks() -> tuple[float, float]:
    """Seconds now, and of work of all threads of this process, which other programs slow down less."""
    return time.perf_counter(), time.process_time()


def since(start: tuple[float, float]) -> tuple[float, float]:
    """What both clocks went on."""
    return time.perf_counter() - start[0], time.process_time() - start[1]


def apart(video: Path, columns: list[Asked], settings: Settings) -> tuple[float, float]:
    """One look and each captioner alone, its loading counted."""
    registry = Registry()
    with TemporaryDirectory() as folder:
        cache = Cache(Path(folder))
        start = clocks()
        seen = scene(video, Crew(settings, registry, cache, ("observer",)), lambda progress: None)
        for one in columns:
            heard(one, [seen], settings, registry, cache, lambda done, total: None)
        return since(start)


def together(video: Path, columns: list[Asked], settings: Settings) -> tuple[float, float]:
    """The comparison."""
    with TemporaryDirectory() as folder:
        start = clocks()
        found = compare([video], columns, settings, {}, Cache(Path(folder)))[video]
        if isinstance(found, Exception):
            raise found
        return since(start)


def main() -> None:
    """Prints the median ratios."""
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
    rounds = [
        (apart(given.video, columns, settings), together(given.video, columns, settings)) for _ in range(given.rounds)
    ]
    print(f"{given.video.name}, {len(columns)} captioners, {given.keyframes}")
    for i, clock in enumerate(("seconds", "seconds of work")):
        each, all_ = [one[i] for one, _ in rounds], [one[i] for _, one in rounds]
        ratios = [b / a for a, b in zip(each, all_, strict=True)]
        print(f"{clock:16} one look and each captioner alone {statistics.median(each):6.2f}, the comparison "
              f"{statistics.median(all_):6.2f}: {statistics.median(ratios):.2f} times "
              f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})")  # fmt: skip


if __name__ == "__main__":
    main()
