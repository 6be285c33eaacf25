"""A face cut from its picture, upright and of one size, as networks that look at faces want it."""

from __future__ import annotations

import cv2
import numpy as np

from .detector import Face


def cut(pixels: np.ndarray, face: Face, side: int) -> np.ndarray:
    """The face alone, its eyes on a level, RGB uint8 (side, side, 3); the picture's edge is repeated where it ends.

    Args:
        pixels: RGB uint8 (height, width, 3) that the face was found in.
    """
    height, width = pixels.shape[:2]
    box = face.box
    middle = np.array([(box.left + box.right) / 2 * width, (box.top + box.bottom) / 2 * height])
    extent = max((box.right - box.left) * width, (box.bottom - box.top) * height)
    finer = side * max(1, round(extent / side))  # then shrunk by areas: fine lines would alias in one step
    eyes = np.subtract(face.points[1], face.points[0]) * (width, height)
    turn = cv2.getRotationMatrix2D(middle.tolist(), float(np.degrees(np.arctan2(eyes[1], eyes[0]))), finer / extent)
    turn[:, 2] += finer / 2 - middle
    alone = cv2.warpAffine(pixels, turn, (finer, finer), borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(alone, (side, side), interpolation=cv2.INTER_AREA)
