"""The noun of the metrics: one number, and how it came about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that says how good captions are.

    Args:
        name: short and unique, as in `bleu4`; `LABELS` has what people call it.
        value: None where it could not be computed.
        how: the tokeniser or model behind it; where there is no value, why not.
        items: the value of each item by id, where it has one.
    """

    name: str
    value: float | None
    how: str
    items: Mapping[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What papers call it."""
        return LABELS.get(self.name, self.name)


LABELS = {
    "bleu1": "BLEU-1", "bleu2": "BLEU-2", "bleu3": "BLEU-3", "bleu4": "BLEU-4", "rouge": "ROUGE-L", "cider": "CIDEr-D",
    "meteor": "METEOR", "meteor_exact": "METEOR, equal words", "spice": "SPICE", "bertscore": "BERTScore F1",
    "sbert": "SBERT cosine",
    "diversity": "distinct captions", "distinct1": "distinct-1", "distinct2": "distinct-2", "self_bleu": "self-BLEU-4",
    "length": "words a caption", "vocabulary": "vocabulary",
}  # fmt: skip


def mean(name: str, items: Mapping[str, float], how: str) -> Figure:
    """The figure that is the mean of its items."""
    return Figure(name, fmean(items.values()) if items else None, how, items)
