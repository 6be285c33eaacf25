"""Keyframes a second: the object observers against their libraries in a plain loop over the same files, by hand.

    python benchmarks/objects.py [--keyframes 48] [--rounds 5] [--size 1280x720] [--model FILE] [--only yolox]

The keyframes are frames of examples/street.mp4 stored as the engine stores them (JPEG, quality 95). The other side is
what a person would write: for yolox, `cv2.imread`, letterbox, `onnxruntime`, decoding and `cv2.dnn.NMSBoxesBatched` for
one file after another, with the threads ONNX Runtime chooses; for yolo, `model.predict(file)`, with the threads that
Ultralytics leaves torch (all cores but one). Without --model it is a yolov8n of random weights.
Both sides take turns within one run; the ratio is ours / theirs, above 1 where ours is faster.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from PIL import Image
from vdesc import Keyframe, Picture, Shot, Span, Video
from vdesc.media import decode, probe, save_picture
from vdesc.registry import create
from vdesc_objects import Yolo, Yolox, library
from vdesc_objects.network import grid
from vdesc_objects.yolox import SHIPPED

STREET = Path(__file__).resolve().parents[1] / "examples" / "street.mp4"


def stored(folder: Path, count: int, size: tuple[int, int]) -> tuple[Video, list[Keyframe]]:
    """Keyframes on disk, spread over the clip, each in a shot of its own."""
    video = probe(STREET)
    frames = list(decode(video))
    keyframes = []
    for i, at in enumerate(np.linspace(0, len(frames) - 1, count).astype(int)):
        path = folder / f"{i}.png"
        Image.fromarray(cv2.resize(frames[at].pixels(), size)).save(path)
        picture = save_picture(Picture(path), folder / f"{i}.jpg")
        keyframes.append(Keyframe(i, i * 100 + 50, Shot(i, Span(i * 100, i * 100 + 100)), picture))
    return replace(video, span=Span(0, count * 100)), keyframes


def plain_yolox(files: Sequence[Path]) -> Callable[[], int]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(SHIPPED / "yolox_nano.onnx"), providers=["CPUExecutionProvider"])
    corners, strides = grid((416, 416))

    def one(path: Path) -> int:
        image = cv2.imread(str(path))
        scale = min(416 / image.shape[0], 416 / image.shape[1])
        fitted = np.full((416, 416, 3), 114, np.uint8)
        wide, high = int(image.shape[1] * scale), int(image.shape[0] * scale)
        fitted[:high, :wide] = cv2.resize(image, (wide, high))
        rows = session.run(None, {"images": np.ascontiguousarray(fitted.transpose(2, 0, 1)[None], np.float32)})[0][0]
        centre, sides = (rows[:, :2] + corners) * strides, np.exp(rows[:, 2:4]) * strides
        scores = rows[:, 4:5] * rows[:, 5:]
        labels, sure = scores.argmax(1), scores.max(1)
        boxes = np.concatenate([centre - sides / 2, sides], 1) / scale
        kept = sure > 0.3
        return len(cv2.dnn.NMSBoxesBatched(boxes[kept], sure[kept], labels[kept], 0.3, 0.45))

    return lambda: sum(one(path) for path in files)


def plain_yolo(model: str, files: Sequence[Path]) -> Callable[[], int]:
    from ultralytics import YOLO
    from ultralytics.utils import NUM_THREADS

    yolo = YOLO(model)

    def run() -> int:
        with library.threads(NUM_THREADS):
            return sum(len(yolo.predict(str(path), conf=0.3, verbose=False)[0]) for path in files)

    return run


def race(name: str, count: int, rounds: int, sides: dict[str, Callable[[], Any]]) -> None:
    """Runs both sides in turns; prints keyframes a second, CPU time (which a busy machine changes less), and ratios."""
    took: dict[str, list[float]] = {side: [] for side in sides}
    worked: dict[str, list[float]] = {side: [] for side in sides}
    for run in sides.values():
        run()
    for _ in range(rounds):
        for side, run in sides.items():
            start, busy = time.perf_counter(), time.process_time()
            run()
            took[side].append(time.perf_counter() - start)
            worked[side].append(time.process_time() - busy)
    print(f"{name}: {count} keyframes, {rounds} rounds, {os.cpu_count()} cores")
    for side in sides:
        rate, cpu = count / statistics.median(took[side]), statistics.median(worked[side]) / count
        print(f"  {side:26}{rate:8.1f} keyframes/s {1000 * cpu:8.1f} ms of CPU a keyframe")
    ours, theirs = took.values()
    ratios = [other / mine for mine, other in zip(ours, theirs, strict=True)]
    print(f"  ours / theirs {statistics.median(ratios):.2f}   (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keyframes", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--model", default="")
    parser.add_argument("--only", choices=["yolox", "yolo"])
    asked = parser.parse_args()
    width, height = map(int, asked.size.split("x"))
    with TemporaryDirectory() as name:
        folder, count = Path(name), asked.keyframes
        video, keyframes = stored(folder, count, (width, height))
        files = [keyframe.image.path for keyframe in keyframes]
        if asked.only != "yolo":
            yolox = create(Yolox)
            yolox.load("cpu")
            sides = {"ours": lambda: yolox.observe(video, keyframes), "onnxruntime, one by one": plain_yolox(files)}
            race("yolox", count, asked.rounds, sides)
        if asked.only != "yolox":
            with library.undisturbed(folder):
                from ultralytics import YOLO

                model = asked.model or str(folder / "random.pt")
                if not asked.model:
                    YOLO("yolov8n.yaml").save(model)
                theirs = plain_yolo(model, files)
            yolo = create(Yolo, model=model)
            yolo.load("cpu")
            race("yolo", count, asked.rounds, {"ours": lambda: yolo.observe(video, keyframes), "ultralytics": theirs})


if __name__ == "__main__":
    main()
