"""How well a selector chooses: how often the best, and how much of what the best would gain over the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

LEAST = 1e-30


@dataclass(frozen=True, slots=True)
class Choice:
    """A row's similarities, in the captioner's order, and the share that the selector gives each candidate."""

    similarities: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def chosen(self) -> float:
        """The similarity of the candidate with the highest share."""
        return self.similarities[self.shares.index(max(self.shares))]


def figures(choices: Sequence[Choice]) -> dict[str, float]:
    """Figures of some rows.

    `accuracy`: how often a best one is chosen; `similarity`: of the chosen, on average; `first`, `best`: of the
    captioner's first, and of the best; `share`: how much of the way from the first to the best the selector goes (1 is
    all of it, below 0 it is worse than the first); `loss`: the mean of minus the logarithm of the best one's share.
    """
    count = max(1, len(choices))
    chosen = sum(c.chosen for c in choices) / count
    first = sum(c.similarities[0] for c in choices) / count
    best = sum(max(c.similarities) for c in choices) / count
    loss = -sum(log(max(LEAST, c.shares[c.similarities.index(max(c.similarities))])) for c in choices) / count
    return {
        "accuracy": sum(c.chosen == max(c.similarities) for c in choices) / count, "similarity": chosen,
        "first": first, "best": best, "share": (chosen - first) / (best - first) if best > first else 0.0, "loss": loss,
    }  # fmt: skip
