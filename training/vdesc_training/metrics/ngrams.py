"""BLEU, ROUGE-L and CIDEr-D, to the same numbers as pycocoevalcap; references are prepared once for all captions.

Papineni et al. 2002 (ACL P02-1040); Lin 2004 (ACL W04-1013); Vedantam et al. 2015 (arXiv 1411.5726).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain

from .figure import Figure, mean
from .words import Words

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0  # CIDEr-D: how fast another length is punished, in bigrams
BETA = 1.2  # ROUGE-L: the weight of recall
SMALL, TINY = 1e-9, 1e-15  # BLEU: what keeps empty counts from dividing by zero, as the COCO evaluation has it

Gram = tuple[str, ...]
Grams = Counter[Gram]
"""How often each run of one to four words stands in a sentence."""


def ngrams(words: Sequence[str]) -> Grams:
    """The n-grams of a sentence."""
    return Counter(chain(*(zip(*(words[start:] for start in range(n)), strict=False) for n in ORDERS)))


class References:
    """The references of a data set, against which any number of captions can be scored.

    Args:
        truth: the words of each item's references.
    """

    def __init__(self, truth: Mapping[str, Sequence[Sequence[str]]]):
        self.words = truth
        self.grams = {key: [ngrams(words) for words in texts] for key, texts in truth.items()}
        found = Counter(chain.from_iterable(set(chain.from_iterable(texts)) for texts in self.grams.values()))
        self.unseen = math.log(max(1, len(truth)))
        self.rarity = {gram: self.unseen - math.log(count) for gram, count in found.items()}
        self.norms = {key: [self._norms(grams) for grams in texts] for key, texts in self.grams.items()}

    def cider(self, key: str, words: Sequence[str]) -> float:
        """CIDEr-D, 0..10, of a caption for the item `key`; rarity is counted over the references alone."""
        mine = ngrams(words)
        norms, total = self._norms(mine), 0.0
        for text, grams, others in zip(self.words[key], self.grams[key], self.norms[key], strict=True):
            apart = _bigrams(words) - _bigrams(text)
            cosines = (dot / (a * b) for dot, a, b in zip(self._dots(mine, grams), norms, others, strict=True) if dot)
            total += math.exp(-(apart**2) / (2 * SIGMA**2)) * sum(cosines)
        return 10 * total / (len(ORDERS) * len(self.grams[key]))

    def rouge(self, key: str, words: Sequence[str]) -> float:
        """ROUGE-L, 0..1, of a caption for the item `key`: the best precision and the best recall of any reference."""
        words = words or [""]
        common = [(longest_common(words, other or [""]), len(other) or 1) for other in self.words[key]]
        precision, recall = max(n for n, _ in common) / len(words), max(n / size for n, size in common)
        return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision) if precision else 0.0

    def overlap(self, key: str, words: Sequence[str]) -> tuple[int, ...]:
        """What `bleu` is computed from, and adds up over captions: the caption's length, that of the reference nearest
        in length, the n-grams that stand in a reference as often, and all n-grams, by order."""
        lengths = [len(other) for other in self.words[key]]
        nearest = min(lengths, key=lambda length: (abs(length - len(words)), length))
        matches = [0] * len(ORDERS)
        for gram, count in ngrams(words).items():
            matches[len(gram) - 1] += min(count, max(grams.get(gram, 0) for grams in self.grams[key]))
        return (len(words), nearest, *matches, *totals(words))

    def _norms(self, grams: Grams) -> list[float]:
        """The lengths of the vectors of weighted n-grams, by order."""
        rarity, unseen = self.rarity, self.unseen
        squares = [0.0] * len(ORDERS)
        for gram, count in grams.items():
            weight = count * rarity.get(gram, unseen)
            squares[len(gram) - 1] += weight * weight
        return [math.sqrt(square) for square in squares]

    def _dots(self, mine: Grams, theirs: Grams) -> list[float]:
        """The products of the vectors of weighted n-grams, by order; what is said too often counts no more."""
        dots = [0.0] * len(ORDERS)
        for gram in mine.keys() & theirs.keys():
            dots[len(gram) - 1] += min(mine[gram], theirs[gram]) * theirs[gram] * self.rarity[gram] ** 2
        return dots


def totals(words: Sequence[str]) -> list[int]:
    """The number of n-grams of a sentence, by order."""
    return [max(0, len(words) - n + 1) for n in ORDERS]


def bleu(overlap: Sequence[int]) -> list[float]:
    """BLEU-1..4, 0..1, of what `References.overlap` counted for one caption, or of the sums over many."""
    length, reference, *counts = overlap
    half = len(ORDERS)
    ratio = (length + TINY) / (reference + SMALL)
    penalty = math.exp(1 - 1 / ratio) if ratio < 1 else 1.0
    product, values = 1.0, []
    for n, matches, guesses in zip(ORDERS, counts[:half], counts[half:], strict=True):
        product *= (matches + TINY) / (guesses + SMALL)
        values.append(penalty * product ** (1 / n))
    return values


def longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words two sentences have in common in the same order (Hyyrö 2004: a whole row of the table at once)."""
    places: dict[str, int] = {}
    for i, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << i
    full = row = (1 << len(one)) - 1
    for word in other:
        match = row & places.get(word, 0)
        row = row + match | row - match
    return len(one) - (row & full).bit_count()


def figures(words: Words, references: References) -> list[Figure]:
    """BLEU-1..4 of the whole, the means of ROUGE-L and CIDEr-D, and all of them by item."""
    overlaps = {key: references.overlap(key, said) for key, said in words.said.items()}
    whole = bleu([sum(column) for column in zip(*overlaps.values(), strict=True)]) if overlaps else []
    by_item = {key: bleu(overlap) for key, overlap in overlaps.items()}
    return [
        *(Figure(f"bleu{n}", whole[n - 1] if whole else None, words.how, {k: v[n - 1] for k, v in by_item.items()})
          for n in ORDERS),
        mean("rouge", {key: references.rouge(key, said) for key, said in words.said.items()}, words.how),
        mean("cider", {key: references.cider(key, said) for key, said in words.said.items()}, words.how),
    ]  # fmt: skip


def _bigrams(words: Sequence[str]) -> int:
    return max(0, len(words) - 1)
