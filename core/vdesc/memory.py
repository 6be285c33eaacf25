"""The memory of the process: what it holds, and whether it keeps what it has freed. Knows the C library alone."""

from __future__ import annotations

import ctypes
import os
import sys

TRIM, MAP, ARENAS = -1, -3, -8
"""`mallopt`'s names for: what may lie free on top; from where on a block is mapped by itself; how many heaps."""


def keep() -> None:
    """Makes this process give the memory of one layer's output to the next, where it would ask the system each time.

    On two cores a small encoder spends a third of its time on pages that it just gave back. Works where the C library
    is glibc, and is left alone where the person has set it: the variables `MALLOC_...`. For programs, not libraries:
    the process no longer shrinks before it ends.
    """
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        for what, value in ((TRIM, 1 << 30), (MAP, 1 << 28), (ARENAS, 1)):
            mallopt(what, value)


def release() -> None:
    """Gives memory that lies free back to the system, `keep` or not: what a process then holds is what it uses."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


def held() -> int | None:
    """Bytes of memory that the process holds now; None where the system does not tell (it is Linux that does)."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - read fifty times a second
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
