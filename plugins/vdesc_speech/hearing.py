"""What a recogniser says it heard in a chunk, and what of that is not believed. Pure; times in a chunk's milliseconds.

Whisper writes words for whatever it is given. What it invents shows: it finds no speech and is unsure of its words, it
says the same again and again, or it names times after the end of the sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import exp

from vdesc.transcript import Word

NO_SPEECH, UNSURE = 0.6, -1.0
"""Whisper's own limits: silent is a chunk with more of the one and less of the other (Radford et al. 2022, 4.5)."""

_TIMES, _WORDS = 3, 12  # a phrase said so often in a row, so many words in all, is a loop and not a chant
_LONGEST = 20  # words of a phrase that is looked for
_LETTERS = 40  # of the longest word that is no loop


@dataclass(frozen=True, slots=True)
class Heard:
    """The words of a chunk; `logprob` is its tokens' mean log-probability, `no_speech` how likely nobody speaks."""

    words: tuple[Word, ...]
    logprob: float = 0.0
    no_speech: float = 0.0

    @property
    def confidence(self) -> float:
        """0..1: the geometric mean of the tokens' probabilities."""
        return min(1.0, max(0.0, exp(self.logprob)))

    @property
    def silent(self) -> bool:
        """Whether the words are invented over sound without speech."""
        return self.no_speech > NO_SPEECH and self.logprob < UNSURE


def without_loops(words: Iterable[Word]) -> tuple[Word, ...]:
    """The words, each loop said once: up to 20 words, three times or more in a row, 12 words or more in all."""
    left = [_shortened(word) for word in words]
    said = [word.text.strip().casefold() for word in left]
    kept: list[Word] = []
    at = 0
    while at < len(left):
        length, times = max(
            ((length, _times(said, at, length)) for length in range(1, _LONGEST + 1)),
            key=lambda found: (found[0] * found[1] * (found[1] >= _TIMES), -found[0]),
        )
        loop = times >= _TIMES and length * times >= _WORDS
        kept += left[at : at + (length if loop else 1)]
        at += length * times if loop else 1
    return tuple(kept)


def _shortened(word: Word) -> Word:
    """The word; where letters are said over and over within it until it is longer than any word, they are said once."""
    if len(word.text) <= _LETTERS:
        return word
    return replace(word, text=re.sub(r"(.{1,20}?)\1{4,}", r"\1", word.text))


def _times(said: list[str], at: int, length: int) -> int:
    """How often in a row the phrase of `length` words at a place is said."""
    times, phrase = 1, said[at : at + length]
    while len(phrase) == length and said[at + length * times : at + length * (times + 1)] == phrase:
        times += 1
    return times
