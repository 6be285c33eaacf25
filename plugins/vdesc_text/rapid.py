"""The rapidocr observer: PP-OCR networks through ONNX Runtime, with the networks that lie in the rapidocr package.

Text is looked for in each picture at a limited size; what is found is cut from it at full size, and recognised together
with that of the pictures beside it. What looks the same in both, to the byte, is recognised once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field
from vdesc import Evidence, Keyframe, Video
from vdesc.files import digest

from .lines import Piece, piece
from .once import Once
from .reader import TextReader

if TYPE_CHECKING:
    import numpy as np

SLIM = 8  # a picture is not made longer than so many times its other side
LEAST = 32  # pixels that the detector wants on a side


class RapidOcr(TextReader):
    """Reads Latin, Chinese and Japanese text with PP-OCR through ONNX Runtime, fast and without a download.

    Its networks are those of the package rapidocr (Apache-2.0). Other languages fetch a recogniser once, by name; any
    PP-OCR network in a file of your own can take the place of both.
    """

    name = "rapidocr"
    package = "rapidocr"
    extra = "evidence"
    shorthand = "language"

    class Options(TextReader.Options):
        """The language, or networks of your own."""

        language: str = Field(
            "",
            description="A language or script, as `korean`, `arabic`, `cyrillic`, `th`; one that the package cannot "
            "read has its recogniser fetched once. Empty for what the package reads: Latin, Chinese, Japanese.",
        )
        detector: str = Field("", description="Another PP-OCR text detector, as an ONNX file.")
        recognizer: str = Field("", description="Another PP-OCR text recogniser, as an ONNX file.")
        characters: str = Field("", description="A text file of its characters, one a line, where it holds none.")

    def load(self, device: str) -> None:
        """Reads the networks. Raises `ModelError` where one is missing or wrong, `SettingsError` for a language."""
        import numpy as np
        import onnxruntime  # noqa: F401  # rapidocr does not say by name what is missing
        from rapidocr import RapidOCR
        from vdesc.cache import Cache

        from .networks import parameters

        folder = (self.cache or Cache()).root / "models" / "rapidocr"
        limits = {"Det.limit_type": "min", "Det.limit_side_len": min(640, self.options.side // 2)}
        self.engine: Any = RapidOCR(params=parameters(self.options, folder, device) | limits)
        self._recognised = Once(self._recognise)
        blank = [np.full((48, 96, 3), 255, np.uint8)]
        self.engine.recognize_txt(self.engine.cls_and_rotate(blank)[0])  # it reads its networks when they are used

    def close(self) -> None:
        """Lets the networks go."""
        self.engine = None

    def fingerprint(self) -> str:
        """The library's version, and the digests of the files that the options name."""
        names = (self.options.detector, self.options.recognizer, self.options.characters)
        files = [Path(name).expanduser() for name in names if name]
        return " ".join([super().fingerprint(), *(digest(file) if file.is_file() else "" for file in files)])

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> list[Evidence]:
        """One evidence for each line, over the keyframes that show it."""
        self._recognised = Once(self._recognise)  # afresh: what was read before must not change what is read now
        return super().observe(video, keyframes)

    def read(self, pictures: Sequence[np.ndarray]) -> list[list[Piece]]:
        """The pieces of text in each picture."""
        places: list[np.ndarray] = []
        cuts: list[np.ndarray] = []
        for picture in pictures:
            found = self._found(picture)
            places.append(found)
            cuts += self.engine.crop_text_regions(picture[..., ::-1].copy(), found)
        readings = iter(self._recognised(cuts))
        return [[piece(*next(readings), corners) for corners in found.tolist()] for found in places]

    def _found(self, picture: np.ndarray) -> np.ndarray:
        """Corners of the places that hold text: float32 (places, 4, 2), x and y in pixels of the picture."""
        import cv2
        import numpy as np

        height, width = picture.shape[:2]
        scale = min(1.0, self.options.side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
        least = max(LEAST, -(-max(size) // SLIM))
        down, right = max(0, least - size[1]), max(0, least - size[0])
        small = cv2.copyMakeBorder(small, 0, down, 0, right, cv2.BORDER_REPLICATE)
        boxes = self.engine(small[..., ::-1].copy(), use_det=True, use_cls=False, use_rec=False).boxes
        if boxes is None or not len(boxes):
            return np.zeros((0, 4, 2), np.float32)
        corners = np.asarray(boxes, np.float32) * np.array([width / size[0], height / size[1]], np.float32)
        corners = corners.clip(0, np.array([width - 1, height - 1], np.float32))
        sides = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
        return corners[(sides >= 2).all(1)]

    def _recognise(self, cuts: list[np.ndarray]) -> list[tuple[str, float]]:
        """Text and confidence of each cut, BGR."""
        upright, _ = self.engine.cls_and_rotate(cuts)
        said = self.engine.recognize_txt(upright)
        return list(zip(said.txts, said.scores, strict=True))
