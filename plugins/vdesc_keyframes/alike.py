"""Measures of small pictures: how sharp one is, and how alike two are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from .takes import Look


def sharpness(small: np.ndarray) -> float:
    """The variance of the Laplacian of a BGR uint8 picture, 0 where it is blank. Source: Pech-Pacheco et al., 2000."""
    gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    edges = cv2.Laplacian(gray, cv2.CV_16S)
    return max(0.0, cv2.norm(edges, cv2.NORM_L2SQR) / edges.size - cv2.mean(edges)[0] ** 2)


def perceptual_hash(small: np.ndarray) -> int:
    """64 bits that stay nearly the same under scaling, noise and compression, of a BGR uint8 picture.

    Each bit tells whether one of the 64 lowest frequencies of the 32x32 gray picture's cosine transform is above their
    median (the mean brightness is left out of it). Source: Zauner, "Implementation and benchmarking of perceptual image
    hash functions", 2010.
    """
    gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    tiny = cv2.resize(gray, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(tiny)[:8, :8].ravel()
    return int.from_bytes(np.packbits(low > np.median(low[1:])).tobytes(), "big")


def contrast(small: np.ndarray) -> float:
    """The standard deviation of the gray levels in the middle of a BGR uint8 picture; near 0 where it is blank.

    A fifth is left out on each side, so that the bars of a wide picture do not count.
    """
    height, width = small.shape[0] // 5, small.shape[1] // 5
    gray = cv2.cvtColor(small[height : -height or None, width : -width or None], cv2.COLOR_BGR2GRAY)
    return float(cv2.meanStdDev(gray)[1][0, 0])


class Gate:
    """Lets looks pass that show something, and something else than the last one that passed.

    Args:
        near: the greatest number of differing bits at which two pictures are taken for one; None lets all pass.
        blank: the contrast under which a picture shows nothing.
    Attributes:
        same, empty: how many looks were dropped as near-duplicates, and as blank.
        spare: the first blank look, for a video that shows nothing else.
    """

    def __init__(self, near: int | None, blank: float):
        self.near, self.blank, self.same, self.empty = near, blank, 0, 0
        self.spare: Look | None = None
        self._last: int | None = None

    def new(self, looks: Iterable[Look]) -> Iterator[Look]:
        """The looks that pass, in order."""
        for look in looks:
            small = look.small()
            this = perceptual_hash(small)
            if contrast(small) < self.blank:
                self.empty += 1
                self.spare = self.spare or look
            elif self.near is not None and self._last is not None and (this ^ self._last).bit_count() <= self.near:
                self.same += 1
            else:
                self._last = this
                yield look
