"""What became of the slots of a call: which got no answer, whether the server is down, and what the person is told."""

from __future__ import annotations

from vdesc.prompted import Missed

from .asking import Reply
from .trouble import Trouble

GIVE_UP = 3
"""So many slots in a row that get no answer for all retries, and the server counts as down."""


class Tally:
    """Counts slot by slot.

    Attributes:
        missed: what the person is told.
        trouble: the first that left a slot without an answer.
        answered: slots that got an answer, of use or not.
    """

    def __init__(self) -> None:
        self.missed = Missed()
        self.trouble: Trouble | None = None
        self.answered = 0
        self._silent = 0

    def add(self, slot: int, reply: Reply) -> bool:
        """Counts one slot; whether the server now counts as down."""
        trouble, good = reply.trouble, reply.heard.good
        self._silent = self._silent + 1 if trouble and trouble.again and not good else 0
        if trouble and not good:
            self.trouble = self.trouble or trouble
        else:
            self.answered += 1
        self._tell(slot, reply)
        return self._silent >= GIVE_UP

    def _tell(self, slot: int, reply: Reply) -> None:
        trouble, heard = reply.trouble, reply.heard
        if trouble:
            what = "fewer captions than asked" if heard.good else "no caption"
            self.missed.slot(slot, str(trouble), what, trouble.passing)
        elif reply.unread:
            self.missed.slot(slot, "its pictures cannot be read")
        elif heard.faults and not heard.good:
            self.missed.slot(slot, f"the answer was {heard.faults[-1]}")
        if heard.good:
            self.missed.dropped(heard.faults)
