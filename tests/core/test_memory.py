"""Freed memory that the process keeps, seen from outside: page faults of a child that asks for the same block again."""

import os
import subprocess
import sys

import pytest

CHILD = """
import ctypes, resource, sys
from vdesc import memory
if "keep" in sys.argv:
    memory.keep()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's own settings")


def faults(*arguments: str, **variables: str) -> int:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments], env=plain | variables, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_a_freed_block_is_given_again_without_asking_the_system() -> None:
    """Its pages are touched for the first time once, not each time."""
    assert faults("keep") * 10 < faults()


def test_what_the_person_has_set_stays() -> None:
    """A variable of the C library's says that somebody has chosen."""
    assert faults("keep", MALLOC_PERTURB_="0") * 2 > faults()
