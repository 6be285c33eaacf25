"""Expressions: what faces look as if they felt, which is not what people feel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .cropping import cut
from .detector import Face

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven of FER-2013, in its order."""
WEIGHTS = Path(__file__).with_name("mini_xception.safetensors")
SIDE = 64


class Expressions(Protocol):
    """Names expressions."""

    def read(self, pixels: np.ndarray, faces: Sequence[Face]) -> list[tuple[str, float]]:
        """The likeliest expression of each face, and its probability, 0..1.

        Args:
            pixels: RGB uint8 (height, width, 3) that the faces were found in.
        """
        ...


class Mini:
    """The network that ships: mini-Xception, 57,000 parameters, trained on FER-2013. Its smiles can be believed."""

    def __init__(self, device: str):
        from safetensors.torch import load_file

        self._net = MiniXception().eval()
        self._net.load_state_dict(load_file(WEIGHTS))
        self._device = device
        self._net.to(device)

    def read(self, pixels: np.ndarray, faces: Sequence[Face]) -> list[tuple[str, float]]:
        """See `Expressions`."""
        weights = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
        gray = np.stack([cut(pixels, face, SIDE) @ weights for face in faces])
        with torch.inference_mode():
            chances = self._net(torch.from_numpy(gray)[:, None].to(self._device) / 127.5 - 1).softmax(-1).cpu()
        return [(LABELS[int(row.argmax())], float(row.max())) for row in chances]


class MiniXception(nn.Module):
    """Logits of the expressions, (n, 7), from gray faces in -1..1, (n, 1, 64, 64).

    Source: Arriaga et al., "Real-time Convolutional Neural Networks for Emotion and Gender Classification", 2017.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_normed(nn.Conv2d(1, 8, 3, bias=False)), *_normed(nn.Conv2d(8, 8, 3, bias=False)))
        self.blocks = nn.Sequential(*(Block(wide // 2, wide) for wide in (16, 32, 64, 128)))
        self.head = nn.Conv2d(128, len(LABELS), 3, padding=1)

    def forward(self, faces: Tensor) -> Tensor:
        """See the class."""
        return self.head(self.blocks(self.stem(faces))).mean((2, 3))


class Block(nn.Module):
    """Two separable convolutions and a pooling beside a short cut; halves height and width."""

    def __init__(self, narrow: int, wide: int):
        super().__init__()
        first, second = _separable(narrow, wide), _separable(wide, wide)
        self.path = nn.Sequential(*first, nn.ReLU(), *second)
        self.short = nn.Sequential(nn.Conv2d(narrow, wide, 1, stride=2, bias=False), _norm(wide))

    def forward(self, x: Tensor) -> Tensor:
        """(n, wide, h / 2, w / 2), rounded up, from (n, narrow, h, w)."""
        deep = self.path(x)
        before = deep.shape[-1] % 2  # as TensorFlow pads: what is over comes behind
        padded = functional.pad(deep, (before, 1, before, 1), value=-torch.inf)
        return functional.max_pool2d(padded, 3, 2) + self.short(x)


def _separable(narrow: int, wide: int) -> list[nn.Module]:
    deep = nn.Conv2d(narrow, narrow, 3, padding=1, groups=narrow, bias=False)
    return [deep, nn.Conv2d(narrow, wide, 1, bias=False), _norm(wide)]


def _normed(layer: nn.Conv2d) -> list[nn.Module]:
    return [layer, _norm(layer.out_channels), nn.ReLU()]


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)
