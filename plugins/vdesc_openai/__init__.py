"""openai: captions from any server that speaks OpenAI's chat completions, here or elsewhere."""

from vdesc.hookspecs import hookimpl

from .captioner import OpenAI


@hookimpl
def captioners() -> list[type[OpenAI]]:
    """The captioner of OpenAI-compatible servers."""
    return [OpenAI]
