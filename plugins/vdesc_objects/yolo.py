"""The yolo observer: a model of Ultralytics over all keyframes, in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from vdesc import Box, Cache, Evidence, Keyframe, ModelError, Observer, Video
from vdesc.files import digest
from vdesc.planning import stretches
from vdesc.sightings import Sighting

from . import library
from .grouping import objects
from .reading import read_ahead, tell_unread


class Yolo(Observer):
    """Finds objects with any detection, segmentation, pose or OBB model of Ultralytics (YOLOv8, YOLO11, ...).

    A `.pt` file is read without running code from it; one with classes of its own is refused: export that to ONNX.
    """

    name = "yolo"
    finds = ("object",)
    shorthand = "model"
    extra = "yolo"
    notice = (
        "AGPL-3.0: Ultralytics and its models bind all that they are part of: who passes it on, or lets others use it "
        "over a network, must offer the whole source under the AGPL-3.0, or buy a licence from Ultralytics."
    )

    class Options(Observer.Options):
        """The model and what counts as seen."""

        model: str = Field(
            "", description="A .pt or .onnx file, or a name such as yolo11n.pt, which is fetched from Ultralytics once."
        )
        confidence: float = Field(0.3, ge=0, le=1, description="What is less sure is not evidence.")
        iou: float = Field(
            0.7, ge=0, le=1, description="Of boxes with one label that overlap more than this, the surest stays."
        )
        size: int = Field(640, ge=32, le=4096, description="The longer side, in pixels, that pictures are scaled to.")
        batch: int = Field(4, ge=1, description="Keyframes in one forward pass, where the model leaves that free.")

    def load(self, device: str) -> None:
        """Reads the model. Raises `MissingExtra`, `SettingsError`, or `ModelError` where it cannot be had or used."""
        import numpy as np
        import torch

        folder = (self.cache or Cache()).root / "models" / "ultralytics"
        with library.undisturbed(folder):
            import ultralytics  # noqa: F401 - a missing extra is told before all else

            path = library.model_file(self.options.model, folder)
            self.model, self.batch = library.model(path)
            self.device = device
            try:  # its first call sets it up
                self._found([np.zeros((32, 32, 3), np.uint8)])
            except Exception as error:  # whatever it likes
                raise ModelError(
                    f"yolo: {path} cannot be run on a picture ({str(error).partition(chr(10))[0]})"
                ) from error
            self.threads = torch.get_num_threads()  # all cores but one: with all, other work slows it down many times

    def close(self) -> None:
        """Lets the model go."""
        self.model = None

    def fingerprint(self) -> str:
        """The digest of the model file, where the options name one that is there."""
        path = Path(self.options.model).expanduser()
        return digest(path) if path.is_file() else ""

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> list[Evidence]:
        """One evidence for each label of each shot."""
        with library.threads(self.threads):
            return objects(self.name, self._sightings(keyframes), keyframes, stretches(keyframes, video.span))

    def _sightings(self, keyframes: Sequence[Keyframe]) -> Iterator[Sighting]:
        unread = len(keyframes)
        for shown in read_ahead(keyframes, self.batch or self.options.batch):
            unread -= len(shown)
            found = self._found([pixels for _, pixels in shown]) if shown else []
            for (at, _), result in zip(shown, found, strict=True):
                yield from _seen(at, result)
        tell_unread(self, unread)

    def _found(self, pictures: list[Any]) -> list[Any]:
        """Ultralytics' own result for each RGB picture."""
        import cv2

        filling = [pictures[-1]] * (self.batch - len(pictures))  # an exported network may take no fewer
        bgr = [cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) for picture in [*pictures, *filling]]
        options = self.options
        results = self.model.predict(
            bgr, conf=options.confidence, iou=options.iou, imgsz=options.size, device=self.device, verbose=False
        )
        return results[: len(pictures)]


def _seen(at: int, result: Any) -> Iterator[Sighting]:
    """What a result of Ultralytics holds, surest first; turned boxes as the upright ones around them."""
    height, width = result.orig_shape
    found = result.boxes if result.boxes is not None else result.obb
    corners, sides = found.xyxy.cpu().numpy().astype(float), (width, height, width, height)
    rows = sorted(
        zip((corners / sides).clip(0, 1).tolist(), found.conf.tolist(), found.cls.tolist(), strict=True),
        key=lambda row: -row[1],
    )
    for box, sure, label in rows:
        yield Sighting(at, str(result.names[int(label)]), min(1.0, sure), Box(*box))
