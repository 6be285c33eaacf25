"""Captions a second: the predecessors' loop, vdesc, and vdesc in int8, on one untrained size-S model in one run.

    python benchmarks/caption.py [--frames 64] [--tokens 20] [--rounds 3] [--threads 2] [--beams]

The loop takes one frame at a time and runs the whole text again for each word, as clip-gpt-captioning does. Rounds are
interleaved, so that a busy machine slows all alike: compare the ratios. With one thread, CPU seconds are counted, which
other programs disturb least.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from vdesc import Keyframe, Picture, Shot, Slot, Span
from vdesc_clipgpt import ClipGPT, pixels
from vdesc_clipgpt.model import ClipGPTModel


class Frame(Picture):
    """720p noise in memory."""

    noise = np.random.default_rng(0).integers(0, 256, (760, 1500, 3), np.uint8)

    def pixels(self) -> np.ndarray:
        number = int(self.path.name)
        return self.noise[number % 40 : number % 40 + 720, 3 * number % 220 :][:, :1280]


def slots(frames: int) -> list[Slot]:
    spans = [Span(1000 * i, 1000 * (i + 1)) for i in range(frames)]
    return [
        Slot(i, span, (Keyframe(i, span.start, Shot(i, span), Frame(Path(str(i)))),)) for i, span in enumerate(spans)
    ]


def captioner(tokens: int, **options: object) -> ClipGPT:
    made = ClipGPT(ClipGPT.Options(model="S", max_tokens=tokens, batch=64, **options))
    made.load("cpu")
    made.model.decoder.config.eos_token_id = -1  # none ends early: all say as many tokens
    return made


@torch.inference_mode()
def loop(model: ClipGPTModel, some: list[Slot], tokens: int) -> None:
    for slot in some:
        image = pixels.fit(Image.fromarray(slot.keyframes[0].pixels()), model.config.image)
        text = model.map(model.encode(pixels.tensor(image, model.config.image)[None]))
        for _ in range(tokens):
            token = model.decoder(inputs_embeds=text, use_cache=False).logits[:, -1].argmax(-1)
            text = torch.cat([text, model.decoder.transformer.wte(token)[:, None]], dim=1)


def seconds(work: Callable[[], object]) -> float:
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    work()
    return clock() - start


def bandwidth() -> float:
    """Bytes a second that a sum over 512 MiB reads."""
    block = torch.ones(1 << 27)
    return block.nbytes / min(seconds(block.sum) for _ in range(5))


def weight(made: ClipGPT, size: int) -> int:
    """Bytes of weights that one step of the decoder reads, at `size` bytes a number."""
    decoder = made.model.decoder.config
    return (12 * decoder.n_layer * decoder.n_embd**2 + decoder.vocab_size * decoder.n_embd) * size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("frames", 64), ("tokens", 20), ("rounds", 2), ("threads", torch.get_num_threads())):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--beams", action="store_true", help="measure beam search too")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    some, tokens = slots(asked.frames), asked.tokens
    exact, quick = captioner(tokens), captioner(tokens, precision="int8")
    rows = {"default, greedy": (exact, 1, 4), "int8, greedy": (quick, 1, 1)}
    if asked.beams:
        rows |= {"default, 3 beams": (exact, 3, 4), "int8, 3 beams": (quick, 3, 1)}
    took: dict[str, list[float]] = {name: [] for name in ("loop without cache", *rows)}
    few = some[:2]
    for made in (exact, quick):
        list(made.propose(few))
    loop(exact.model, few[:1], 2)
    for _ in range(asked.rounds):
        took["loop without cache"].append(seconds(lambda: loop(exact.model, few, tokens)) / len(few))
        for name, (made, beam, _) in rows.items():
            made.options = made.options.model_copy(update={"beam": beam})
            took[name].append(seconds(lambda made=made: list(made.propose(some))) / len(some))
    speed, slow = bandwidth(), statistics.median(took["loop without cache"])
    print(f"{asked.frames} frames, {tokens} tokens each, {asked.threads} threads, reads {speed / 1e9:.1f} GB/s")
    print(f"{'':20}captions/s  tokens/s  ratio  tokens/s if only the weights were read, once a step")
    for name, values in took.items():
        rate = 1 / statistics.median(values)
        made, _, size = rows.get(name, rows["default, greedy"])
        limit = speed / weight(made, size) * (len(some) if name in rows else 1)
        print(f"{name:20}{rate:10.2f}{rate * tokens:10.0f}{rate * slow:7.1f}{limit:10.0f}")


if __name__ == "__main__":
    main()
