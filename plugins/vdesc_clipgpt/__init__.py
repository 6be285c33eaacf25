"""clipgpt: captions from a vision encoder, a prefix mapper and GPT-2."""

from vdesc import hookimpl

from .plugin import ClipGPT


@hookimpl
def captioners() -> list[type[ClipGPT]]:
    """The captioner `clipgpt`."""
    return [ClipGPT]
