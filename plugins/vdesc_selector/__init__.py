"""selector: a language model that was taught which of several captions is the best, by their words and the evidence."""

from vdesc import hookimpl

from .ranker import Selector
from .teacher import SelectorTrainer


@hookimpl
def rankers() -> list[type[Selector]]:
    """The ranker `selector`."""
    return [Selector]


@hookimpl
def trainers() -> list[type[SelectorTrainer]]:
    """The trainer `selector`."""
    return [SelectorTrainer]
