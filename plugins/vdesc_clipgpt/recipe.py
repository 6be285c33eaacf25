"""The recipe: everything that decides what a training run gives."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Recipe(BaseModel):
    """Everything that decides what a training run gives; `configs/clipgpt/` holds named ones."""

    model_config = ConfigDict(extra="forbid")

    model: dict[str, Any] = {}
    encoder_weights: Path | None = None
    start: Path | None = None
    vocabulary: int = 5000
    epochs: float = 10
    photos: int = 48
    captions: int = 0
    rate: float = 5e-4
    encoder_rate: float = 1e-4
    encoder_from_epoch: float = 0
    warmup: float = 0.05
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    clip: float = 1.0
    smallest_crop: float = 0.6
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: int = 0
    workers: int = 1
    beams: int = 1
