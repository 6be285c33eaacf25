"""Small data sets made for tests: drawn photos, short videos, and what their publishers would write of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from media_samples import scene, write_video
from PIL import Image, ImageDraw
from vdesc_training.building import Choices, build
from vdesc_training.report import Report
from vdesc_training.splits import Shares
from vdesc_training.table import Item, read_table

TRAIN = Choices(Shares(0, 0))


def photo(path: Path, colour: str = "red", size: tuple[int, int] = (48, 32)) -> Path:
    """A photo of a white disc."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).ellipse((8, 4, 28, 24), fill="white")
    image.save(path)
    return path


def video(path: Path, seconds: int = 2) -> Path:
    """A video of a slow pan, ten frames a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, scene(1, 10 * seconds), fps=10)


def text(path: Path, content: str, encoding: str = "utf-8") -> Path:
    """A text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def as_json(path: Path, data: Any) -> Path:
    """A JSON file."""
    return text(path, json.dumps(data))


def read(
    reader: Callable[..., Any], *sources: Path, to: Path, choices: Choices = TRAIN
) -> tuple[dict[str, Item], Report]:
    """The items of the table that a reader gives, by id, and its report."""
    report = build(reader, sources, to, choices)
    items = list(read_table(to))
    assert len({item.id for item in items}) == len(items) == sum(report.items.values())
    return {item.id: item for item in items}, report


def rejects(report: Report) -> dict[str, int]:
    """How often each reason for leaving something out was met."""
    return {reason: found.count for reason, found in report.rejects.items()}
