"""The objects that are seen: yolox (ships with its network, Apache-2.0) and yolo (Ultralytics' models, AGPL-3.0)."""

from vdesc import Observer, hookimpl

from .yolo import Yolo
from .yolox import Yolox


@hookimpl
def observers() -> list[type[Observer]]:
    """The detectors."""
    return [Yolox, Yolo]
