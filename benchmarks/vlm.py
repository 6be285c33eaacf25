"""Captions a second of one vision-language model: slots in batches against one by one, in one run, with equal answers.

    python benchmarks/vlm.py [--model FOLDER_OR_ID] [--slots 16] [--tokens 16] [--batch 8] [--rounds 2]
        [--threads 2] [--device cpu]

Without a model it takes an untrained one of Qwen2-VL's class, about 30 M parameters, made here. Rounds take turns, so
that a busy machine slows both alike: compare the ratios. With one thread (--threads 1), CPU seconds are counted, which
other programs disturb least. Every second slot has half the keyframes, and every third has
evidence, so that a batch has padding as a real one has.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from vdesc_vlm import Vlm

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "plugins"))
import vlm_samples as samples


def slots(count: int) -> list[Any]:
    """Slots of 320 x 240 noise, of two kinds of length."""
    seen = (samples.text("SALE until Sunday"), samples.thing("horse"), samples.thing("man"))
    return [samples.slot(i, 4 if i % 2 else 2, seen if i % 3 == 0 else (), (320, 240)) for i in range(count)]


def said(captioner: Vlm, some: list[Any], batch: int) -> list[str]:
    """The first answer to each slot, as many slots at a time as `batch` says."""
    found = []
    for start in range(0, len(some), batch):
        part = some[start : start + batch]
        found += captioner.say(captioner.see(part), [captioner.asked(slot) for slot in part], 1, False)
    return [one[0].text for one in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("slots", 16), ("tokens", 16), ("batch", 8), ("rounds", 2), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--model", default="")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = asked.model or str(samples.larger(Path(folder)))
        captioner = Vlm(Vlm.Options(model=model, max_tokens=asked.tokens, batch=asked.batch))
        captioner.load(asked.device)
    torch.set_num_threads(asked.threads)
    clock = time.process_time if asked.threads == 1 else time.perf_counter
    captioner.model.generation_config.eos_token_id = []  # none ends early: all say as many tokens
    some = sorted(slots(asked.slots), key=lambda slot: (len(slot.keyframes), len(slot.context.evidence)))
    ways = {"one by one": 1, "in batches": asked.batch}
    answers = {name: said(captioner, some[: 2 * batch], batch) for name, batch in ways.items()}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(asked.rounds):
        for name, batch in ways.items():
            start = clock()
            answers[name] = said(captioner, some, batch)
            took[name].append(clock() - start)
    count = sum(weight.numel() for weight in captioner.model.parameters())
    alike = sum(a == b for a, b in zip(*answers.values(), strict=True))
    slow = statistics.median(took["one by one"])
    print(f"{count / 1e6:.0f} M parameters, {len(some)} slots, {asked.tokens} tokens each, {asked.threads} threads")
    print(f"{'':12}captions/s  ratio")
    for name, values in took.items():
        middle = statistics.median(values)
        print(f"{name:12}{len(some) / middle:10.2f}{slow / middle:7.2f}")
    print(f"equal answers: {alike} of {len(some)}")


if __name__ == "__main__":
    main()
