"""An evaluation: every figure of a set of cases, with how each was computed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from .cases import Case
from .metrics import Figure, References, Words, meaning, meteor, ngrams, programs, tokenized, tokens, variety
from .metrics.figure import mean


@dataclass(frozen=True, slots=True)
class How:
    """How captions are measured.

    Args:
        tokenizer: a name in `metrics.TOKENIZERS`, or `auto` (see `metrics.tokens.tokenizer`).
        language: of the captions, as a BCP 47 tag.
        similarity: a sentence model for the cosine, `auto`, or `tokens` for none; as `ranking.similarity`.
        bertscore: a model for BERTScore, or "" for none.
        device: a torch device for it.
        judges: what stands behind the numbers of each ranker, by its name.
    Raises:
        SettingsError, ModelError, MissingExtra: there is no such tokeniser or model here; told before there is work to
            lose.
    """

    tokenizer: str = "auto"
    language: str = "en"
    similarity: str = "auto"
    bertscore: str = ""
    device: str = "cpu"
    judges: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tokens.tokenizer(self.tokenizer, self.language)
        if self.bertscore:
            meaning.bertscore_model(self.bertscore)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured.

    Args:
        cases: all items, in their order.
        figures: of the chosen captions.
        choices: where several captions were proposed, the figures of the captioner's `first`, of the `ranked` choice,
            and of the `oracle`, which takes each item's caption with the best CIDEr-D: the most that ranking can win.
        rejects: items that could not be measured: why, by id.
        made: what was measured with which versions, models and data.
    """

    cases: Sequence[Case]
    figures: Sequence[Figure]
    choices: Mapping[str, Sequence[Figure]] = field(default_factory=dict)
    rejects: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)

    def figure(self, name: str) -> Figure:
        """The figure of that name."""
        return next(figure for figure in self.figures if figure.name == name)


def measure(cases: Sequence[Case], how: How) -> tuple[list[Figure], dict[str, list[Figure]]]:
    """All figures of the chosen captions, and those of each choice where there was one (see `Evaluation`).

    A figure that cannot be computed here has no value, and says why.

    Raises `ModelError` where the sentence model that was named cannot be loaded.
    """
    name = tokens.tokenizer(how.tokenizer, how.language)
    chosen = {case.id: case.chosen for case in cases}
    words = tokenized(chosen, {case.id: case.references for case in cases}, name)
    references = References(words.truth)
    figures = ngrams.figures(words, references)
    figures.append(programs.meteor(words, how.language))
    figures += [meteor.exact(words)] if figures[-1].value is None else []
    figures.append(programs.spice(words, how.language))
    figures += [*_meanings(cases, chosen, how), *_rankers(cases, how.judges), *variety.figures(words)]
    several = any(len(case.candidates) > 1 for case in cases)
    return figures, _choices(cases, words, references, tokens.TOKENIZERS[name][1]) if several else {}


def _choices(
    cases: Sequence[Case], words: Words, references: References, tokenize: tokens.Tokenizer
) -> dict[str, list[Figure]]:
    proposed = list(dict.fromkeys(text for case in cases for text in case.candidates))
    split = dict(zip(proposed, tokenize(proposed), strict=True))
    first, best = {}, {}
    for case in cases:
        said = [split[text] for text in case.candidates] or [[]]
        first[case.id] = said[0]
        best[case.id] = max(said, key=partial(references.cider, case.id))
    choices = {"first": first, "ranked": words.said, "oracle": best}
    return {name: _counted(replace(words, said=said), references) for name, said in choices.items()}


def _counted(words: Words, references: References) -> list[Figure]:
    return [*ngrams.figures(words, references), variety.distinct_captions(words)]


def _meanings(cases: Sequence[Case], chosen: Mapping[str, str], how: How) -> Iterable[Figure]:
    truth = {case.id: case.references for case in cases}
    if how.bertscore:
        yield meaning.bertscore(chosen, truth, how.bertscore, how.device)
    if how.similarity != "tokens":
        yield meaning.sentences(chosen, truth, how.similarity, how.language)


def _rankers(cases: Sequence[Case], judges: Mapping[str, str]) -> Iterable[Figure]:
    """The mean of each ranker's numbers; an item of which nothing was said counts 0."""
    for name in dict.fromkeys(name for case in cases for name in case.scores):
        yield mean(name, {case.id: case.scores.get(name, 0.0) for case in cases}, judges.get(name, "a ranker"))
