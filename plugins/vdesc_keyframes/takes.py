"""Takes: what is remembered of a shot while it runs, a few candidate frames whatever its length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from vdesc import Picture, Span
from vdesc.media import Frame, save_picture

MOST_FRAMES, MOST_BYTES = 16, 256 << 20
"""How many decoded frames a take may hold: fewer where they are so large that together they would pass the bytes."""


@dataclass(frozen=True)
class Look:
    """A frame that was chosen for its stretch of time."""

    at: int
    number: int | None
    sharpness: float
    image: Picture

    def small(self) -> np.ndarray:
        """BGR uint8 (height, width, 3) for analysis; only before the look is stored."""
        assert isinstance(self.image, Frame)
        return self.image.small(self.image.reduced())

    def stored(self, folder: Path) -> Look:
        """The same look with its picture on disk instead of in memory."""
        return replace(self, image=save_picture(self.image, folder / f"{self.at}.jpg"))


class Take:
    """A shot that is still running, from `start`, cut into pieces of at most `longest` milliseconds.

    Its candidates are the sharpest frames of even stretches; when there are too many, the stretches become twice as
    long. Pieces are as long as may be, but for the last two: equal, so that no tiny piece is left at the end.
    """

    def __init__(self, start: int, longest: int):
        self.start, self.longest, self._piece, self._stretch = start, longest, start, 40
        self._candidates: list[tuple[Frame, float]] = []

    def add(self, frame: Frame, sharpness: float) -> None:
        """Considers the next frame."""
        self._put(frame, sharpness)
        while len(self._candidates) > max(2, min(MOST_FRAMES, MOST_BYTES // frame.weight)):
            self._stretch *= 2
            candidates, self._candidates = self._candidates, []
            for candidate in candidates:
                self._put(*candidate)

    def ended(self, now: int) -> Iterator[Look]:
        """A look at each piece that is over at the time `now`, at which the take still runs."""
        while now - self._piece >= self.longest * 3 // 2:
            yield from self._close(self._piece + self.longest)

    def rest(self, end: int) -> Iterator[Look]:
        """A look at each piece not yet closed, the take having ended."""
        yield from self.ended(end)
        if end - self._piece > self.longest:
            yield from self._close((self._piece + end) // 2)
        yield from self._close(end)

    def _put(self, frame: Frame, sharpness: float) -> None:
        last = self._candidates[-1] if self._candidates else None
        if last and last[0].at // self._stretch == frame.at // self._stretch:
            self._candidates[-1] = max(last, (frame, sharpness), key=lambda candidate: candidate[1])
        else:
            self._candidates.append((frame, sharpness))

    def _close(self, end: int) -> Iterator[Look]:
        """At most one look: there is none where no frame begins in the piece, the one before being shown on."""
        piece, self._piece = Span(self._piece, end), end
        inside = [candidate for candidate in self._candidates if candidate[0].at < end]
        self._candidates = self._candidates[len(inside) :]
        middle = [c for c in inside if abs(c[0].at - piece.middle) * 4 <= piece.length]
        if inside:
            frame, sharpness = (
                max(middle, key=lambda c: c[1]) if middle else min(inside, key=lambda c: abs(c[0].at - piece.middle))
            )
            yield Look(frame.at, frame.number, sharpness, frame)
