"""Orders of candidates, so that none gains by its place: cyclic shifts, in which each stands once in every place."""

from __future__ import annotations

from itertools import permutations

ALL = 4
"""So many candidates have all their orders tried, at most; 5 would need 120."""


def orders(count: int, which: str) -> list[tuple[int, ...]]:
    """The orders in which candidates 0 to `count` - 1 are shown.

    Args:
        which: `shifts`, `all` (beyond `ALL` candidates: shifts, forwards and backwards), or `one`.
    """
    first = tuple(range(count))
    if which == "one":
        return [first]
    if which == "all" and count <= ALL:
        return list(permutations(first))
    shifts = [first[i:] + first[:i] for i in range(count)]
    return shifts + [order[::-1] for order in shifts] if which == "all" else shifts
