"""Keyframes a second: the faces observer against OpenCV's detector called in a loop on the same JPEGs, by turns.

    python benchmarks/faces.py [--photos DIR] [--keyframes 60] [--rounds 5] [--width 1280] [--expressions mini]

Both read each JPEG from disk, shrink it to the same size and run the same network. Without photos the keyframes are
patchworks of colour, in which there is no face.
"""

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image
from vdesc import Keyframe
from vdesc.media import Photo
from vdesc.registry import create
from vdesc.testing import keyframes, picture, stored, video
from vdesc_faces import Faces
from vdesc_faces.detector import OVERLAP, WEIGHTS


def shown(photos: str, count: int, width: int, folder: Path) -> tuple[Keyframe, ...]:
    """Keyframes of one width on disk, as the engine hands them to observers."""
    files = sorted(file for ending in ("jpg", "webp", "png") for file in Path(photos).rglob(f"*.{ending}"))
    made = []
    for i, keyframe in enumerate(keyframes(count)):
        image = Photo(files[i % len(files)]) if photos else picture(i, 64, 36)
        pixels = image.pixels()
        size = (width, round(pixels.shape[0] * width / pixels.shape[1]))
        Image.fromarray(pixels).resize(size).save(folder / f"{i}.png")
        made.append(replace(keyframe, image=Photo(folder / f"{i}.png")))
    return stored(made, folder)


def bare(frames: tuple[Keyframe, ...], size: int, threshold: float) -> int:
    """How many faces OpenCV finds, one frame after another."""
    net = cv2.FaceDetectorYN.create(str(WEIGHTS), "", (size, size), threshold, OVERLAP)
    count = 0
    for frame in frames:
        with Image.open(frame.image.path) as image:
            pixels = np.asarray(image.convert("RGB"))
        scale = size / max(pixels.shape[:2])
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else 1)
        net.setInputSize(small.shape[1::-1])
        rows = net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1]
        count += 0 if rows is None else len(rows)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("keyframes", 60), ("rounds", 5), ("width", 1280)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--photos", default="", help="a folder of photos to make keyframes of")
    parser.add_argument("--expressions", default="", help="mini, to read expressions too; the bare loop does not")
    asked = parser.parse_args()
    plugin = create(Faces, expressions=asked.expressions)
    plugin.load("cpu")
    size, threshold = plugin.options.size, plugin.options.threshold
    ours, theirs = [], []
    with TemporaryDirectory() as name:
        frames = shown(asked.photos, asked.keyframes, asked.width, Path(name))
        bare(frames[:3], size, threshold)
        for _ in range(asked.rounds):
            start = time.perf_counter()
            found = sum(len(e.details["seen"]) for e in plugin.observe(video(), frames) if e.kind == "face")
            ours.append(time.perf_counter() - start)
            start = time.perf_counter()
            counted = bare(frames, size, threshold)
            theirs.append(time.perf_counter() - start)
    print(f"{len(frames)} keyframes, {asked.width} wide; faces: {found} by the observer, {counted} by the bare loop")
    for side, values in (("observer", ours), ("bare loop", theirs)):
        print(f"{side:10} {len(frames) / statistics.median(values):7.1f} keyframes/s")
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    print(f"observer / bare: {statistics.median(ratios):.2f}   (rounds: {', '.join(f'{r:.2f}' for r in ratios)})")


if __name__ == "__main__":
    main()
