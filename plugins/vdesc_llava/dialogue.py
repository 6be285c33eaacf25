"""Prompts and answers as token ids. Knows a tokenizer and a template, no network.

An instruction holds text of the video, which anybody may have made: it is encoded as data, in which nothing becomes a
special token, however it is spelt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vdesc import ModelError

from .config import PLAIN, VIDEO

MARK = "vdescmarksthisplace"
DATE = "26 Jul 2024"  # what templates that name today would say: the same prompt every day


@dataclass(frozen=True)
class Dialogue:
    """How a model is asked and how it answers.

    Args:
        tokenizer: of the LLM.
        template: `chat`, `plain`, or a text with `<video>` and `{instruction}` in it; see `LlavaConfig`.
        video: the number that stands for the visual tokens.
    """

    tokenizer: Any
    template: str
    video: int

    def prompt(self, instruction: str) -> list[int]:
        """Token ids of a question about the video, which `video` stands for, up to where the answer begins."""
        before, between, after = self._parts
        return [*before, self.video, *self.data(between + instruction.strip()), *after]

    def answer(self, caption: str) -> list[int]:
        """Token ids of an answer, and of the end of the turn."""
        return [*self.data(caption.strip()), self.end]

    def data(self, text: str) -> list[int]:
        """Token ids of text in which nothing is special."""
        parts = self._splitting.split(text) if self._splitting else [text]
        return [number for part in parts for number in self._harmless(part)]

    def _harmless(self, text: str) -> list[int]:
        """Token ids of a part; what a normaliser makes special all the same is encoded letter by letter."""
        numbers = self._encode(text)
        if self._special.isdisjoint(numbers):
            return numbers
        return [number for letter in text for number in self._encode(letter) if number not in self._special]

    @cached_property
    def end(self) -> int:
        """The token that ends an answer: the template's end of turn, or EOS. Raises `ModelError` without either."""
        if self._chats:
            said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": MARK}]
            rest = self._rendered(said, add_generation_prompt=False).rpartition(MARK)[2]
            numbers = self._encode(rest.lstrip()) if rest.strip() else []
            if numbers and numbers[0] in self._added:
                return numbers[0]
        if self.tokenizer.eos_token_id is None:
            raise ModelError("llava: the LLM's tokenizer has no EOS, so no caption could end: name another LLM")
        return self.tokenizer.eos_token_id

    @cached_property
    def _parts(self) -> tuple[list[int], str, list[int]]:
        """What stands before the video, between video and instruction (a text), and after the instruction."""
        if self._chats:
            asked = [{"role": "user", "content": MARK}]
            head, found, tail = self._rendered(asked, add_generation_prompt=True).partition(MARK)
            if not found or MARK in tail:
                raise ModelError("llava: the chat template of the LLM does not say what the user says: set template")
            return self._encode(head), "\n", self._encode(tail)
        pattern = PLAIN if self.template in ("chat", "plain") else self.template
        head, video, rest = pattern.partition(VIDEO)
        between, asked_for, tail = rest.partition("{instruction}")
        if not (video and asked_for):
            raise ModelError(f"llava: the template '{pattern}' lacks {VIDEO} or, after it, {{instruction}}")
        return [*self._begin, *self._encode(head)], between, self._encode(tail)

    def _rendered(self, said: list[dict[str, str]], add_generation_prompt: bool) -> str:
        try:
            return self.tokenizer.apply_chat_template(
                said, tokenize=False, add_generation_prompt=add_generation_prompt, enable_thinking=False,
                date_string=DATE,
            )  # fmt: skip
        except Exception as error:  # jinja's own, and whatever a template raises
            raise ModelError(f"llava: the chat template of the LLM fails ({error}): set template to plain") from error

    @cached_property
    def _chats(self) -> bool:
        return self.template == "chat" and bool(getattr(self.tokenizer, "chat_template", None))

    @cached_property
    def _begin(self) -> list[int]:
        """BOS, where the tokenizer puts it before every text."""
        numbers = self.tokenizer("")["input_ids"]
        return [number for number in numbers if number == self.tokenizer.bos_token_id]

    @cached_property
    def _added(self) -> dict[int, str]:
        return {number: str(token) for number, token in self.tokenizer.added_tokens_decoder.items()}

    @cached_property
    def _special(self) -> frozenset[int]:
        """Added tokens that text must not become: all but white space, and what stands for the unknown."""
        shown = {number for number, token in self._added.items() if not token.isspace()}
        return frozenset(shown - {self.tokenizer.unk_token_id})

    @cached_property
    def _splitting(self) -> re.Pattern[str] | None:
        """Finds the place after the first character of each added token: parts cut there hold none of them whole."""
        spelt = [token for number, token in self._added.items() if number in self._special and len(token) > 1]
        if not spelt:
            return None
        return re.compile("|".join(f"(?<={re.escape(token[0])})(?={re.escape(token[1:])})" for token in spelt))

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
