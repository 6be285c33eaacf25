"""Face boxes by YuNet, through OpenCV. Knows single pictures; nothing of keyframes or of who is who."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from vdesc import Box

WEIGHTS = Path(__file__).with_name("yunet.onnx")
OVERLAP = 0.3
"""Boxes that overlap more than this (intersection over union) are one face."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture: how sure the detector is, 0..1, and five points of it as shares of the picture.

    The points are (x, y) of its right eye, left eye, nose, right and left corner of the mouth, which the detector may
    place outside of the picture.
    """

    box: Box
    confidence: float
    points: tuple[tuple[float, float], ...]


class Detector:
    """Finds faces of about 10 pixels and more, measured in the picture scaled to `size`.

    Source: Wu et al., "YuNet: A Tiny Millisecond-level Face Detector", 2023.

    Args:
        size: what the longer side is scaled to, in pixels.
        threshold: faces of less confidence are left out.
    """

    def __init__(self, size: int, threshold: float):
        self.size = size
        with quiet():
            self._net = cv2.FaceDetectorYN.create(str(WEIGHTS), "", (size, size), threshold, OVERLAP)

    def faces(self, pixels: np.ndarray) -> list[Face]:
        """The faces in a picture, the surest first.

        Args:
            pixels: RGB uint8 (height, width, 3) of any size.
        """
        height, width = pixels.shape[:2]
        scale = self.size / max(height, width)
        small = (max(1, round(width * scale)), max(1, round(height * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        self._net.setInputSize(small)
        rows = self._net.detect(cv2.cvtColor(cv2.resize(pixels, small, interpolation=how), cv2.COLOR_RGB2BGR))[1]
        found = [] if rows is None else list(_shares(rows.astype(float), small))
        return sorted(found, key=lambda face: (-face.confidence, face.box.left, face.box.top))


@contextmanager
def quiet() -> Iterator[None]:
    """OpenCV without warnings: version 5 has one about its own new engine for every network that is read."""
    told = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(told)


def _shares(rows: np.ndarray, size: tuple[int, int]) -> Iterator[Face]:
    """Faces from YuNet's rows: left, top, width, height, five points, score; what lies outside is cut off."""
    for row in rows[np.isfinite(rows).all(1)]:
        points = row[:14].reshape(7, 2) / size
        (left, top), (right, bottom) = np.clip([points[0], points[0] + points[1]], 0, 1)
        if right > left and bottom > top:
            places = tuple((float(x), float(y)) for x, y in points[2:])
            yield Face(
                Box(float(left), float(top), float(right), float(bottom)), float(min(1, max(0, row[14]))), places
            )
