"""The base of captioners whose model reads a prompt: the words of the prompt, evidence as data, guards on answers."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from .answers import checked, worth_retrying
from .data import Candidate, Slot
from .files import digest
from .kinds import Captioner
from .prompts import LANGUAGES, STYLES, WORDS, Styles, estimate, evidence, instruction, load_styles

NAMED = 10
"""So many slots are named in a finding."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said: `confidence` in 0..1 or None; `finished` whether it came to its own end."""

    text: str
    confidence: float | None = None
    finished: bool = True


@dataclass(frozen=True, slots=True)
class _Judged:
    """What became of the answers for a slot: those of use with their confidence, of equal ones the first; faults."""

    good: dict[str, float | None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


class Prompted(Captioner):
    """Asks a model for words: a subclass has `see`, `say`, perhaps `tokens`, and calls `load` here from its own."""

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
        batch: int = Field(8, ge=1, le=1024, description="How many slots are captioned at once.")

    def load(self, device: str) -> None:
        """Reads the words of prompts. Raises `SettingsError`."""
        self.words  # noqa: B018 - a wrong file is an error now

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

    def count(self, text: str) -> int:
        """How many tokens a text has: `tokens` by the model's own tokenizer, or an estimate where it does not tell."""
        known = self.tokens(text)
        return estimate(text) if known is None else known

    def asked(self, slot: Slot) -> str:
        """The prompt of a slot."""
        known = evidence(slot.context, self.options.evidence_tokens, self.language, self.count)
        return instruction(self.style, self.language, self.options.longest, known, self.words)

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        """Up to `n` different answers a slot that can be used, best first.

        Where none of a slot's answers can be used it is asked once more. What is dropped is told with the reason.
        """
        seen = [slot for slot in slots if slot.keyframes]
        if len(seen) < len(slots):
            self.note(f"{len(slots) - len(seen)} slots without a keyframe got no caption", "warning")
        silent: dict[str, list[int]] = {}
        dropped: Counter[str] = Counter()
        for start in range(0, len(seen), self.options.batch):
            part = seen[start : start + self.options.batch]
            for slot, judged in zip(part, self._answered(part, n), strict=True):
                if judged.good:
                    dropped.update(judged.faults)
                else:
                    silent.setdefault(judged.faults[0], []).append(slot.index)
                for text, confidence in judged.good.items():
                    yield Candidate(slot.index, text, self.name, self.language, confidence)
        self._tell(silent, dropped)

    def _answered(self, slots: Sequence[Slot], n: int) -> list[_Judged]:
        shown, asked = self.see(slots), [self.asked(slot) for slot in slots]
        judged = [self._judged(*pair) for pair in zip(asked, self.say(shown, asked, n, False), strict=True)]
        retry = [i for i, some in enumerate(judged) if not some.good and any(map(worth_retrying, some.faults))]
        if retry:
            more = self.say([shown[i] for i in retry], [asked[i] for i in retry], n, True)
            for i, answers in zip(retry, more, strict=True):
                judged[i] = self._judged(asked[i], answers)
        return judged

    def _judged(self, asked: str, answers: Sequence[Answer]) -> _Judged:
        judged = _Judged()
        for answer in answers or [Answer("")]:
            text, fault = checked(
                answer.text, language=self.language, longest=self.options.longest, prompt=asked,
                finished=answer.finished,
            )  # fmt: skip
            if fault:
                judged.faults.append(fault)
            else:
                judged.good.setdefault(text, answer.confidence)
        return judged

    def _tell(self, silent: dict[str, list[int]], dropped: Counter[str]) -> None:
        """Notes each reason for which slots got no caption, and what was dropped of those that got others."""
        for fault, slots in silent.items():
            named = ", ".join(map(str, slots[:NAMED])) + f" and {len(slots) - NAMED} more" * (len(slots) > NAMED)
            self.note(f"no caption for slot{'s' * (len(slots) > 1)} {named}: the answer was {fault}", "warning")
        if dropped:
            reasons = ", ".join(f"{fault} ({count})" for fault, count in dropped.most_common())
            self.note(f"of slots that have others, {dropped.total()} answers were dropped: {reasons}")
