"""torchvision beside a torch that it was not built for: it is importable, with `nms` in plain numpy.

A torchvision built for CUDA beside a torch for CPUs (or the other way round) cannot load its compiled operators. Then
its import fails, and with it that of transformers, which imports whatever torchvision it finds. `install` puts a finder
on `sys.meta_path` that looks whether the operators load and, only where they do not, defines `nms`, the one that
detectors need. It costs nothing until somebody imports torchvision. Imports nothing heavy itself.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

_kept: list[Any] = []  # a library of operators lives as long as its object


def install() -> None:
    """Readies the import of torchvision; does nothing where it is imported already, or when called again."""
    if "torchvision" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:  # no importlib.abc: to import that takes longer than all else here
    """Stays for good: transformers asks whether torchvision is there long before it imports it."""

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname != "torchvision":
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec and spec.loader:
            spec.loader = _WithOperators(spec.loader)  # type: ignore[assignment]
        return spec


class _WithOperators:
    def __init__(self, inner: Any):
        self.inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        missing = not _operators_load([Path(folder) for folder in module.__path__])
        if missing:
            _define()
        self.inner.exec_module(module)
        if missing:  # its own check asks for the compiled library, not for the operator
            sys.modules["torchvision.ops.boxes"]._assert_has_ops = lambda: None  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # resources and sources are the inner loader's to give


def _operators_load(folders: list[Path]) -> bool:
    """Whether the compiled operators fit this torch; a torchvision without any is left as it is."""
    import torch

    libraries = [file for folder in folders for pattern in ("_C*.so", "_C*.pyd") for file in folder.glob(pattern)]
    for library in libraries:
        try:
            torch.ops.load_library(library)
            return True
        except (OSError, ImportError):
            continue
    return not libraries


def _define() -> None:
    import torch

    if _kept:
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):  # qnms is that of quantized boxes: named at import, never called here
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl(name, nms, "CPU")
    _kept.append(library)


def nms(dets: Any, scores: Any, iou_threshold: float) -> Any:
    """Positions, int64 (kept,), of the boxes that stay: best first, without those that overlap a better one too much.

    Args:
        dets: float (boxes, 4), left, top, right, bottom.
        scores: float (boxes,).
        iou_threshold: an overlap (intersection over union) above this drops the lesser box.
    """
    import numpy as np
    import torch

    boxes = dets.detach().float().numpy()
    order = scores.detach().float().argsort(descending=True, stable=True).numpy()
    area, kept = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        corner = np.maximum(boxes[best, :2], boxes[rest, :2])
        width, height = np.clip(np.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner, 0, None).T
        shared = width * height
        with np.errstate(invalid="ignore", divide="ignore"):
            order = rest[~(shared / (area[best] + area[rest] - shared) > iou_threshold)]
    return torch.as_tensor(np.asarray(kept, dtype=np.int64))
