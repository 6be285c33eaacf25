"""What became of the slots of a run, as the person is told: which got no caption and why, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .asking import UNREAD, Heard
from .trouble import Trouble

GIVE_UP = 3
"""So many slots in a row that get no answer for all retries, and the server counts as down."""
NAMED = 5
"""Slots that a finding names."""


class Tally:
    """Counts slot by slot.

    Attributes:
        trouble: the first that left a slot without an answer.
        answered: slots that got an answer, of use or not.
    """

    def __init__(self) -> None:
        self.trouble: Trouble | None = None
        self.answered = 0
        self._silent = 0
        self._dropped: dict[str, list[int]] = {}
        self._left_out: Counter[str] = Counter()

    def add(self, slot: int, heard: Heard) -> bool:
        """Counts one slot; whether the server now counts as down."""
        trouble = None if heard.texts else heard.trouble
        self._silent = self._silent + 1 if trouble and trouble.again else 0
        if trouble:
            self.trouble = self.trouble or trouble
            self._dropped.setdefault(str(trouble), []).append(slot)
        else:
            self.answered += 1
        if heard.texts:
            self._left_out.update(heard.faults)
        elif heard.faults and not trouble:
            reason = UNREAD if UNREAD in heard.faults else f"the answer was {heard.faults[-1]}"
            self._dropped.setdefault(reason, []).append(slot)
        return self._silent >= GIVE_UP

    def told(self) -> Iterator[tuple[str, str]]:
        """Each finding with its level."""
        for reason, slots in self._dropped.items():
            more = f" and {len(slots) - NAMED} more" if len(slots) > NAMED else ""
            named = ", ".join(map(str, slots[:NAMED])) + more
            yield f"no caption for slot{'s' * (len(slots) > 1)} {named}: {reason}", "warning"
        if self._left_out:
            reasons = ", ".join(f"{fault} {count}" for fault, count in self._left_out.most_common())
            yield f"answers left out: {reasons}", "note"
