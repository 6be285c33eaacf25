"""Weights: whether tensors are what a module asks for, and how they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vdesc import ModelError


def compare(state: Mapping[str, Any], plan: Mapping[str, Any], told: str) -> None:
    """Raises `ModelError`, naming keys and shapes, where tensors are not what the plan asks for.

    Args:
        told: the beginning of the sentence: what does not match what.
    """
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(plan[key].shape)}"
        for key in sorted(plan.keys() & state.keys())
        if state[key].shape != plan[key].shape
    ]
    groups = (
        (sorted(plan.keys() - state.keys()), "missing"),
        (sorted(state.keys() - plan.keys()), "not known"),
        (shapes, "of another shape"),
    )
    wrong = [f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' * (len(keys) > 3)})" for keys, what in groups if keys]
    if wrong:
        raise ModelError(f"llava: {told}: keys {'; '.join(wrong)}")
