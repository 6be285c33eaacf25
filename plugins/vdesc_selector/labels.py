"""Numbers as answers: the probability that the model answers one of them, of any number of tokens. Exact, no parsing.

A number is answered where what the model says starts with it and with no longer one: P(1) is P("1...") less P("10..."),
P("11...") and so on, of those that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Ids = tuple[int, ...]
LEAST = 1e-30
"""A probability below which a number's logarithm is cut."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The numbers 1 to n as token ids.

    Args:
        common: the ids that all begin with, to be put after the question.
        ids: of each number, what follows `common`.
        nodes: after which of these beginnings the next token must be known; the first is the empty one.
    """

    common: Ids
    ids: tuple[Ids, ...]
    nodes: tuple[Ids, ...]

    @property
    def columns(self) -> list[int]:
        """The tokens of which the probability must be known."""
        return sorted({token for label in self.ids for token in label})


def labels(ids: Sequence[Ids]) -> Labels:
    """The labels for the token ids of at least two different numbers. Raises `ValueError` where two are the same."""
    if len(set(ids)) < len(ids):
        raise ValueError("two numbers have the same tokens")
    shared = 0
    while all(len(label) > shared + 1 and label[: shared + 1] == ids[0][: shared + 1] for label in ids):
        shared += 1
    rest = tuple(label[shared:] for label in ids)
    return Labels(ids[0][:shared], rest, tuple(sorted({label[:i] for label in rest for i in range(len(label))})))


def probabilities(labels: Labels, told: Tensor) -> Tensor:
    """Logarithms of the probability of each number, float32 (rows, numbers); they add up to at most 1.

    Args:
        told: log-probabilities float32 (rows, nodes, columns) of the next token after each of the labels' nodes.
    """
    import torch

    columns = {token: i for i, token in enumerate(labels.columns)}
    node = {path: i for i, path in enumerate(labels.nodes)}

    def begins(path: Ids) -> Tensor:
        """The logarithm of the probability that the answer begins so."""
        steps = [told[:, node[path[:i]], columns[token]] for i, token in enumerate(path)]
        return torch.stack(steps).sum(0)

    def answered(label: Ids) -> Tensor:
        longer = [other for other in labels.ids if other != label and other[: len(label)] == label]
        next_ones = [one for one in longer if not any(one != o and one[: len(o)] == o for o in longer)]
        if not next_ones:
            return begins(label)
        less = torch.stack([begins(one) for one in next_ones]).exp().sum(0)
        return (begins(label).exp() - less).clamp_min(LEAST).log()

    return torch.stack([answered(label) for label in labels.ids], 1)
