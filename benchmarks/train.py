"""Tokens/s: `vdesc train clipgpt` with cached features against a bare PyTorch loop on the same model and batches.

    python benchmarks/train.py [--photos 8] [--steps 3] [--rounds 3] [--threads 2] [--precision float32] [--tune parts]

Size S (mapper and GPT-2 of clip-gpt-captioning, random weights; its encoder does not take part). The trainer has all it
has for people: table, feature store, data loader, checks of loss and gradient, progress. The loop's batches are ready.
Both take turns within one run, so that a busy machine slows both alike. With one thread, CPU seconds are counted.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import vdesc  # noqa: F401 - before transformers: readies a torchvision that was built for another torch
from transformers import TrainerCallback, get_cosine_schedule_with_warmup
from vdesc_clipgpt.config import SHAPES
from vdesc_clipgpt.training import train as training
from vdesc_clipgpt.training.batches import collate
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_clipgpt.training.tuning import groups, rest
from vdesc_training.features import FeatureWriter
from vdesc_training.progress import Watch
from vdesc_training.table import Item, write_table

WORDS = (
    "a",
    "man",
    "woman",
    "dog",
    "in",
    "the",
    "red",
    "shirt",
    "runs",
    "rides",
    "on",
    "grass",
    "near",
    "water",
    "ball",
)


def table(folder: Path, items: int) -> None:
    """Items with five captions of eleven words, and their features."""
    draw = torch.Generator().manual_seed(0)

    def caption() -> str:
        return " ".join(WORDS[i] for i in torch.randint(len(WORDS), (11,), generator=draw).tolist())

    write_table(folder, (Item(str(i), (), "train", tuple(caption() for _ in range(5))) for i in range(items)))
    with FeatureWriter(folder, "random", {}) as writer:
        for i in range(items):
            writer.put(str(i), torch.randn(1, 1, 768, generator=draw))


class Bare:
    """The loop that anybody would write: batch in, loss, gradient, clip, step."""

    def __init__(self, trainer: Any, recipe: Recipe, total: int):
        self.model = copy.deepcopy(trainer.model)
        self.device, self.precision = trainer.args.device, recipe.precision
        lessons, size = trainer.train_dataset, recipe.photos
        rows = [[lessons[(0, i)] for i in range(start, start + size)] for start in range(0, len(lessons), size)]
        self.batches = [collate(some) for some in rows if len(some) == size]
        self.optimizer = torch.optim.AdamW(groups(self.model, recipe), lr=recipe.rate, betas=(0.9, 0.98), fused=True)
        self.schedule = get_cosine_schedule_with_warmup(self.optimizer, total // 20, total)
        self.clip, self.at = recipe.clip, 0
        self.model.train()
        rest(self.model)

    def steps(self, count: int) -> None:
        half = torch.bfloat16 if self.precision == "bfloat16" else torch.float32
        for _ in range(count):
            batch = self.batches[self.at % len(self.batches)]
            features, labels = batch["features"].to(self.device), batch["labels"].to(self.device)
            with torch.autocast(self.device.type, half, enabled=self.precision != "float32"):
                loss = self.model(features=features, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.at += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize()


class Turns(TrainerCallback):
    """Lets the bare loop run after every so many steps of the trainer, and times both."""

    def __init__(self, steps: int, loop: Callable[[], Bare]):
        self.steps, self.loop, self.bare = steps, loop, None
        self.took: dict[str, list[float]] = {"trainer": [], "loop": []}

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.bare = self.loop()
        self.bare.steps(1)
        self.start = clock()

    def on_step_end(self, args: Any, state: Any, *_: Any, **__: Any) -> None:
        if state.global_step % self.steps:
            return
        if args.device.type == "cuda":
            torch.cuda.synchronize()
        self.took["trainer"].append(clock() - self.start)
        start = clock()
        self.bare.steps(self.steps)
        self.took["loop"].append(clock() - start)
        self.start = clock()


def clock() -> float:
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("photos", 8), ("steps", 3), ("rounds", 3), ("threads", torch.get_num_threads())):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--tune", default="parts")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    steps = asked.steps * (asked.rounds + 1)  # the first round warms up
    model = SHAPES["S"] | {"max_tokens": 40, "encoder": SHAPES["S"]["encoder"] | {"num_hidden_layers": 1}}
    model["decoder"] = model["decoder"] | {"n_positions": 1024}
    recipe = Recipe(
        model=model, features="random", tune=asked.tune, photos=asked.photos, epochs=1, report="none",
        precision=asked.precision, workers=0, vocabulary=50257, label_smoothing=0.0,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        table(Path(folder), asked.photos * steps)
        trainer = training.prepare(recipe, Path(folder), Path(folder) / "run", Watch())
        trainer.model.decoder.resize_token_embeddings(
            50257, mean_resizing=False
        )  # so few words make few tokens: GPT-2's head is as wide
        turns = Turns(asked.steps, lambda: Bare(trainer, recipe, steps))
        trainer.add_callback(turns)
        trainer._save_checkpoint = lambda *_: None
        trainer.train()
        tokens = sum(len(ids) for item in trainer.train_dataset.ids for ids in item) / steps * asked.steps
    report(turns.took, tokens, asked)


def report(took: dict[str, list[float]], tokens: float, asked: argparse.Namespace) -> None:
    print(
        f"size S, {asked.tune}, {asked.photos} photos x 5 captions a step, {asked.precision}, {asked.threads} threads"
    )
    rate = {name: tokens / statistics.median(values[1:]) for name, values in took.items()}
    ratios = [loop / ours for ours, loop in zip(took["trainer"][1:], took["loop"][1:], strict=True)]
    for name, value in rate.items():
        print(f"{name:10}{value:10,.0f} tokens/s")
    print(
        f"trainer / loop: {statistics.median(ratios):.3f}   (rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})"
    )


if __name__ == "__main__":
    main()
