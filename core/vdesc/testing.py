"""For plugin authors: the contract suite, a deterministic fake of each kind, and small inputs to test with.

from vdesc.testing import assert_contract

def test_brightness_keeps_the_contract():
    assert_contract(Brightness)
"""

from __future__ import annotations

from typing import Any

from .contract import check
from .fakes import (
    FakeCaptioner,
    FakeKeyframer,
    FakeObserver,
    FakeRanker,
    FakeWriter,
    candidates,
    description,
    keyframes,
    module,
    picture,
    slots,
    small_video,
    stored,
    video,
)
from .kinds import Plugin

__all__ = [
    "FakeCaptioner",
    "FakeKeyframer",
    "FakeObserver",
    "FakeRanker",
    "FakeWriter",
    "assert_contract",
    "candidates",
    "check",
    "description",
    "keyframes",
    "module",
    "picture",
    "slots",
    "small_video",
    "stored",
    "video",
]


def assert_contract(plugin: type[Plugin], **options: Any) -> None:
    """Nothing, where the plugin keeps the contract with these options; else an `AssertionError` with all it breaks."""
    if problems := check(plugin, options):
        raise AssertionError(f"{plugin.__name__} breaks the contract:\n- " + "\n- ".join(problems))
