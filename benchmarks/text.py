"""Keyframes a second: a text observer against its bare library called in a loop on the same pictures, in one run.

    python benchmarks/text.py [VIDEO ...] [--reader rapidocr] [--keyframes uniform:12] [--rounds 3] [--clock wall]

Without a video it draws one: twelve slides of 1280 x 720. Both sides read the keyframes' JPEG files from disk; ours
also cleans, joins and follows the lines. They take turns; the ratio is theirs / ours, so above 1 is faster than the
library. `--reader ocr` runs EasyOCR's networks with made-up weights (they find one line a picture), or those in
`--folder`. `--clock cpu`, with the process held to one core (`taskset -c 0`), is what other programs disturb least.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vdesc import Keyframe, Settings, Video
from vdesc.cache import Cache
from vdesc.crew import Crew
from vdesc.media import probe
from vdesc.pipeline import look
from vdesc.registry import Registry, create

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "plugins")]


def drawn(folder: Path) -> Path:
    """A video of slides."""
    from media_samples import write_video
    from test_text_samples import slide

    lines = ["Reading what is on the screen", "takes most of its time", "where there is most text:", "1234 5678 90"]
    pictures = [slide(f"Slide number {i}", [f"{line} ({i})" for line in lines]) for i in range(12)]
    return write_video(folder / "slides.mp4", [picture for picture in pictures for _ in range(25)], fps=25)


def shown(path: Path, keyframer: str, folder: Path) -> tuple[Video, Sequence[Keyframe]]:
    """A video and its keyframes, as the engine hands them to observers."""
    crew = Crew(Settings(formats=[], keyframes=keyframer), Registry(), Cache(folder / "cache"))
    video = probe(path)
    return video, look(video, crew, lambda progress: None)[0]


def rapidocr(folder: Path, models: str) -> tuple[Any, Callable[[Path], Any]]:
    """Ours and theirs."""
    from rapidocr import RapidOCR
    from vdesc_text import RapidOcr

    engine = RapidOCR(params={"Global.log_level": "critical"})
    return create(RapidOcr), lambda path: engine(str(path))


def ocr(folder: Path, models: str) -> tuple[Any, Callable[[Path], Any]]:
    """Ours and theirs, both looking for text at the same size."""
    from easyocr import Reader
    from test_text_samples import easyocr_files
    from vdesc_text import EasyOcr

    models = models or str(easyocr_files(folder / "easyocr"))
    ours = create(EasyOcr, folder=models, confidence=0)
    reader = Reader(["en"], gpu=False, model_storage_directory=models, download_enabled=False, verbose=False)
    return ours, lambda path: reader.readtext(str(path), canvas_size=ours.options.side)


def race(ours: Any, theirs: Callable[[Path], Any], path: Path, asked: argparse.Namespace, folder: Path) -> None:
    """Both sides over one video's keyframes, in turns."""
    video, keyframes = shown(path, asked.keyframes, folder)
    pictures = [keyframe.image.path for keyframe in keyframes]
    sides: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours.observe(video, keyframes),
        "theirs": lambda: [theirs(picture) for picture in pictures],
    }
    theirs(pictures[0])  # its networks are read when they are first used
    ours.observe(video, keyframes[:1])
    took: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(asked.rounds):
        for side, work in sides.items():
            start = CLOCKS[asked.clock]()
            work()
            took[side].append(CLOCKS[asked.clock]() - start)
    print(f"{path.name}: {len(keyframes)} keyframes of {video.width} x {video.height}, {asked.reader}, {asked.clock}")
    for side, seconds in took.items():
        print(f"  {side:7}{len(keyframes) / statistics.median(seconds):8.2f} keyframes/s")
    ratios = [b / a for a, b in zip(took["ours"], took["theirs"], strict=True)]
    print(f"  ratio  {statistics.median(ratios):8.2f}   (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("--reader", choices=["rapidocr", "ocr"], default="rapidocr")
    parser.add_argument("--keyframes", default="uniform:12")
    parser.add_argument("--folder", default="", help="files of EasyOCR's networks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    asked = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        ours, theirs = {"rapidocr": rapidocr, "ocr": ocr}[asked.reader](folder, asked.folder)
        ours.load("cpu")
        for path in asked.videos or [drawn(folder)]:
            race(ours, theirs, path, asked, folder)


if __name__ == "__main__":
    main()
