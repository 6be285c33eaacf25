"""grounding: whether words rest on what detectors, OCR, speech, sounds and faces found."""

from vdesc.hookspecs import hookimpl

from .ranker import Grounding


@hookimpl
def rankers() -> list[type[Grounding]]:
    """The grounding ranker."""
    return [Grounding]
