"""The bases of captioners whose model reads a prompt: the words of the prompt, evidence as data, guards on answers.

`Instructed` has what all of them share; `Prompted` asks its model in batches, and once more where that helps.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from .answers import checked, worth_retrying
from .data import Candidate, Keyframe, Slot
from .files import digest
from .kinds import Captioner, Plugin
from .prompts import LANGUAGES, STYLES, WORDS, Styles, estimate, evidence, instruction, load_styles

AGAIN = {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.1}
"""How a model that draws is asked again: from not too far down, and pushed out of a loop."""
NAMED = 10
"""So many slots are named in a finding."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said: `confidence` in 0..1 or None; `finished` whether it came to its own end."""

    text: str
    confidence: float | None = None
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of the answers for a slot: those of use with their confidence, of equal ones the first; faults."""

    good: dict[str, float | None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class Missed:
    """What did not become a candidate, and why, to be told once for all slots of a call."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, str, bool], list[int]] = {}
        self._dropped: Counter[str] = Counter()

    def slot(self, number: int, reason: str, what: str = "no caption", passing: bool = False) -> None:
        """Counts a slot with its reason, and whether that may be gone next time."""
        self._slots.setdefault((what, reason, passing), []).append(number)

    def dropped(self, faults: Iterable[str]) -> None:
        """Counts answers that were dropped for a slot that has others."""
        self._dropped.update(faults)

    def tell(self, plugin: Plugin) -> None:
        """Notes each reason once, with its slots."""
        for (what, reason, passing), slots in self._slots.items():
            named = ", ".join(map(str, slots[:NAMED])) + f" and {len(slots) - NAMED} more" * (len(slots) > NAMED)
            plugin.note(f"{what} for slot{'s' * (len(slots) > 1)} {named}: {reason}", "warning", passing)
        if self._dropped:
            faults = ", ".join(f"{fault} ({count})" for fault, count in self._dropped.most_common())
            plugin.note(f"of slots that have others, {self._dropped.total()} answers were dropped: {faults}")


class Instructed(Captioner):
    """Tells a model what to do: the options, words and evidence of prompts, and what makes an answer of use."""

    reads_context = True

    class Options(Captioner.Options):
        """How the model is asked."""

        style: Literal["basic", "strict"] | None = Field(
            None,
            description="The prompt: basic asks for a description, strict for one sentence in the present tense of "
            "what is seen; unset: what the model is made for, or basic.",
        )
        styles: str = Field(
            "", description="A YAML file with other words for prompts, as in `strict: {en: Say what is seen.}`."
        )
        prompt: str = Field("", description="An instruction of your own in place of the style's.")
        longest: int | None = Field(
            None, ge=1, le=10_000, description="Characters of a caption: asked for, and held to; unset: any number."
        )
        evidence_tokens: int = Field(
            256, ge=0, le=32_768, description="Tokens of the prompt that evidence may take; 0: the pictures alone."
        )

    def fingerprint(self) -> str:
        """The SHA-256 of the file of prompts, where there is one. Raises `InputError`."""
        return digest(Path(self.options.styles)) if self.options.styles else ""

    @classmethod
    def prompts(cls) -> Mapping[str, str]:
        """The words of each style and language, and of what may follow them."""
        return {f"{style}, {spoken}": text for style, texts in WORDS.items() for spoken, text in texts.items()}

    @cached_property
    def words(self) -> Styles:
        """The words of prompts, with those that the options put in their place. Raises `SettingsError`."""
        words = load_styles(self.options.styles) if self.options.styles else WORDS
        own = dict.fromkeys(LANGUAGES, self.options.prompt.strip())
        return {**words, **dict.fromkeys(STYLES, own)} if self.options.prompt.strip() else words

    @property
    def style(self) -> str:
        """The style in force."""
        return self.options.style or "basic"

    def count(self, text: str) -> int:
        """How many tokens a text has: `tokens` by the model's own tokenizer, or an estimate where it does not tell."""
        known = self.tokens(text)
        return estimate(text) if known is None else known

    def asked(self, slot: Slot) -> str:
        """The prompt of a slot."""
        return self.instruction(evidence(slot.context, self.options.evidence_tokens, self.language, self.count))

    def instruction(self, known: str = "") -> str:
        """The prompt with some evidence, as `vdesc.prompts.evidence` gives it."""
        return instruction(self.style, self.language, self.options.longest, known, self.words)

    def hear(self, heard: Heard, asked: str, answer: Answer) -> str:
        """Keeps an answer of use, or the fault for which it is none; gives that fault, or ""."""
        text, fault = checked(
            answer.text, language=self.language, longest=self.options.longest, prompt=asked, finished=answer.finished
        )
        if fault:
            heard.faults.append(fault)
        else:
            heard.good.setdefault(text, answer.confidence)
        return fault or ""

    def shown(self, slots: Sequence[Slot]) -> list[Slot]:
        """The slots that have a keyframe; that others have none is told."""
        seen = [slot for slot in slots if slot.keyframes]
        if len(seen) < len(slots):
            self.note(f"{len(slots) - len(seen)} slots without a keyframe got no caption", "warning")
        return seen

    def candidates(self, slot: Slot, heard: Heard) -> Iterator[Candidate]:
        """What was heard for a slot, as candidates."""
        for text, confidence in heard.good.items():
            yield Candidate(slot.index, text, self.name, self.language, confidence)


class Prompted(Instructed):
    """Asks a model for words: a subclass has `see`, `say`, perhaps `tokens`, and calls `load` here from its own."""

    class Options(Instructed.Options):
        """How the model is asked."""

        batch: int = Field(8, ge=1, le=1024, description="How many slots are captioned at once.")

    def load(self, device: str) -> None:
        """Reads the words of prompts. Raises `SettingsError`."""
        self.words  # noqa: B018 - a wrong file is an error now

    @abstractmethod
    def see(self, slots: Sequence[Slot]) -> Sequence[Any]:
        """What the model is shown of each slot; each has keyframes."""

    @abstractmethod
    def say(self, shown: Sequence[Any], asked: Sequence[str], n: int, again: bool) -> Sequence[Sequence[Answer]]:
        """Up to `n` answers to each prompt, best first.

        Args:
            shown: what `see` gave, for each prompt.
            again: the answers of before could not be used, so that other ones are wanted: draw them.
        """

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        """Up to `n` different answers a slot that can be used, best first.

        Where none of a slot's answers can be used it is asked once more. What is dropped is told with the reason.
        """
        seen, missed = self.shown(slots), Missed()
        for start in range(0, len(seen), self.options.batch):
            part = seen[start : start + self.options.batch]
            for slot, heard in zip(part, self._answered(part, n), strict=True):
                if heard.good:
                    missed.dropped(heard.faults)
                else:
                    missed.slot(slot.index, f"the answer was {heard.faults[0]}")
                yield from self.candidates(slot, heard)
        missed.tell(self)

    def _answered(self, slots: Sequence[Slot], n: int) -> list[Heard]:
        shown, asked = self.see(slots), [self.asked(slot) for slot in slots]
        heard = [self._heard(*pair) for pair in zip(asked, self.say(shown, asked, n, False), strict=True)]
        retry = [i for i, some in enumerate(heard) if not some.good and any(map(worth_retrying, some.faults))]
        if retry:
            more = self.say([shown[i] for i in retry], [asked[i] for i in retry], n, True)
            for i, answers in zip(retry, more, strict=True):
                heard[i] = self._heard(asked[i], answers)
        return heard

    def _heard(self, asked: str, answers: Sequence[Answer]) -> Heard:
        heard = Heard()
        for answer in answers or [Answer("")]:
            self.hear(heard, asked, answer)
        return heard


def chosen(slot: Slot, most: int) -> list[Keyframe]:
    """At most so many keyframes of a slot, in order of time, spread evenly.

    One alone is the keyframe nearest the slot's middle; of two that are equally near, the sharper.
    """
    keyframes = slot.keyframes
    if most == 1 and keyframes:
        middle = slot.span.middle
        return [min(keyframes, key=lambda keyframe: (abs(keyframe.at - middle), -keyframe.sharpness))]
    count = min(most, len(keyframes))
    return [keyframes[(2 * i + 1) * len(keyframes) // (2 * count)] for i in range(count)]
