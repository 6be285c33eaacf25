"""Made-up pictures with text, keyframes that show them, and EasyOCR's networks with made-up weights; holds no test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from vdesc import Keyframe, Picture, Shot, Span

SIZE = (1280, 720)


@dataclass(frozen=True, slots=True)
class Drawn(Picture):
    """A picture in memory."""

    array: Any = None

    def pixels(self) -> np.ndarray:
        return self.array


def keyframes(pictures: Sequence[np.ndarray], length: int = 2000) -> tuple[Keyframe, ...]:
    """Keyframes of so many milliseconds each, in one shot, that show the pictures."""
    shot = Shot(0, Span(0, length * len(pictures)))
    return tuple(
        Keyframe(i, i * length + length // 2, shot, Drawn(Path(f"{i}.png"), picture))
        for i, picture in enumerate(pictures)
    )


def write(picture: np.ndarray, text: str, x: int, y: int, size: int, ink: Any = "black") -> np.ndarray:
    """The picture with a text whose middle is at (x, y)."""
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text((x, y), text, fill=ink, font=ImageFont.load_default(size), anchor="mm")
    return np.asarray(image)


def paper(size: tuple[int, int] = SIZE, colour: int = 255) -> np.ndarray:
    """An empty picture."""
    return np.full((size[1], size[0], 3), colour, np.uint8)


def slide(title: str, lines: Sequence[str]) -> np.ndarray:
    """A slide with a heading and a list."""
    image = Image.fromarray(paper())
    draw = ImageDraw.Draw(image)
    draw.text((640, 90), title, fill="black", font=ImageFont.load_default(64), anchor="mm")
    for i, line in enumerate(lines):
        draw.text((120, 220 + 90 * i), line, fill="black", font=ImageFont.load_default(40), anchor="lm")
    return np.asarray(image)


def easyocr_files(folder: Path, languages: str = "english_g2") -> Path:
    """A folder with EasyOCR's detector and recogniser with made-up weights, whose MD5 sums EasyOCR now expects.

    The detector takes every picture for one text, which the recogniser reads as "a".
    """
    import torch
    from easyocr import config
    from easyocr.craft import CRAFT
    from easyocr.model.vgg_model import Model

    folder.mkdir(parents=True, exist_ok=True)
    told = config.recognition_models["gen2"][languages]
    torch.manual_seed(0)
    detector, recogniser = CRAFT(), Model(1, 256, 256, len(told["characters"]) + 1)  # one more for the blank
    with torch.no_grad():
        detector.conv_cls[-1].weight.zero_()
        detector.conv_cls[-1].bias.copy_(torch.tensor([1.0, 0.0]))  # text everywhere, nothing between texts
        recogniser.Prediction.bias[1 + told["characters"].index("a")] = 20.0
    for network, entry in ((detector, config.detection_models["craft"]), (recogniser, told)):
        path = folder / entry["filename"]
        torch.save({f"module.{name}": weights for name, weights in network.state_dict().items()}, path)
        entry["md5sum"] = hashlib.md5(path.read_bytes()).hexdigest()
    return folder
