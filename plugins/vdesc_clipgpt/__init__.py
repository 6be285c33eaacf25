"""clipgpt: captions from a vision encoder, a prefix mapper and GPT-2; `match` judges words with the same network."""

from vdesc import hookimpl

from .converter import Checkpoints
from .plugin import ClipGPT
from .ranker import Match
from .teacher import ClipGPTTrainer


@hookimpl
def captioners() -> list[type[ClipGPT]]:
    """The captioner `clipgpt`."""
    return [ClipGPT]


@hookimpl
def rankers() -> list[type[Match]]:
    """The ranker `match`."""
    return [Match]


@hookimpl
def converters() -> list[type[Checkpoints]]:
    """The converter `clipgpt`."""
    return [Checkpoints]


@hookimpl
def trainers() -> list[type[ClipGPTTrainer]]:
    """The trainer `clipgpt`."""
    return [ClipGPTTrainer]
