"""A YOLOX network: pictures in, boxes with labels and confidences out. Knows arrays and a session, nothing of videos.

Source: Ge et al. 2021, arXiv 2107.08430; the preprocessing and the decoding are those of YOLOX's own ONNX demo (0.1.1):
BGR, 0..255, scaled to fit at the top left, the rest filled with 114; boxes relative to a grid for each stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vdesc import ModelError

if TYPE_CHECKING:
    import numpy as np

STRIDES = (8, 16, 32)
GREY = 114


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What is in one picture, surest first.

    `boxes` are float64 (n, 4), left, top, right, bottom in shares of the picture, 0..1; `labels` int64 (n,) number the
    classes; `confidences` are float64 (n,), 0..1.
    """

    boxes: np.ndarray
    labels: np.ndarray
    confidences: np.ndarray


class Network:
    """A YOLOX network in an ONNX Runtime session.

    `batch` is how many pictures one forward pass takes, 0 where that is free; `classes` is how many kinds it tells.

    Raises:
        ModelError: the network takes or gives something else than a YOLOX network does; `name` stands in the sentence.
    """

    def __init__(self, session: Any, name: str):
        self.session = session
        given = session.get_inputs()[0]
        batch, *shape = given.shape
        fits = len(shape) == 3 and shape[0] == 3 and all(isinstance(side, int) and side % 32 == 0 for side in shape[1:])
        if not fits or given.type != "tensor(float)" or (isinstance(batch, int) and batch != 1):
            raise ModelError(f"{name} is no YOLOX network: it takes {given.type} {given.shape}, not 1 x 3 pixels")
        self.batch, self.size, self.input = int(batch == 1), (shape[1], shape[2]), given.name
        self.grid, self.stride = grid(self.size)
        self.classes = self._classes(name)

    def detect(
        self, fitted: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]], confidence: float, iou: float
    ) -> list[Detections]:
        """What is in each of the pictures.

        Args:
            fitted: the pictures, from `fit`; only one where `batch` is 1.
            sizes: height and width that each had before.
            confidence: what is less sure is dropped.
            iou: of boxes of one class that overlap more than this, only the surest stays.
        """
        import numpy as np

        rows = self._run(np.concatenate(fitted))
        return [self._found(*pair, confidence, iou) for pair in zip(rows, sizes, strict=True)]

    def _run(self, fitted: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.input: fitted})[0]

    def _classes(self, name: str) -> int:
        import numpy as np

        try:
            shape = self._run(np.zeros((1, 3, *self.size), np.float32)).shape
        except Exception as error:  # ONNX Runtime's errors share no base
            reason = str(error).partition("\n")[0]
            raise ModelError(f"{name} is no YOLOX network: it cannot be run on a picture ({reason})") from error
        if len(shape) != 3 or shape[1] != len(self.grid) or shape[2] < 6:
            wanted = f"{len(self.grid)} boxes of at least 6 numbers"
            raise ModelError(f"{name} is no YOLOX network: for one picture it gives {shape}, not {wanted}")
        return shape[2] - 5

    def _found(self, rows: np.ndarray, size: tuple[int, int], confidence: float, iou: float) -> Detections:
        import numpy as np

        labels = rows[:, 5:].argmax(1)
        sure = rows[:, 4] * np.take_along_axis(rows[:, 5:], labels[:, None], 1)[:, 0]
        kept = np.flatnonzero(sure >= confidence)  # without what is no number
        boxes = decode(rows[kept, :4], self.grid[kept], self.stride[kept])
        scale = min(self.size[0] / size[0], self.size[1] / size[1])
        boxes = np.nan_to_num(boxes / (np.array([size[1], size[0]] * 2) * scale)).clip(0, 1)
        kept = kept[inside := (boxes[:, 2:] > boxes[:, :2]).all(1)]
        boxes, labels, confidences = boxes[inside], labels[kept], sure[kept].astype(float).clip(0, 1)
        best = nms(boxes, confidences, labels, iou)
        return Detections(boxes[best], labels[best], confidences[best])


def fit(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture as the network wants it: float32 (1, 3, height, width), BGR, 0..255.

    Args:
        picture: RGB uint8 (height, width, 3) of any size; it keeps its aspect.
        size: height and width of the network's input.
    """
    import cv2
    import numpy as np

    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    canvas = np.full((*size, 3), GREY, np.uint8)
    shown = max(1, round(width * scale)), max(1, round(height * scale))
    canvas[: shown[1], : shown[0]] = cv2.resize(picture, shown, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1)[None], np.float32)


def grid(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The cells that boxes are relative to: x and y in cells, float64 (cells, 2), and their strides, (cells, 1).

    All cells of the finest stride come first, row by row.
    """
    import numpy as np

    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        y, x = np.indices((rows, columns), float).reshape(2, -1)
        corners.append(np.stack([x, y], 1))
        strides.append(np.full((rows * columns, 1), float(stride)))
    return np.concatenate(corners), np.concatenate(strides)


def decode(rows: np.ndarray, corners: np.ndarray, strides: np.ndarray) -> np.ndarray:
    """Boxes as left, top, right, bottom in pixels of the network's input, float64 (n, 4).

    Args:
        rows: (n, 4): the centre's place in its cell, in cells; the logarithm of width and height in cells.
        corners, strides: the cells, see `grid`.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        centre, half = (rows[:, :2] + corners) * strides, np.exp(rows[:, 2:].astype(float)) * strides / 2
    return np.concatenate([centre - half, centre + half], 1)


def nms(boxes: np.ndarray, confidences: np.ndarray, labels: np.ndarray, iou: float) -> np.ndarray:
    """Positions, int64 (kept,), of the boxes that stay, surest first: non-maximum suppression within each class.

    Args:
        boxes: float (n, 4), left, top, right, bottom, within 0..1.
        confidences: float (n,); of equal ones the first in order counts as surer.
        labels: int (n,); boxes of different classes leave each other alone.
        iou: a box that overlaps (intersection over union) a surer one more than this is dropped.
    """
    import numpy as np

    apart = boxes + 2.0 * labels[:, None]  # boxes of different classes cannot meet
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    order, kept = np.argsort(-confidences, kind="stable"), []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        corner = np.maximum(apart[best, :2], apart[order, :2])
        shared = (np.minimum(apart[best, 2:], apart[order, 2:]) - corner).clip(0).prod(1)
        order = order[shared <= iou * (area[best] + area[order] - shared)]
    return np.array(kept, np.int64)
