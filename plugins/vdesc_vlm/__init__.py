"""vlm: any image-text-to-text model of transformers as a captioner. Imports nothing heavy."""

from vdesc import hookimpl

from .captioner import Vlm

__all__ = ["Vlm"]


@hookimpl
def captioners() -> list[type]:
    """The captioner."""
    return [Vlm]
