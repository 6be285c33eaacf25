"""The yolox observer: a YOLOX network over all keyframes, several at once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import Field
from vdesc import Box, Evidence, InputError, Keyframe, ModelError, Observer, Video
from vdesc.files import digest
from vdesc.onnx import session
from vdesc.planning import stretches
from vdesc.sightings import Sighting

from .grouping import objects
from .network import Network, fit
from .reading import batches, read, tell_unread

SHIPPED = Path(__file__).parent / "yolox_nano"
MOST_AT_ONCE = 8  # pictures held in memory at full size


class Yolox(Observer):
    """Finds objects of 80 kinds with YOLOX-nano, which ships; any other YOLOX network can take its place.

    It looks at one keyframe on each core: that is faster than one keyframe on all of them.
    """

    name = "yolox"
    finds = ("object",)
    extra = "evidence"

    class Options(Observer.Options):
        """The network and what counts as seen."""

        model: str = Field("", description="Another YOLOX network, as an ONNX file; empty for the one that ships.")
        labels: str = Field("", description="A text file with its labels, one a line; empty for those of COCO.")
        confidence: float = Field(0.3, ge=0, le=1, description="What is less sure is not evidence.")
        iou: float = Field(
            0.45, ge=0, le=1, description="Of boxes with one label that overlap more than this, the surest stays."
        )
        batch: int = Field(
            8, ge=1, description="Keyframes in one forward pass, where the network was exported with a free batch axis."
        )

    def load(self, device: str) -> None:
        """Reads the network. Raises `MissingExtra`, or `ModelError` where the files do not fit."""
        path = Path(self.options.model).expanduser() if self.options.model else SHIPPED / "yolox_nano.onnx"
        self.network = Network(session(path, self.name, self.extra, device, threads=1), f"{self.name}: {path}")
        self.labels = _labels(Path(self.options.labels).expanduser() if self.options.labels else SHIPPED / "labels.txt")
        if len(self.labels) != self.network.classes:
            raise ModelError(
                f"yolox: {path} tells {self.network.classes} kinds of object but there are {len(self.labels)} labels: "
                "name the file of its labels with --set yolox.labels=FILE"
            )

    def close(self) -> None:
        """Lets the network go."""
        self.network = None  # type: ignore[assignment]

    def fingerprint(self) -> str:
        """The digests of the files that the options name."""
        files = [Path(name).expanduser() for name in (self.options.model, self.options.labels) if name]
        return " ".join(digest(file) if file.is_file() else "" for file in files)

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> list[Evidence]:
        """One evidence for each label of each shot."""
        return objects(self.name, self._sightings(keyframes), keyframes, stretches(keyframes, video.span))

    def _sightings(self, keyframes: Sequence[Keyframe]) -> Iterator[Sighting]:
        def look(some: Sequence[int]) -> tuple[int, list[Sighting]]:
            shown = [
                (at, pixels.shape[:2], fit(pixels, self.network.size)) for at, pixels in read(keyframes, some)
            ]  # never more than one at full size
            return len(some) - len(shown), self._seen(*zip(*shown, strict=True)) if shown else []

        unread = 0
        with ThreadPoolExecutor(min(MOST_AT_ONCE, os.cpu_count() or 1)) as pool:
            for missing, seen in pool.map(look, batches(keyframes, self.network.batch or self.options.batch)):
                unread += missing
                yield from seen
        tell_unread(self, unread)

    def _seen(self, places: Sequence[int], sizes: Any, fitted: Any) -> list[Sighting]:
        found = self.network.detect(fitted, sizes, self.options.confidence, self.options.iou)
        return [
            Sighting(at, self.labels[label], sure, Box(*box))
            for at, seen in zip(places, found, strict=True)
            for box, label, sure in zip(
                seen.boxes.tolist(), seen.labels.tolist(), seen.confidences.tolist(), strict=True
            )
        ]


def _labels(path: Path) -> list[str]:
    """The lines of a text file that hold anything. Raises `InputError`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"yolox: the labels in {path} cannot be read ({error}): give a text file") from error
    return [line.strip() for line in lines if line.strip()]
