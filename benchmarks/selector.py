"""The selector: what it gains on held-out photos, and what it costs against the plain forward passes.

    python benchmarks/selector.py --rows sft.jsonl --model runs/selector/best --data data/flickr8k [--split test]
    python benchmarks/selector.py --cost [--rounds 5]

The first compares, on the same candidates, the captioner's first, random ones, the one most like the others (by the
sentence model), the selector's, and the best by the truth (the oracle): SBERT to the nearest reference as the rows have
it, and CIDEr-D. The share is of the oracle's gain over the first. The second counts CPU seconds of a random Qwen3 of 6
layers: `ours` is everything from texts to scores, `plain` the same rows, tokenized already, sorted by length, through
the model in the same batches, with logits at the last place only. They take turns.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import vdesc  # noqa: F401 - before transformers
from vdesc import Context, Evidence, Span
from vdesc.similarity import similarity
from vdesc_selector.checkpoint import load
from vdesc_selector.judging import Judge
from vdesc_selector.limits import Limits, read_limits
from vdesc_selector.question import Asking, Question
from vdesc_selector.reading import last, padded
from vdesc_selector.training.beginning import learned
from vdesc_selector.training.lessons import question
from vdesc_training.metrics import score
from vdesc_training.sft import Row, read_rows
from vdesc_training.table import read_table

Pick = Callable[[Row], int]


def gains(rows: Sequence[Row], model: Path, data: Path) -> None:
    """Prints what each way to choose gets."""
    llm, tokenizer = load(str(model), "cpu")
    judge = Judge(llm, Asking(tokenizer, read_limits(model)))
    start = time.process_time()
    verdicts = judge.judge([question(row) for row in rows])
    spent = time.process_time() - start
    chosen = {row.id: v.shares.index(max(v.shares)) for row, v in zip(rows, verdicts, strict=True)}
    _, prepare = similarity("auto")
    alike = prepare(text for row in rows for text in row.candidates)

    def central(row: Row) -> int:
        return max(range(len(row.candidates)), key=lambda i: sum(alike(row.candidates[i], t) for t in row.candidates))

    drawn = [
        {row.id: random.Random(f"{seed} {row.id}").randrange(len(row.candidates)) for row in rows} for seed in (0, 1)
    ]
    ways: dict[str, Pick] = {
        "first": lambda row: 0, "random": lambda row: drawn[0][row.id], "random again": lambda row: drawn[1][row.id],
        "most like the others": central, "selector": lambda row: chosen[row.id], "oracle": lambda row: row.best,
    }  # fmt: skip
    truth = {item.id: item.captions for item in read_table(data)}
    found = {name: measured(rows, pick, truth) for name, pick in ways.items()}
    print(f"{len(rows)} photos, {statistics.mean(len(row.candidates) for row in rows):.1f} candidates each")
    print(f"{'':22}{'SBERT':>8}{'share':>8}{'CIDEr-D':>9}")
    low, high = found["first"][0], found["oracle"][0]
    for name, (near, cider) in found.items():
        print(f"{name:22}{near:8.4f}{(near - low) / (high - low):8.3f}{cider:9.4f}")
    print(f"selector - first: {spread(rows, ways['selector'], ways['first'])}")
    print(f"selector - random: {spread(rows, ways['selector'], ways['random'])}")
    print(f"{1000 * spent / len(rows):.1f} ms of CPU a photo")


def measured(rows: Sequence[Row], pick: Pick, truth: Any) -> tuple[float, float]:
    """The mean similarity and CIDEr-D of what is picked."""
    said = {row.id: row.candidates[pick(row)] for row in rows}
    return statistics.mean(row.similarities[pick(row)] for row in rows), score(said, {i: truth[i] for i in said})[
        "cider"
    ]


def spread(rows: Sequence[Row], one: Pick, other: Pick) -> str:
    """The mean difference in similarity, with its standard error over photos."""
    apart = [row.similarities[one(row)] - row.similarities[other(row)] for row in rows]
    return f"{statistics.mean(apart):+.4f} +- {statistics.stdev(apart) / len(apart) ** 0.5:.4f} (SBERT)"


def cost(rounds: int) -> None:
    """Prints the ratio of all our work to the plain forward passes."""
    from transformers import AutoConfig, AutoModelForCausalLM

    draw = random.Random(0)
    words = ["".join(draw.choice("abcdefghijklmnop") for _ in range(5)) for _ in range(300)]
    sentence = lambda n: " ".join(draw.choice(words) for _ in range(n))  # noqa: E731
    tokenizer = learned((sentence(12) for _ in range(2000)), 4000)
    config = AutoConfig.for_model(
        "qwen3", hidden_size=384, intermediate_size=1152, num_hidden_layers=6, num_attention_heads=6, head_dim=64,
        num_key_value_heads=6, vocab_size=4000, tie_word_embeddings=True,
    )  # fmt: skip
    llm = AutoModelForCausalLM.from_config(config).eval()
    for evidence in (0, 5, 30):
        asked = [
            Question(
                Context(tuple(Evidence("text", Span(0, 1), sentence(4), 0.9, "x") for _ in range(evidence))),
                tuple(sentence(draw.randint(6, 14)) for _ in range(5)),
            )
            for _ in range(6)
        ]
        judge = Judge(llm, Asking(tokenizer, Limits()))
        rows = sorted((row for q in asked for row in judge._rows(q.canonical()).whole()), key=len)
        ratios = []
        for _ in range(rounds + 1):
            start = time.process_time()
            judge.judge(asked)
            middle = time.process_time()
            plain(llm, rows, judge.reader.batch)
            ratios.append((middle - start) / (time.process_time() - middle))
        tokens = statistics.mean(map(len, rows))
        shown = ", ".join(f"{ratio:.2f}" for ratio in ratios[1:])
        middle_one = statistics.median(ratios[1:])
        print(f"{evidence:3} pieces of evidence, {tokens:.0f} tokens a row: ours / plain {middle_one:.2f} ({shown})")


@torch.inference_mode()
def plain(llm: Any, rows: Sequence[tuple[int, ...]], batch: int) -> None:
    """The rows through the model, as many at once as `batch` tokens hold."""
    size = max(1, batch // len(rows[-1]))
    for start in range(0, len(rows), size):
        ids, mask = padded(rows[start : start + size], llm.device)
        llm(input_ids=ids, attention_mask=mask, use_cache=False, **last(llm, 1)).logits.float().log_softmax(-1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("rows", "model", "data"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.cost:
        cost(asked.rounds)
    else:
        gains([row for row in read_rows(asked.rows) if row.split == asked.split], asked.model, asked.data)


if __name__ == "__main__":
    main()
