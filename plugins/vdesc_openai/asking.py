"""What is asked for one slot, and what is heard: as many different captions as are wanted, or why there are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vdesc import Slot
from vdesc.answers import worth_retrying
from vdesc.prompted import Answer, Heard, Instructed, chosen

from .chat import Dialect, Said, choices, message
from .endpoint import Endpoint
from .pictures import data_url
from .trouble import Trouble

WARMER = 0.7
"""The least temperature of a second attempt: at 0 it would say the same."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of asking for a slot.

    Attributes:
        trouble: what kept the server from answering, at all or for more.
        unread: whether the slot's pictures cannot be read, so that nothing was asked.
    """

    heard: Heard
    trouble: Trouble | None = None
    unread: bool = False


class Asking:
    """Asks for `n` captions of each slot it is called with; may be called by several threads.

    Args:
        captioner: whose prompts and options they are.
        dialect: what the server takes; learned further.

    Attributes:
        stop: set it, and nothing is asked any more.
        final: the trouble that every further request would meet, once there is one; `stop` is then set.
    """

    def __init__(self, endpoint: Endpoint, dialect: Dialect, captioner: Instructed, n: int):
        self.endpoint, self.dialect, self.captioner, self.options = endpoint, dialect, captioner, captioner.options
        self.n = n if self.options.temperature != 0 else 1
        self.stop = threading.Event()
        self.final: Trouble | None = None

    def __call__(self, slot: Slot) -> Reply:
        """What the server says of the slot; its pictures are read only now."""
        heard, options = Heard(), self.options
        if self.stop.is_set():
            return Reply(heard)
        try:
            urls = [data_url(one.image, options.side, options.quality) for one in chosen(slot, options.frames)]
        except (OSError, ValueError):
            return Reply(heard, unread=True)
        prompt = self.captioner.asked(slot)
        try:
            self._listen(message(prompt, urls, options.detail), prompt, heard)
        except Trouble as trouble:
            if trouble.final:
                self.final = self.final or trouble
                self.stop.set()
            return Reply(heard, trouble)
        return Reply(heard)

    def _listen(self, shown: dict[str, Any], prompt: str, heard: Heard) -> None:
        """As many answers as are wanted, and once more for those that cannot be used where that may help."""
        warmth = self.options.temperature
        hopeful = sum(self._keep(said, prompt, heard) for said in self._draws(shown, self.n, warmth, 0))
        warmer = None if warmth is None else max(warmth, WARMER)
        for said in self._draws(shown, hopeful, warmer, self.n):
            self._keep(said, prompt, heard)

    def _keep(self, said: Said, prompt: str, heard: Heard) -> bool:
        """Whether the answer cannot be used, but another may be."""
        if said.wrong:
            heard.faults.append(said.wrong)
            return worth_retrying(said.wrong)
        answer = Answer(self.endpoint.hidden(said.text), finished=said.finished)
        fault = self.captioner.hear(heard, prompt, answer)
        return bool(fault) and worth_retrying(fault)

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
