"""Truth: captions of slots held against what people said of them, and against each other, by the papers' metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vdesc.ranking import Similarity
from vdesc_training.metrics import TOKENIZERS, Figure, References, Words, ngrams, programs, tokens, variety

RECALLS = (1, 5)


class Truth:
    """The references of slots, split into words once.

    Args:
        said: texts by the index of their slot; none where there are no references.
        language: of all texts, a BCP 47 tag; it decides the tokeniser.
    """

    def __init__(self, said: Mapping[int, Sequence[str]], language: str):
        self.said, self.language = said, language
        self.how, self._split = TOKENIZERS[tokens.tokenizer("auto" if said else "own", language)]
        texts = [text for some in said.values() for text in some]
        words = iter(self._split(texts) if texts else [])
        self._words = {str(slot): [next(words) for _ in some] for slot, some in said.items()}
        self._references = References(self._words)

    def figures(self, texts: Mapping[int, str]) -> tuple[dict[str, float], dict[str, dict[int, float]]]:
        """Figures of the whole and figures by slot, by name, of one caption for each of some slots.

        Of the whole: the share of different captions, self-BLEU, and with references BLEU-1 to -4; by slot, with
        references: ROUGE-L, CIDEr-D, and METEOR where Java runs.
        """
        if not texts:
            return {}, {}
        words = self._split(list(texts.values()))
        split = {str(slot): some for slot, some in zip(texts, words, strict=True)}
        varied = Words(split, {}, self.how)
        grams = {key: ngrams.ngrams(some) for key, some in split.items()}
        whole = _values([variety.distinct_captions(varied), variety.self_bleu(varied, grams)])
        known = {key: some for key, some in split.items() if key in self._words}
        if not known:
            return whole, {}
        measured = Words(known, {key: self._words[key] for key in known}, self.how)
        figures = {one.name: one for one in ngrams.figures(measured, self._references)}
        meteor = programs.meteor(measured, self.language)
        whole |= _values([figure for name, figure in figures.items() if name.startswith("bleu")])
        each = [figures["rouge"], figures["cider"], *([meteor] if meteor.items else [])]
        return whole, {figure.name: {int(key): value for key, value in figure.items.items()} for figure in each}

    def values(self, texts: Mapping[int, Sequence[str]]) -> dict[str, dict[int, dict[str, float]]]:
        """CIDEr-D and ROUGE-L of each of several texts of each slot that has references."""
        some = {slot: list(dict.fromkeys(said)) for slot, said in texts.items() if str(slot) in self._words}
        flat = [text for said in some.values() for text in said]
        words = dict(zip(flat, self._split(flat), strict=True)) if flat else {}
        return {
            name: {slot: {text: measure(str(slot), words[text]) for text in said} for slot, said in some.items()}
            for name, measure in (("cider", self._references.cider), ("rouge", self._references.rouge))
        }

    def recalls(
        self, texts: Mapping[int, str], slots: Sequence[int], similar: Similarity, among: int
    ) -> dict[str, dict[int, float]]:
        """For each slot whether its own references are among the 1, or 5, likest to its caption of all near in time.

        Args:
            slots: all slots in order of time.
            similar: the likeness of a caption and a reference.
            among: how many slots, the own one counted, are near; fewer where the video has fewer.
        """
        known = [slot for slot in slots if slot in self.said]
        found: dict[str, dict[int, float]] = {f"recall{k}": {} for k in RECALLS if k < len(known)}
        for i, slot in enumerate(known):
            if slot not in texts:
                continue
            first = max(0, min(i - among // 2, len(known) - among))
            likeness = {
                near: max(similar(texts[slot], text) for text in self.said[near])
                for near in known[first : first + among]
            }
            above = sum(value > likeness[slot] for near, value in likeness.items() if near != slot)
            equal = sum(value == likeness[slot] for near, value in likeness.items() if near != slot)
            for k in RECALLS:  # of equals the own one may stand at any place: its share of them counts
                if k < len(known):
                    found[f"recall{k}"][slot] = min(1.0, max(0.0, (k - above) / (equal + 1)))
        return found


def _values(figures: Sequence[Figure]) -> dict[str, float]:
    return {figure.name: figure.value for figure in figures if figure.value is not None}
