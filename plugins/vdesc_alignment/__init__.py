"""alignment: how well words fit the picture, by an image-text encoder such as CLIP or SigLIP."""

from vdesc.hookspecs import hookimpl

from .ranker import Alignment


@hookimpl
def rankers() -> list[type[Alignment]]:
    """The alignment ranker."""
    return [Alignment]
