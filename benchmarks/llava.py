"""llava: caption tokens/s in batches against `generate` one clip at a time; training steps, features cached or not.

    python benchmarks/llava.py [--true] [--batch 16] [--tokens 64] [--rounds 3] [--threads 2] [--only say|train]
                               [--projectors linear,mlp2x,perceiver,c_abstractor]

With `--true` CLIP-ViT-L/14-336 and Qwen3-8B in bfloat16 with random weights, on a GPU; else small ones of the same
classes. Clips have 8 frames. Both sides say as many tokens of the same clips, greedily, and take turns. The limit is
what the memory's measured speed allows where each step reads the language model's weights and the batch's keys and
values once. A training step is stage 1: projector learned, language model frozen, gradient checkpointing. Without
cached features the frames pass the tower in each step: "tower" has them as tensors; "photos" reads JPEGs of 640 x 480
in the same process (beside a GPU others read). Memory is the most that is held at once: on a GPU by tensors, else by
the process, weights and libraries included. With `--threads 1` on a CPU the processor's time is counted, which other
programs slow less.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
import vdesc  # noqa: F401 - before transformers: readies a torchvision that was built for another torch
from PIL import Image
from torch import Tensor
from vdesc.prompts import instruction
from vdesc_clipgpt.words import numbered_tokenizer
from vdesc_llava import checkpoint
from vdesc_llava.config import LlavaConfig
from vdesc_llava.model import LlavaModel
from vdesc_llava.training.clips import Pixels
from vdesc_training.table import Item

TRUE: dict[str, Any] = dict(
    tower_config=dict(
        model_type="clip_vision_model", hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
        num_attention_heads=16, image_size=336, patch_size=14,
    ),
    llm_config=dict(
        model_type="qwen3", hidden_size=4096, intermediate_size=12288, num_hidden_layers=36, num_attention_heads=32,
        num_key_value_heads=8, head_dim=128, vocab_size=151936, max_position_embeddings=40960,
        tie_word_embeddings=False,
    ),
)  # fmt: skip
SMALL: dict[str, Any] = dict(
    tower_config=dict(
        model_type="clip_vision_model", hidden_size=192, intermediate_size=768, num_hidden_layers=6,
        num_attention_heads=3, image_size=64, patch_size=16,
    ),
    llm_config=dict(
        model_type="qwen3", hidden_size=256, intermediate_size=768, num_hidden_layers=4, num_attention_heads=8,
        num_key_value_heads=4, head_dim=32, vocab_size=4096, max_position_embeddings=4096, tie_word_embeddings=True,
    ),
)  # fmt: skip
PROJECTORS = ("linear", "mlp2x", "perceiver", "c_abstractor")
ASKED = instruction("strict", "en", 120)
CAPTION = " ".join(f"w{i}" for i in range(40))


def built(projector: str, sizes: dict[str, Any], device: str, like: LlavaModel | None = None) -> LlavaModel:
    """A model with random weights; tower and LLM are those of another model, where there is one."""
    values, vocabulary = dict(sizes), sizes["llm_config"]["vocab_size"]
    side = sizes["tower_config"]["image_size"]
    config = LlavaConfig(
        projector=projector,
        image=dict(size=side, resize="squash", mean=[0.5] * 3, std=[0.25] * 3),
        template="plain",
        **values,
    )
    words = numbered_tokenizer(vocabulary)
    if like is not None:
        made = LlavaModel(config, like.tower, like.llm, words)
        made.projector.to(device)
        made.positions.to(device)
        return made
    with torch.device(device):  # random weights are made where they stay
        return checkpoint.new(config, device, weights=False, tokenizer=words)


def clips(model: LlavaModel, count: int) -> Tensor:
    """Pixels (count, frames, 3, side, side) of noise, on the CPU."""
    side = model.config.image["size"]
    return torch.randn(count, model.config.frames, 3, side, side, generator=torch.Generator().manual_seed(0))


def seconds(work: Callable[[], object], device: str) -> float:
    clock = time.process_time if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    if device == "cuda":
        torch.cuda.synchronize()
    start = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def alone(model: LlavaModel, features: Tensor, tokens: int) -> None:
    """What a plain loop does: `generate` of transformers, a clip at a time."""
    ids = torch.tensor([model.prompt_ids(ASKED)])
    how: dict[str, Any] = dict(max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
    for clip in features:
        with torch.inference_mode():
            embeds, mask, _ = model._spliced(clip[None], None, None, ids, None)
            model.llm.generate(inputs_embeds=embeds, attention_mask=mask, **how)


def forget_peak(device: str) -> None:
    """The peak of memory is counted anew from here."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)  # else what a side no longer needs counts for the other
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: str) -> int:
    """Bytes: the most that was held on the GPU, or of main memory by the process; 0 where it is not known."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    if sys.platform != "linux":
        return 0
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def bandwidth(device: str) -> float:
    """Bytes a second that a long sum reads, the best of five."""
    block = torch.ones(2**30 if device == "cuda" else 2**27, device=device)
    block.sum()
    return block.nbytes / min(seconds(lambda: block.sum(), device) for _ in range(5))


def read_a_step(model: LlavaModel, places: int) -> int:
    """Bytes of weights and of keys and values that a step of a batch reads; of the table of words only a few rows."""
    config = model.llm.config
    weights = sum(value.nbytes for value in model.llm.parameters())
    if not config.tie_word_embeddings:
        weights -= model.llm.get_input_embeddings().weight.nbytes
    kept = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    return weights + places * kept * next(model.llm.parameters()).element_size()


def say(model: LlavaModel, batch: int, tokens: int, rounds: int, device: str) -> None:
    """Prints tokens a second of both sides, and the limit."""
    model.__dict__["ends"] = (-1,)  # nothing ends: both sides say all their tokens
    features = model.encode(clips(model, batch))
    took: dict[str, list[float]] = {"batched": [], "one by one": []}
    few = min(batch, 4)
    for timed in (False, *[True] * rounds):
        ours = seconds(lambda: model.generate(features, [ASKED] * batch, max_tokens=tokens), device) / batch
        theirs = seconds(lambda: alone(model, features[:few], tokens), device) / few
        if timed:
            took["batched"].append(ours)
            took["one by one"].append(theirs)
    rates = {side: tokens / statistics.median(values) for side, values in took.items()}
    ratios = [theirs / ours for ours, theirs in zip(took["batched"], took["one by one"], strict=True)]
    visual = model.project(features[:1]).shape[1]
    places = batch * (visual + len(model.prompt_ids(ASKED)) + tokens // 2)
    limit = batch * bandwidth(device) / read_a_step(model, places)
    print(
        f"{model.config.projector:13}{visual:6} visual tokens: {rates['batched']:8.0f} tokens/s in batches of {batch}, "
        f"{rates['one by one']:7.0f} one by one: {statistics.median(ratios):5.2f}x   (rounds: "
        f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}); limit of the memory {limit:.0f}: "
        f"{100 * rates['batched'] / limit:.0f} % of it, prompt included"
    )


def photographed(folder: Path, count: int, frames: int) -> list[Item]:
    """Clips of JPEGs of 640 x 480, as `vdesc data` leaves them."""
    chance = np.random.default_rng(0)
    items = []
    for i in range(count):
        names = tuple(f"{i}-{k}.jpg" for k in range(frames))
        for name in names:
            coarse = Image.fromarray(chance.integers(0, 256, (60, 80, 3), np.uint8))
            coarse.resize((640, 480), Image.Resampling.BICUBIC).save(folder / name, quality=90)
        items.append(Item(str(i), names, "train", (CAPTION,)))
    return items


def train(model: LlavaModel, batch: int, rounds: int, device: str, folder: Path) -> None:
    """Prints seconds a step and peak memory: features cached, or made of tensors, or of photos."""
    items, read = photographed(folder, batch, model.config.frames), Pixels(folder, model)
    prompt, answer = model.prompt_ids(ASKED), model.answer_ids(CAPTION)
    ids = torch.tensor([prompt + answer] * batch)
    labels = ids.masked_fill(torch.arange(ids.shape[1]) < len(prompt), -100)
    pixels = clips(model, batch)
    stored = model.encode(pixels).to("cpu", torch.float16).clone()
    learned = [*model.projector.parameters(), *model.positions.parameters()]
    for value in learned:
        value.requires_grad_(True)
    descent = torch.optim.AdamW(learned, lr=1e-4)
    model.train()
    model.llm.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})

    def step(**given: Tensor) -> None:
        descent.zero_grad()
        model(**given, input_ids=ids, labels=labels).loss.backward()
        descent.step()

    sides: dict[str, Callable[[], None]] = {
        "cached": lambda: step(features=stored.to(device)), "tower": lambda: step(pixels=pixels),
        "photos": lambda: step(pixels=torch.stack([read.plain(item) for item in items])),
    }  # fmt: skip
    took: dict[str, list[float]] = {side: [] for side in sides}
    most = dict.fromkeys(sides, 0)
    for timed in (False, *[True] * rounds):
        for side, work in sides.items():
            forget_peak(device)
            spent = seconds(work, device)
            if timed:
                took[side].append(spent)
                most[side] = max(most[side], peak(device))
    model.eval()
    model.llm.gradient_checkpointing_disable()
    for side in sides:
        ratios = [plain / cached for cached, plain in zip(took["cached"], took[side], strict=True)]
        print(
            f"{model.config.projector:13} a step of {batch} clips, {side:7}{statistics.median(took[side]):7.3f} s, "
            f"{most[side] / 2**30:.2f} GiB: {statistics.median(ratios):.2f}x cached   (rounds: "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("batch", 16), ("tokens", 64), ("rounds", 3), ("threads", torch.get_num_threads())):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--true", action="store_true", help="true size; on a GPU")
    parser.add_argument("--only", choices=["say", "train"])
    parser.add_argument("--projectors", default=",".join(PROJECTORS))
    asked = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # a name of transformers that works in all its versions
    torch.set_num_threads(asked.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {asked.threads} threads"
    print(f"{name}; {'true' if asked.true else 'small'} size; reads {bandwidth(device) / 1e9:.0f} GB/s")
    first: LlavaModel | None = None
    for projector in asked.projectors.split(","):
        model = built(projector, TRUE if asked.true else SMALL, device, first)
        first = first or model
        if asked.only != "train":
            say(model, asked.batch, asked.tokens, asked.rounds, device)
        if asked.only != "say":
            with TemporaryDirectory() as folder:
                train(model, asked.batch, asked.rounds, device, Path(folder))


if __name__ == "__main__":
    main()
