"""People: which faces are one person's, and what that person is called. Pure functions over vectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

Pair = tuple[int, int]


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows of a matrix at length 1, float32; a row of zeros, or one that is not finite, becomes zeros."""
    rows = np.where(np.isfinite(rows).all(-1, keepdims=True), rows, 0).astype(np.float32)
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows / np.where(length > 0, length, 1)


def partition(vectors: np.ndarray, threshold: float, apart: Collection[Pair] = ()) -> list[int]:
    """The group of each vector, counted from 0 in order of first appearance.

    The two groups whose members are most alike on average are joined, again and again, while that average reaches
    the threshold (agglomerative clustering with average linkage, UPGMA; Sokal and Michener 1958). Which vectors come
    together does not depend on their order, but where equal vectors are kept apart from others. Takes time and
    memory with the square of the number of vectors: seconds for two thousand.

    Args:
        vectors: unit vectors, float32 (n, width); zeros stay alone.
        threshold: the cosine from which two are one, above 0.
        apart: pairs that are never in one group, such as faces in one picture.
    """
    order = np.lexsort(vectors.T[::-1]) if len(vectors) else np.arange(0)
    place = np.argsort(order)
    likeness = (vectors[order] @ vectors[order].T).astype(np.float64)
    np.fill_diagonal(likeness, -np.inf)
    for i, j in apart:
        likeness[place[i], place[j]] = likeness[place[j], place[i]] = -np.inf
    group = np.arange(len(vectors))
    _join(likeness, group, threshold)
    return _numbered(group[place].tolist())


def _join(likeness: np.ndarray, group: np.ndarray, threshold: float) -> None:
    """Joins in place: rows and columns of a group that is gone are -inf, as is whatever stays apart."""
    sizes = np.ones(len(group))
    while len(group):
        i, j = divmod(int(likeness.argmax()), len(group))
        if likeness[i, j] < threshold:
            return
        both = (sizes[i] * likeness[i] + sizes[j] * likeness[j]) / (sizes[i] + sizes[j])
        likeness[i], likeness[:, i] = both, both
        likeness[i, i] = -np.inf
        likeness[j], likeness[:, j] = -np.inf, -np.inf
        sizes[i] += sizes[j]
        group[group == j] = i


def _numbered(groups: Sequence[int]) -> list[int]:
    first = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return [first[group] for group in groups]


def middles(vectors: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """The unit vector in the middle of each group, float32 (groups, width)."""
    sums = np.zeros((max(groups, default=-1) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, np.asarray(groups, int), vectors)
    return unit(sums)


def named(
    people: np.ndarray, cast: Mapping[str, np.ndarray], threshold: float, apart: Collection[Pair] = ()
) -> dict[int, str]:
    """The names of those who are in the cast, by their number; the others are left out.

    Each gets the name of the photo that is most like them, where that reaches the threshold. The best matches are taken
    first: of two who were seen in one picture, only one can have a name.

    Args:
        people: a unit vector each, float32 (n, width).
        cast: unit vectors of each name's photos, float32 (photos, width).
        threshold: the cosine from which two are one.
        apart: pairs of people who are not the same.
    """
    names = sorted(cast)
    best = [(people @ cast[name].T).max(-1) for name in names]
    matches = sorted(
        (-float(likeness[person]), name, person)
        for name, likeness in zip(names, best, strict=True)
        for person in range(len(people))
        if likeness[person] >= threshold
    )
    found: dict[int, str] = {}
    others = {*apart, *((j, i) for i, j in apart)}
    for _, name, person in matches:
        taken = any(found[other] == name and (person, other) in others for other in found)
        if person not in found and not taken:
            found[person] = name
    return found
