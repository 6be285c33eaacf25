"""Images a second: features of photos on disk against the encoder's own forward on tensors that are ready.

    python benchmarks/features.py [--photos 128] [--encoder mini] [--workers 1] [--rounds 3] [--threads 2]

The photos are JPEGs of 640 x 480; `mini` is MobileNetV2, `S` is CLIP ViT-B/32 with random weights. Ours decodes, fits,
encodes and stores; the other side has its tensors in memory, in the fastest batches. Both take turns within one run.
With `--workers 0 --threads 1` CPU seconds are counted, which other programs disturb least.
"""

import argparse
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from vdesc import memory
from vdesc_clipgpt.checkpoint import load_model
from vdesc_clipgpt.training.batches import Photos
from vdesc_clipgpt.training.extraction import encode, stored
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_training.table import Item, write_table


def table(folder: Path, count: int) -> list[Item]:
    """Photos of soft noise, which compresses like a photo (about 60 KB)."""
    draw = np.random.default_rng(0)
    items = [Item(str(i), (f"{i}.jpg",), "train", ("a photo",)) for i in range(count)]
    for item in items:
        noise = Image.fromarray(draw.integers(0, 256, (96, 128, 3), np.uint8))
        noise.resize((640, 480), Image.Resampling.BICUBIC).save(folder / item.images[0], quality=90)
    write_table(folder, items)
    return items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("photos", 128), ("workers", 1), ("rounds", 3), ("threads", torch.get_num_threads())):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--encoder", default="mini", help="mini, S, L, or a model's folder")
    asked = parser.parse_args()
    memory.keep()  # as the command does
    torch.set_num_threads(asked.threads)
    clock = time.process_time if asked.threads == 1 and not asked.workers else time.perf_counter
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = load_model(asked.encoder, device)[0]
    recipe = Recipe(features="cached", workers=asked.workers)
    took: dict[str, list[float]] = {"from disk": [], "ready tensors": []}
    with TemporaryDirectory() as name:
        folder = Path(name)
        items, photos = table(folder, asked.photos), Photos(folder, model)
        ready = torch.stack([photos.plain(item) for item in items])
        with torch.inference_mode():
            encode(model, ready[:16])
            for _ in range(asked.rounds):
                shutil.rmtree(folder / "features", ignore_errors=True)
                start = clock()
                stored(model, folder, items, recipe, print)
                took["from disk"].append(clock() - start)
                start = clock()
                encode(model, ready)
                took["ready tensors"].append(clock() - start)
    sides = f"{asked.workers} workers, {asked.threads} threads, {device}"
    print(f"{asked.photos} photos of 640 x 480, encoder {asked.encoder}, {sides}")
    for side, values in took.items():
        print(f"{side:15}{asked.photos / statistics.median(values):8.1f} images/s")
    ratios = [ready / ours for ours, ready in zip(took["from disk"], took["ready tensors"], strict=True)]
    print(f"from disk / ready: {statistics.median(ratios):.3f}   (rounds: {', '.join(f'{r:.3f}' for r in ratios)})")


if __name__ == "__main__":
    main()
