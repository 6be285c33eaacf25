"""How figures are called, and which way is better: for those that are not known here, their own names."""

from __future__ import annotations

from collections.abc import Iterable

FIGURES = {
    "total": ("Ranking total", "higher", "the weighted mean of scores that the choice goes by"),
    "answered": ("Slots answered", "higher", "the share of slots of which something was said"),
    "cider": ("CIDEr-D", "higher", "words that matter shared with the references"),
    "match": ("Image-text match", "higher", "how well words fit the picture, by the small captioner's own matcher"),
    "alignment": ("Image-text alignment", "higher", "how well words fit the picture, by an image-text model"),
    "grounding": ("Grounding", "higher", "how much of what is named was seen or heard"),
    "confidence": ("Confidence", "higher", "the captioner's own measure"),
    "novelty": ("Novelty", "higher", "how much was not just said"),
    "rouge": ("ROUGE-L", "higher", "the longest common run of words with a reference"),
    "meteor": ("METEOR", "higher", "words, stems and synonyms shared with a reference"),
    "bleu1": ("BLEU-1", "higher", "words shared with the references"),
    "bleu2": ("BLEU-2", "higher", "pairs of words shared with the references"),
    "bleu3": ("BLEU-3", "higher", "runs of three words shared with the references"),
    "bleu4": ("BLEU-4", "higher", "runs of four words shared with the references"),
    "recall1": ("R@1 of neighbours", "higher", "its own references are likest to a caption of ten near in time"),
    "recall5": ("R@5 of neighbours", "higher", "its own references are among the five likest of ten near in time"),
    "diversity": ("Distinct captions", "higher", "the share of captions that are said once"),
    "self_bleu": ("Self-BLEU-4", "lower", "how much captions repeat each other's words"),
    "repetition": ("Repetition", "lower", "how alike a caption is to the ones before it"),
    "words": ("Words a caption", "", ""),
    "reading": ("Characters a second", "", "how fast one would have to read"),
}
"""For each figure what people call it, which way is better ("" where neither is), and what it tells."""


def described(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """For each figure `title`, `better` (higher, lower, or "" where neither is) and `about`; known ones first."""
    wanted = dict.fromkeys(names)
    order = [name for name in FIGURES if name in wanted] + [name for name in wanted if name not in FIGURES]
    return {name: dict(zip(("title", "better", "about"), _figure(name), strict=True)) for name in order}


def title(name: str) -> str:
    """What people call a figure."""
    return _figure(name)[0]


def _figure(name: str) -> tuple[str, str, str]:
    return FIGURES.get(name, (name.replace("_", " ").capitalize(), "higher", ""))
