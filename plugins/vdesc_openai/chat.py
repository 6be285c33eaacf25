"""The shape of chat completions: the request by what the server takes, and what its answer says. Knows no HTTP."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vdesc.answers import EMPTY, REFUSAL, UNFINISHED

SPELLINGS = {"max_tokens": ("max_tokens", "max_completion_tokens"), "n": ("n",), "seed": ("seed",),
             "temperature": ("temperature",)}  # fmt: skip
"""Optional parameters, and the names under which servers know them, tried in turn; after the last they are left out."""


@dataclass(frozen=True, slots=True)
class Said:
    """One choice of an answer: its text and whether it came to its end; or `wrong`, why it cannot be used."""

    text: str = ""
    finished: bool = True
    wrong: str = ""


class Dialect:
    """What a server takes, learned from what it refuses; may be used by several threads.

    `counts` is whether it gives as many choices as are asked for; some servers always give one.
    """

    def __init__(self) -> None:
        self.counts = True
        self._spelling = dict.fromkeys(SPELLINGS, 0)

    @property
    def refused(self) -> list[str]:
        """The parameters that the server takes under no name."""
        return [name for name, names in SPELLINGS.items() if self._spelling[name] >= len(names)]

    def spell(self, values: dict[str, Any]) -> dict[str, Any]:
        """The parameters under the names that the server knows, without those that it refuses and those of None."""
        spelled = {}
        for name, value in values.items():
            names = SPELLINGS[name][self._spelling[name] :]
            if names and value is not None:
                spelled[names[0]] = value
        return spelled

    def learn(self, param: str, told: str, sent: dict[str, Any]) -> str:
        """The parameter that is now spelled otherwise or left out, by its name in `sent`; "" where none was at fault.

        Args:
            param: the parameter that the server named.
            told: its message, which may name it in quotation marks.
            sent: the parameters as they were spelled in the request that was refused.
        """
        quoted = re.findall(r"['\"`](\w+)['\"`]", told)
        for name, names in SPELLINGS.items():
            for i, spelling in enumerate(names):
                if spelling in sent and (spelling == param or (not param and spelling in quoted)):
                    self._spelling[name] = max(self._spelling[name], i + 1)
                    self.counts &= name != "n"
                    return spelling
        return ""


def message(text: str, pictures: Sequence[str], detail: str) -> dict[str, Any]:
    """The user's message: the pictures as data URLs, then the text."""
    more = {} if detail == "auto" else {"detail": detail}
    shown = [{"type": "image_url", "image_url": {"url": url, **more}} for url in pictures]
    return {"role": "user", "content": [*shown, {"type": "text", "text": text}]}


def choices(answer: Any) -> list[Said]:
    """What an answer says, in the server's order; one `Said` that tells what is wrong where it has no such shape."""
    found = answer.get("choices") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(choice, dict) for choice in found):
        return [Said(wrong="an answer without choices")]
    return [_said(choice) for choice in found] or [Said(wrong="an answer without choices")]


def _said(choice: dict[str, Any]) -> Said:
    given = choice.get("message")
    message = given if isinstance(given, dict) else {}
    text, end = _text(message.get("content")), choice.get("finish_reason")
    if end == "content_filter":
        return Said(wrong="stopped by the content filter")
    if message.get("refusal"):
        return Said(wrong=REFUSAL)
    if text.strip():
        return Said(text, end != "length")
    return Said(wrong=UNFINISHED if end == "length" else EMPTY)


def _text(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts."""
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
