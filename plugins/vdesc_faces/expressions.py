"""Expressions: what faces look as if they felt, which is not what people feel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from .cropping import cut
from .detector import Face, quiet

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven of FER-2013, in its order."""
WEIGHTS = Path(__file__).with_name("mini_xception.onnx")
SIDE = 64


class Expressions(Protocol):
    """Names expressions."""

    def read(self, pixels: np.ndarray, faces: Sequence[Face]) -> list[tuple[str, float]]:
        """The likeliest expression of each face, and its probability, 0..1.

        Args:
            pixels: RGB uint8 (height, width, 3) that the faces were found in.
        """
        ...


class Mini:
    """The network that ships: mini-Xception, 57,000 parameters, trained on FER-2013. Its smiles can be believed.

    Through OpenCV, which takes half a millisecond a face. Source: Arriaga et al., "Real-time Convolutional Neural
    Networks for Emotion and Gender Classification", 2017.
    """

    def __init__(self) -> None:
        with quiet():
            self._net = cv2.dnn.readNetFromONNX(str(WEIGHTS))

    def read(self, pixels: np.ndarray, faces: Sequence[Face]) -> list[tuple[str, float]]:
        """See `Expressions`."""
        rows = [self.chances(cv2.cvtColor(cut(pixels, face, SIDE), cv2.COLOR_RGB2GRAY)) for face in faces]
        return [(LABELS[int(row.argmax())], float(row.max())) for row in rows]

    def chances(self, gray: np.ndarray) -> np.ndarray:
        """The probability of each label, float32 (7,), for a gray uint8 face (64, 64)."""
        self._net.setInput(gray[None, None].astype(np.float32) / 127.5 - 1)
        return self._net.forward()[0]
