"""METEOR of equal words, without Java: what validation can afford after each epoch, in any language."""

from collections.abc import Sequence

from .figure import Figure, mean
from .words import Words


def exact(words: Words) -> Figure:
    """METEOR of equal words alone, 0..1, of captions with the best of their references, the whole and by item.

    Banerjee and Lavie 2005: precision and recall of words, recall nine times as heavy, less a penalty for words that
    stand in another order. No stems, synonyms or paraphrases, so figures are lower than those of METEOR 1.5.
    """
    items = {
        key: max((_score(said, other) for other in words.truth[key]), default=0.0) for key, said in words.said.items()
    }
    return mean("meteor_exact", items, words.how)


def _score(said: Sequence[str], truth: Sequence[str]) -> float:
    matches, chunks = _aligned(said, truth)
    if not matches:
        return 0.0
    precision, recall = matches / len(said), matches / len(truth)
    mean = 10 * precision * recall / (recall + 9 * precision)
    return mean * (1 - 0.5 * (chunks / matches) ** 3)


def _aligned(said: Sequence[str], truth: Sequence[str]) -> tuple[int, int]:
    """How many words meet an equal one, and in how many runs; the longest runs are taken first."""
    free_said, free_truth = [True] * len(said), [True] * len(truth)
    matches = chunks = 0
    while run := _longest(said, truth, free_said, free_truth):
        length, i, j = run
        for k in range(length):
            free_said[i + k] = free_truth[j + k] = False
        matches, chunks = matches + length, chunks + 1
    return matches, chunks


def _longest(
    said: Sequence[str], truth: Sequence[str], free_said: Sequence[bool], free_truth: Sequence[bool]
) -> tuple[int, int, int] | None:
    """The longest run of free words that both have: its length and where it begins in each."""
    best: tuple[int, int, int] | None = None
    before = [0] * (len(truth) + 1)
    for i, word in enumerate(said):
        now = [0] * (len(truth) + 1)
        for j, other in enumerate(truth):
            if word == other and free_said[i] and free_truth[j]:
                now[j + 1] = before[j] + 1
                if best is None or now[j + 1] > best[0]:
                    best = now[j + 1], i - now[j + 1] + 1, j - now[j + 1] + 1
        before = now
    return best
