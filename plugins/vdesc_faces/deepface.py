"""DeepFace as a backend: identity and expressions by its models, which it downloads when they are first used.

It is imported only here, and only when it is asked for. Faces are found by this package, not by it: it is handed one
face at a time, so that it never takes a wall for one. Its API: https://github.com/serengil/deepface
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from vdesc import ModelError, SettingsError
from vdesc.errors import nearest

from .cropping import cut
from .detector import Face
from .people import unit

DISTANCES = {
    "ArcFace": 0.68, "Buffalo_L": 0.55, "DeepFace": 0.23, "DeepID": 0.015, "Dlib": 0.07, "Facenet": 0.40,
    "Facenet512": 0.30, "GhostFaceNet": 0.65, "OpenFace": 0.10, "SFace": 0.593, "VGG-Face": 0.68,
}  # fmt: skip
"""The cosine distance up to which DeepFace 0.0.103 takes two faces for one person, by model."""
DEFAULT = "Facenet512"
SIDE = 224
AS_IT_IS = {"enforce_detection": False, "detector_backend": "skip", "align": False}


class DeepIdentity:
    """Vectors by one of DeepFace's recognition models; `threshold` is 1 less its distance in `DISTANCES`."""

    def __init__(self, model: str, plugin: str):
        self._model = model or DEFAULT
        if self._model not in DISTANCES:
            raise SettingsError(
                f"{plugin}: DeepFace has no identity_model '{self._model}' ({nearest(self._model, DISTANCES)})"
            )
        self.threshold = 1 - DISTANCES[self._model]
        self._api = _made_ready(plugin, self._model, "facial_recognition")

    def vectors(self, pixels: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
        """See `Identity`."""
        found = self._api.represent(_cuts(pixels, faces), model_name=self._model, **AS_IT_IS)
        answers = found if isinstance(found[0], list) else [found]  # it unpacks a list of one picture
        return unit(np.stack([np.ravel(answer[0]["embedding"]) for answer in answers]))


class DeepExpressions:
    """Expressions by DeepFace's emotion model; its labels are those of FER-2013."""

    def __init__(self, plugin: str):
        self._api = _made_ready(plugin, "Emotion", "facial_attribute")

    def read(self, pixels: np.ndarray, faces: Sequence[Face]) -> list[tuple[str, float]]:
        """See `Expressions`."""
        answers = self._api.analyze(_cuts(pixels, faces), actions=("emotion",), silent=True, **AS_IT_IS)
        chances = [answer[0]["emotion"] for answer in answers]
        best = [max(chance, key=lambda label: float(chance[label])) for chance in chances]
        return [(label, min(1.0, float(chance[label]) / 100)) for label, chance in zip(best, chances, strict=True)]


def _cuts(pixels: np.ndarray, faces: Sequence[Face]) -> list[np.ndarray]:
    return [cv2.cvtColor(cut(pixels, face, SIDE), cv2.COLOR_RGB2BGR) for face in faces]


def _made_ready(plugin: str, model: str, task: str) -> Any:
    """Its API with a model in memory, so that a missing network shows at once. Raises `ModelError`, `ImportError`."""
    from deepface import DeepFace

    build: Callable[..., Any] = DeepFace.build_model
    try:
        build(model, task=task)
    except ImportError:
        raise
    except Exception as error:  # whatever its engines and its download raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{plugin}: DeepFace cannot make its model {model} ready ({reason}): connect to the network once, or put "
            f"the file where it looks for it"
        ) from error
    return DeepFace
