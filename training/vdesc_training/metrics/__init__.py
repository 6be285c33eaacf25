"""Caption metrics as the papers compute them: words are counted as the COCO evaluation counts them."""

from collections.abc import Mapping, Sequence

from . import ngrams, tokens, variety
from .figure import Figure
from .ngrams import References
from .tokens import TOKENIZERS, normal
from .words import Words, tokenized

__all__ = ["TOKENIZERS", "Figure", "References", "Words", "normal", "score", "tokenized"]


def score(
    predictions: Mapping[str, str], references: Mapping[str, Sequence[str]], tokenizer: str = "own"
) -> dict[str, float]:
    """BLEU-1..4, ROUGE-L and CIDEr-D of predictions against their references, and the share of distinct captions.

    Args:
        predictions: one caption for each id.
        references: at least one caption for each of these ids; others are left aside.
        tokenizer: one of `TOKENIZERS`, or `auto` for English; `own` starts no other program.
    """
    words = tokenized(predictions, references, tokens.tokenizer(tokenizer))
    figures = [*ngrams.figures(words, References(words.truth)), variety.distinct_captions(words)]
    return {figure.name: figure.value or 0.0 for figure in figures}
