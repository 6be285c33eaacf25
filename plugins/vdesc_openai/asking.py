"""What is asked for one slot, and what is heard: as many different captions as are wanted, or why there are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vdesc import Slot
from vdesc.answers import checked, worth_retrying
from vdesc.prompts import LANGUAGES, WORDS, evidence, instruction

from .chat import Dialect, Said, choices, message
from .endpoint import Endpoint
from .pictures import chosen, data_url
from .trouble import Trouble

WARMER = 0.7
"""The least temperature of a second attempt: at 0 it would say the same."""
UNREAD = "its pictures cannot be read"


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard for a slot: captions, why answers were left out, and what kept the server from answering."""

    texts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    trouble: Trouble | None = None


class Asking:
    """Asks for `n` captions of each slot it is called with; may be called by several threads.

    Args:
        options: those of the captioner.
        language: BCP 47 tag of the captions.
        dialect: what the server takes; learned further.

    Attributes:
        stop: set it, and nothing is asked any more.
        final: the trouble that every further request would meet, once there is one; `stop` is then set.
    """

    def __init__(self, endpoint: Endpoint, dialect: Dialect, options: Any, language: str, n: int):
        self.endpoint, self.dialect, self.options, self.language = endpoint, dialect, options, language
        self.n = n if options.temperature != 0 else 1
        self.stop = threading.Event()
        self.final: Trouble | None = None

    def __call__(self, slot: Slot) -> Heard:
        """What the server says of the slot; its pictures are read only now."""
        if self.stop.is_set():
            return Heard()
        options = self.options
        try:
            urls = [data_url(one, options.side, options.quality) for one in chosen(slot, options.frames)]
        except (OSError, ValueError):
            return Heard(faults=(UNREAD,))
        prompt = self.prompt(slot)
        draft = _Draft(prompt)
        try:
            self._listen(message(prompt, urls, options.detail), draft)
        except Trouble as trouble:
            if trouble.final:
                self.final = self.final or trouble
                self.stop.set()
            return Heard(tuple(draft.texts), tuple(draft.faults), trouble)
        return Heard(tuple(draft.texts), tuple(draft.faults))

    def prompt(self, slot: Slot) -> str:
        """What is asked beside the pictures; what the video says itself stands in it as quoted data."""
        options = self.options
        found = evidence(slot.context, options.evidence_tokens, self.language) if options.evidence_tokens else ""
        own = {options.style: dict.fromkeys(LANGUAGES, options.prompt)} if options.prompt else {}
        return instruction(options.style, self.language, options.longest, found, {**WORDS, **own})

    def _listen(self, shown: dict[str, Any], draft: _Draft) -> None:
        """As many answers as are wanted, and once more for those that cannot be used where that may help."""
        warmth = self.options.temperature
        hopeful = sum(self._keep(said, draft) for said in self._draws(shown, self.n, warmth, 0))
        warmer = None if warmth is None else max(warmth, WARMER)
        for said in self._draws(shown, hopeful, warmer, self.n):
            self._keep(said, draft)

    def _keep(self, said: Said, draft: _Draft) -> bool:
        """Whether the answer cannot be used, but another may be."""
        text, fault = "", said.wrong or None
        if not fault:
            text, fault = checked(
                self.endpoint.hidden(said.text), language=self.language, longest=self.options.longest,
                prompt=draft.prompt, finished=said.finished,
            )  # fmt: skip
        if fault:
            draft.faults.append(fault)
            return worth_retrying(fault)
        draft.texts[text] = None
        return False

    def _draws(self, shown: dict[str, Any], count: int, warmth: float | None, first: int) -> Iterator[Said]:
        """So many answers, in one request where the server gives several, else one after another.

        Args:
            first: how many were drawn before: each has a seed of its own.
        """
        while count > 0:
            found = self._ask(shown, count if self.dialect.counts else 1, warmth, first)
            if len(found) < count:
                self.dialect.counts = False
            yield from found[:count]
            first, count = first + len(found), count - len(found)

    def _ask(self, shown: dict[str, Any], n: int, warmth: float | None, draw: int) -> list[Said]:
        """The answers to one request, asked again without a parameter that the server refuses. Raises `Trouble`."""
        options = self.options
        seed = None if options.seed is None else options.seed + draw
        values = {"n": n if n > 1 else None, "max_tokens": options.max_tokens, "temperature": warmth, "seed": seed}
        while True:
            spelled = self.dialect.spell(values)
            body = {"model": options.model, "messages": [shown], "stream": False, **spelled}
            try:
                return choices(self.endpoint.ask(body, self.stop))
            except Trouble as trouble:
                if trouble.status not in (400, 422) or not self.dialect.learn(trouble.param, str(trouble), spelled):
                    raise


@dataclass(frozen=True, slots=True)
class _Draft:
    """What was heard so far to a prompt: different captions in order, and faults."""

    prompt: str
    texts: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
