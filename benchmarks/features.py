"""Images a second: features of photos on disk against the encoder's own forward on tensors that are ready.

    python benchmarks/features.py [--photos 256] [--size 640x480] [--encoder mini] [--threads 2] [--rounds 5]
    python benchmarks/features.py --ways vdesc,apart:2,apart:4,apart:8,phases:32,phases:64,turns:8,turns:32
    python benchmarks/features.py --shares

A way reads photos, encodes them 8 at once (apart: as many as it reads), and stores them:
    vdesc       as the command does, with all that it checks
    apart:N     each core reads N photos and encodes them
    phases:N    all cores read N photos, then all encode them
    turns:N     one thread reads the next N photos while all cores encode
Two sides have the tensors in memory, and the same encoder, batch and number of threads: `ready` passes batches of 8
through all threads, `ready apart` one on each core. All take turns within one run; each ratio is of one round.
With `--threads 1` processor time is counted, which other programs disturb least; `--shares` counts that of each step.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from vdesc import memory
from vdesc_clipgpt import pixels
from vdesc_clipgpt.checkpoint import load_model
from vdesc_clipgpt.features import AT_ONCE
from vdesc_clipgpt.training.extraction import Views, encode, stored
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_training.extraction import Rows, apart, encoded
from vdesc_training.features import FeatureWriter
from vdesc_training.lessons import opened
from vdesc_training.table import Item, write_table

RECIPE = Recipe(features="cached", workers=1)
READY = ("ready", "ready apart")
WAYS = "vdesc,apart:2,apart:4,apart:8,phases:32,phases:64,turns:8,turns:32,turns:64"


def table(folder: Path, count: int, size: tuple[int, int] = (640, 480)) -> list[Item]:
    """Photos of soft noise, which compresses like a photo (about 130 KB at 640 x 480)."""
    draw = np.random.default_rng(0)
    items = [Item(str(i), (f"{i}.jpg",), "train", ("a photo",)) for i in range(count)]
    for item in items:
        noise = Image.fromarray(draw.integers(0, 256, (size[1] // 5, size[0] // 5, 3), np.uint8))
        noise.resize(size, Image.Resampling.BICUBIC).save(folder / item.images[0], quality=90)
    write_table(folder, items)
    return items


def phases(shown: Views, work: Callable[[Any], Any], batch: int) -> Iterator[Rows]:
    """All cores read a batch, then all encode it."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        for part in parts(shown, batch):
            yield encoded(work, list(pool.map(shown.__getitem__, part)))


def turns(shown: Views, work: Callable[[Any], Any], batch: int) -> Iterator[Rows]:
    """One thread reads the next batch while all cores encode this one."""

    def read(part: range) -> Rows:
        return [shown[number] for number in part]

    first, *others = parts(shown, batch)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, first)
        for part in others:
            rows, reading = reading.result(), pool.submit(read, part)
            yield encoded(work, rows)
        yield encoded(work, reading.result())


def parts(shown: Views, batch: int) -> list[range]:
    """The numbers of the items, so many at once."""
    return [range(start, min(start + batch, len(shown))) for start in range(0, len(shown), batch)]


class Sides:
    """What is compared, on the same photos."""

    def __init__(self, folder: Path, items: list[Item], model: Any):
        self.folder, self.items, self.model = folder, items, model
        self.views = Views(folder, items, model, RECIPE)
        self.ready = torch.stack([self.views.photos.plain(item) for item in items])

    def seconds(self, name: str) -> float:
        """How long one side takes; on one thread its processor time."""
        clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        shutil.rmtree(self.folder / "features", ignore_errors=True)
        start = clock()
        if name == "ready":
            encode(self.model, self.ready)
        elif name == "ready apart":
            self._ready_apart()
        elif name == "vdesc":
            stored(self.model, self.folder, self.items, RECIPE, print)
        else:
            self._store(*name.split(":"))
        return clock() - start

    def _store(self, way: str, batch: str) -> None:
        go = {"apart": apart, "phases": phases, "turns": turns}[way]
        with FeatureWriter(self.folder, "features", {}) as writer:
            for rows in go(self.views, partial(encode, self.model), int(batch)):
                for id, made in rows:
                    assert isinstance(made, torch.Tensor)
                    writer.put(id, made)

    def _ready_apart(self) -> None:
        cores = torch.get_num_threads()
        work = torch.inference_mode()(partial(encode, self.model))
        with ThreadPool(cores, lambda: torch.set_num_threads(1)) as pool:
            list(pool.imap(work, self.ready.split(AT_ONCE)))
        torch.set_num_threads(cores)


def shares(sides: Sides) -> None:
    """Prints the processor time of each step, on one thread."""
    torch.set_num_threads(1)
    spent: dict[str, float] = {}
    settings = sides.model.config.image

    def step(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        made = work()
        spent[name] = spent.get(name, 0.0) + time.process_time() - start
        return made

    with FeatureWriter(sides.folder, "shares", {}) as writer:
        for start in range(0, len(sides.items), AT_ONCE):
            some, rows = sides.items[start : start + AT_ONCE], []
            for item in some:
                image = step("decode", partial(opened, sides.folder / item.images[0]))
                fitted = step("resize", partial(pixels.fit, image, settings))
                rows.append(step("normalise", partial(pixels.tensor, fitted, settings)))
            batch = step("gather", partial(torch.stack, rows))
            made = step("encoder", partial(encode, sides.model, batch))
            for item, features in zip(some, made, strict=True):
                step("store", partial(writer.put, item.id, features[None]))
        step("store", writer.close)
    for name, value in spent.items():
        print(f"{name:10}{value / len(sides.items) * 1000:8.2f} ms a photo{value / sum(spent.values()):8.1%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("photos", 256), ("rounds", 5), ("threads", torch.get_num_threads())):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--size", default="640x480", help="of the photos")
    parser.add_argument("--encoder", default="mini", help="mini (MobileNetV2), S (ViT-B/32), L, or a model's folder")
    parser.add_argument("--ways", default=WAYS)
    parser.add_argument("--shares", action="store_true")
    asked = parser.parse_args()
    memory.keep()  # as the command does
    torch.set_num_threads(asked.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Any = load_model(asked.encoder, device)[0]
    model.eval().encoder.to(memory_format=torch.channels_last)
    width, height = map(int, asked.size.split("x"))
    with TemporaryDirectory() as name, torch.inference_mode():
        sides = Sides(Path(name), table(Path(name), asked.photos, (width, height)), model)
        print(f"{asked.photos} photos of {asked.size}, encoder {asked.encoder}, {asked.threads} threads, {device}")
        encode(model, sides.ready[:16])
        if asked.shares:
            return shares(sides)
        names = [*READY, *asked.ways.split(",")]
        took = [{name: sides.seconds(name) for name in names} for _ in range(asked.rounds)]
    print(f"{'':14}{'images/s':>10}   against ready (rounds)              against ready apart")
    for name in names:
        each = asked.photos / statistics.median(round[name] for round in took)
        told = []
        for base in READY:
            ratios = sorted(round[base] / round[name] for round in took)
            told.append(f"{statistics.median(ratios):8.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")
        print(f"{name:14}{each:10.1f}   {'      '.join(told)}")


if __name__ == "__main__":
    main()
