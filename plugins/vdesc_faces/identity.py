"""Who is who: backends that turn a face into a vector, so that one person's faces lie close together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from vdesc import ModelError

from .detector import Face, quiet
from .people import unit


class Identity(Protocol):
    """Tells people apart. `threshold` is the cosine from which two faces are taken for one person."""

    threshold: float

    def vectors(self, pixels: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
        """Unit vectors, float32 (faces, width); zeros for a face that tells nothing.

        Args:
            pixels: RGB uint8 (height, width, 3) that the faces were found in.
        """
        ...


class SFace:
    """SFace through OpenCV: 128 numbers a face, from a model file of the OpenCV model zoo.

    Source: Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face Recognition", 2021; the
    threshold is the one OpenCV documents for it.
    """

    threshold = 0.363

    def __init__(self, model: Path, plugin: str):
        if not model.is_file():
            raise ModelError(
                f"{plugin}: there is no file {model}: download face_recognition_sface_2021dec.onnx from the OpenCV "
                f"model zoo and give its path as identity_model"
            )
        try:
            with quiet():
                self._net = cv2.FaceRecognizerSF.create(str(model), "")
            self._net.feature(np.zeros((112, 112, 3), np.uint8))
        except cv2.error as error:
            raise ModelError(
                f"{plugin}: {model} does not recognise faces: give the path of face_recognition_sface_2021dec.onnx"
            ) from error

    def vectors(self, pixels: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
        """See `Identity`."""
        height, width = pixels.shape[:2]
        picture = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        cuts = (self._net.alignCrop(picture, _row(face, width, height)) for face in faces)
        return unit(np.stack([self._net.feature(cut).ravel() for cut in cuts]))


def _row(face: Face, width: int, height: int) -> np.ndarray:
    """A face as OpenCV wants it: float32 (1, 15), left, top, width, height, five points, score, in pixels."""
    box = face.box
    places = [(box.left, box.top), (box.right - box.left, box.bottom - box.top), *face.points]
    return np.append(np.array(places) * (width, height), face.confidence).astype(np.float32)[None]
