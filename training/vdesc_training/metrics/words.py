"""Captions and their references as words: tokenised once, whatever is then counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .tokens import TOKENIZERS

SEAM = "x"
"""Stands between captions and references: Stanford's tokeniser looks one line ahead, and would read the first reference
as what follows the last caption."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words by id.

    Args:
        said: of each caption.
        truth: of each reference, for the same ids.
        how: what the tokeniser is called.
    """

    said: Mapping[str, list[str]]
    truth: Mapping[str, list[list[str]]]
    how: str


def tokenized(predictions: Mapping[str, str], references: Mapping[str, Sequence[str]], name: str) -> Words:
    """The words of the predictions and of the references of the same ids; `name` is one of `TOKENIZERS`."""
    how, tokenize = TOKENIZERS[name]
    texts = [text for key in predictions for text in references[key]]
    words = iter(tokenize([*predictions.values(), SEAM, *texts]))
    said = {key: next(words) for key in predictions}
    next(words)
    return Words(said, {key: [next(words) for _ in references[key]] for key in predictions}, how)
