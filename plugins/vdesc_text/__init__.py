"""The text that is seen: rapidocr (PP-OCR through ONNX Runtime, works without a download) and ocr (EasyOCR)."""

from vdesc import Observer, hookimpl

from .easy import EasyOcr
from .rapid import RapidOcr


@hookimpl
def observers() -> list[type[Observer]]:
    """The two readers."""
    return [RapidOcr, EasyOcr]
