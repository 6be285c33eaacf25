"""Truth: captions of slots held against what people said of them, and against each other, by the papers' metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vdesc.ranking import Similarity
from vdesc_training.metrics import TOKENIZERS, Figure, References, Words, ngrams, programs, tokens, variety

RECALLS = (1, 5)
Counted = tuple[dict[str, float], dict[str, dict[int, float]]]
"""Figures of the whole, and figures by slot, by name."""


class Truth:
    """The references of slots and the captions, split into words once.

    Args:
        said: texts by the index of their slot; none where there are no references.
        texts: all that is held against them.
        language: of all texts, a BCP 47 tag; it decides the tokeniser.

    Attributes:
        lacks: what could not be computed, and why; "" where nothing is missing.
    """

    def __init__(self, said: Mapping[int, Sequence[str]], texts: Sequence[str], language: str):
        self.said, self.language = said, language
        self.how, split = TOKENIZERS[tokens.tokenizer("auto" if said else "own", language)]
        every = list(dict.fromkeys([*(text for some in said.values() for text in some), *texts]))
        self._split = dict(zip(every, split(every), strict=True)) if every else {}
        self._words = {str(slot): [self._split[text] for text in some] for slot, some in said.items()}
        self._references = References(self._words)
        self.lacks = ""

    def figures(self, columns: Sequence[Mapping[int, str]]) -> list[Counted]:
        """The figures of each column, which has one caption for each of some slots.

        Of the whole: the share of different captions, self-BLEU, and with references BLEU-1 to -4; by slot, with
        references: ROUGE-L, CIDEr-D, and METEOR where Java runs.
        """
        counted = [self._counted(texts) for texts in columns]
        for (_, items), values in zip(counted, self._meteors(columns), strict=True):
            if values:
                items["meteor"] = values
        return counted

    def _counted(self, texts: Mapping[int, str]) -> Counted:
        if not texts:
            return {}, {}
        split = {str(slot): self._split[text] for slot, text in texts.items()}
        varied = Words(split, {}, self.how)
        grams = {key: ngrams.ngrams(some) for key, some in split.items()}
        whole = _values([variety.distinct_captions(varied), variety.self_bleu(varied, grams)])
        known = {key: some for key, some in split.items() if key in self._words}
        if not known:
            return whole, {}
        measured = Words(known, {key: self._words[key] for key in known}, self.how)
        figures = {one.name: one for one in ngrams.figures(measured, self._references)}
        whole |= _values([figure for name, figure in figures.items() if name.startswith("bleu")])
        each = {name: figures[name].items for name in ("rouge", "cider")}
        return whole, {name: {int(key): value for key, value in items.items()} for name, items in each.items()}

    def _meteors(self, columns: Sequence[Mapping[int, str]]) -> list[dict[int, float]]:
        """METEOR of each column by slot, by one start of its program, which takes longer to start than to count."""
        said = {
            f"{i}/{slot}": self._split[text]
            for i, texts in enumerate(columns) for slot, text in texts.items() if str(slot) in self._words
        }  # fmt: skip
        found: list[dict[int, float]] = [{} for _ in columns]
        if said:
            truth = {key: self._words[key.partition("/")[2]] for key in said}
            figure = programs.meteor(Words(said, truth, self.how), self.language)
            self.lacks = "" if figure.items else f"no METEOR: {figure.how}"
            for key, value in figure.items.items():
                i, slot = map(int, key.split("/"))
                found[i][slot] = value
        return found

    def values(self, texts: Mapping[int, Sequence[str]]) -> dict[str, dict[int, dict[str, float]]]:
        """CIDEr-D and ROUGE-L of each of several texts of each slot that has references."""
        some = {slot: list(dict.fromkeys(said)) for slot, said in texts.items() if str(slot) in self._words}
        return {
            name: {slot: {text: measure(str(slot), self._split[text]) for text in said} for slot, said in some.items()}
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
