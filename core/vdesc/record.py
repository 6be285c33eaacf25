"""What a run records beside its results: the time that each stage took, and what the plugins had to say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from .data import Finding

T = TypeVar("T")


class Clock:
    """Milliseconds spent in each stage of a run."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Counts the time of the block for `stage`."""
        start = time.perf_counter()
        yield
        self.spent[stage] = round((time.perf_counter() - start) * 1000)


class Findings:
    """What all stages had to say, gathered beside their results."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    def of(self, result: tuple[T, list[Finding]]) -> T:
        """The result alone; its findings are kept."""
        value, findings = result
        self.all += findings
        return value
