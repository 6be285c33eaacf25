"""How varied captions are among themselves: what shows a captioner that says the same of everything."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import fmean

from .figure import Figure, mean
from .ngrams import ORDERS, Gram, Grams, bleu, ngrams, totals
from .words import Words


def figures(words: Words) -> list[Figure]:
    """Distinct captions, distinct-1 and -2 (Li et al. 2016, arXiv 1510.03055), self-BLEU, length and vocabulary."""
    grams = {key: ngrams(said) for key, said in words.said.items()}
    return [
        distinct_captions(words),
        Figure("distinct1", _distinct(grams.values(), 1), words.how),
        Figure("distinct2", _distinct(grams.values(), 2), words.how),
        self_bleu(words, grams),
        mean("length", {key: len(said) for key, said in words.said.items()}, _beside(words, _length(words))),
        Figure("vocabulary", len(_vocabulary(words.said.values())), _beside(words, _references(words))),
    ]


def distinct_captions(words: Words) -> Figure:
    """The share of different captions among all, 0..1; near 0 where everything is called the same."""
    share = len({tuple(said) for said in words.said.values()}) / max(1, len(words.said))
    return Figure("diversity", share, words.how)


def self_bleu(words: Words, grams: dict[str, Grams]) -> Figure:
    """The mean BLEU-4 of each caption with all others as its references (Zhu et al. 2018, arXiv 1802.01886).

    Lower is more varied. Exact, for each n-gram the two highest counts of any caption are enough: where the highest
    is the caption's own, the other one stands for all the others.
    """
    if len(words.said) < 2:
        return Figure("self_bleu", None, "needs two captions")
    best = _two_highest(grams.values())
    lengths = Counter(len(said) for said in words.said.values())
    items = {}
    for key, said in words.said.items():
        others = lengths - Counter([len(said)])
        nearest = min(others, key=lambda length: (abs(length - len(said)), length))
        matches = [0] * len(ORDERS)
        for gram, count in grams[key].items():
            high, second = best[gram]
            matches[len(gram) - 1] += min(count, second if count == high else high)
        items[key] = bleu([len(said), nearest, *matches, *totals(said)])[-1]
    return mean("self_bleu", items, words.how)


def _two_highest(counts: Iterable[Grams]) -> dict[Gram, tuple[int, int]]:
    highest: dict[Gram, tuple[int, int]] = {}
    for some in counts:
        for gram, count in some.items():
            first, second = highest.get(gram, (0, 0))
            highest[gram] = (count, first) if count > first else (first, max(second, count))
    return highest


def _distinct(grams: Iterable[Grams], n: int) -> float | None:
    """Different runs of n words in all captions over all their runs of n words."""
    counts: Grams = Counter()
    for some in grams:
        counts.update({gram: count for gram, count in some.items() if len(gram) == n})
    return len(counts) / counts.total() if counts else None


def _vocabulary(sentences: Iterable[Sequence[str]]) -> set[str]:
    return {word for sentence in sentences for word in sentence}


def _length(words: Words) -> str:
    return f"{fmean(len(text) for texts in words.truth.values() for text in texts):.2f}" if words.truth else "-"


def _references(words: Words) -> str:
    return str(len(_vocabulary(text for texts in words.truth.values() for text in texts)))


def _beside(words: Words, references: str) -> str:
    return f"{words.how}; references: {references}"
