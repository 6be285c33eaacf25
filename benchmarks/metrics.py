"""Caption metrics on 5,000 x 5 captions: vdesc against pycocoevalcap used plainly, in one run, on the same text.

    python benchmarks/metrics.py CAPTIONS [--rounds 3]

CAPTIONS is COCO captions JSON such as captions_val2017.json, or that file with .gz. One caption of each photo is taken
for the prediction, the others for its references. BLEU-1..4, ROUGE-L and CIDEr-D; rounds are interleaved, so that a
busy machine slows all alike: compare the ratios. The time of the tokeniser is counted in the rows that name it.
"""

import argparse
import contextlib
import gzip
import io
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from vdesc_training.metrics import References, java, ngrams, score, tokenized, tokens

Numbers = dict[str, float]


def read(path: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    data = path.read_bytes()
    rows = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)["annotations"]
    captions: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        captions[str(row["image_id"])].append(row["caption"])
    return {key: texts[0] for key, texts in captions.items()}, {key: texts[1:] for key, texts in captions.items()}


def theirs(said: dict[str, list[str]], truth: dict[str, list[str]]) -> Numbers:
    bleu, _ = Bleu(4).compute_score(truth, said, verbose=0)
    rouge, _ = Rouge().compute_score(truth, said)
    cider, _ = Cider().compute_score(truth, said)
    return {**{f"bleu{n}": value for n, value in enumerate(bleu, 1)}, "rouge": rouge, "cider": cider}


def theirs_with_ptb(predictions: dict[str, str], references: dict[str, list[str]]) -> Numbers:
    said = {key: [{"caption": text}] for key, text in predictions.items()}
    truth = {key: [{"caption": text} for text in texts] for key, texts in references.items()}
    return theirs(PTBTokenizer().tokenize(said), PTBTokenizer().tokenize(truth))


def timed(work: Callable[[], Numbers]) -> tuple[float, Numbers]:
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        numbers = work()
    return time.perf_counter() - start, numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    predictions, references = read(asked.captions)
    words = tokenized(predictions, references, "own")
    said = {key: [" ".join(text)] for key, text in words.said.items()}
    truth = {key: [" ".join(text) for text in texts] for key, texts in words.truth.items()}

    def counted() -> Numbers:
        return {figure.name: figure.value or 0.0 for figure in ngrams.figures(words, References(words.truth))}

    def own() -> Numbers:
        tokens._normal.cache_clear()
        return score(predictions, references)

    rows = {
        "ready words": (lambda: theirs(said, truth), counted),
        "own tokeniser": (lambda: theirs(said, truth), own),
    }
    if java.version():
        rows["PTB tokeniser"] = (
            lambda: theirs_with_ptb(predictions, references),
            lambda: score(predictions, references, "ptb"),
        )
    print(f"{len(predictions)} captions, {sum(map(len, references.values()))} references")
    print(f"{'':15}pycocoevalcap    vdesc  ratio  largest difference")
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    apart = dict.fromkeys(rows, 0.0)
    for _ in range(asked.rounds):
        for name, (plain, ours) in rows.items():
            (before, expected), (after, numbers) = timed(plain), timed(ours)
            spent[name].append((before, after))
            apart[name] = max(abs(numbers[key] - value) for key, value in expected.items())
    for name, times in spent.items():
        before, after = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:15}{before:11.2f} s{after:7.2f} s{before / after:7.2f}  {apart[name]:.1e}")


if __name__ == "__main__":
    main()
