"""Slots that a chat template has for what other programs saw in a picture, as HyperCLOVA X SEED Vision's has.

Its messages hold, beside each image, `ocr` (the words in it, row by row), `lens_keywords` (names of what is in it) and
`lens_local_keywords` (`[x1, y1, x2, y2] name`, as shares of width and height). Source: the model's card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from vdesc import Context, Evidence
from vdesc.prompts import quoted

KINDS = ("text", "object")
"""The evidence that goes into the slots."""
EMPTY: Mapping[str, str] = {"ocr": "", "lens_keywords": "", "lens_local_keywords": ""}


def used(template: str) -> bool:
    """Whether a chat template has these slots."""
    return "lens_keywords" in template


def rest(context: Context) -> Context:
    """The evidence that the slots do not take."""
    return Context(tuple(one for one in context.evidence if one.kind not in KINDS), context.sought)


def filled(context: Context, budget: int, count: Callable[[str], float]) -> dict[str, str]:
    """The slots of a picture, in which texts and objects stand as long as they fit, the surest first.

    Args:
        context: the evidence of the picture's time.
        budget: tokens that the three may have together.
        count: how many tokens a text has; infinitely many where it must not be used.
    """
    texts = [one for one in context.of("text") if one.value.strip()]
    objects = [one for one in context.of("object") if one.value.strip()]
    kept: list[Evidence] = []
    made = dict(EMPTY)
    for one in sorted([*texts, *objects], key=lambda e: (-e.confidence, e.span, e.value)):
        tried = _slots([*kept, one])
        if sum(map(count, tried.values())) <= budget:
            kept, made = [*kept, one], tried
    return made


def _slots(some: Iterable[Evidence]) -> dict[str, str]:
    some = list(some)
    texts = sorted((one for one in some if one.kind == "text"), key=_raster)
    objects = [one for one in some if one.kind == "object"]
    return {
        "ocr": _listed(_escaped(one.value) for one in texts),
        "lens_keywords": _listed(_escaped(one.value) for one in objects),
        "lens_local_keywords": _listed(f"{_corners(one)} {_escaped(one.value)}" for one in objects if one.box),
    }


def _raster(text: Evidence) -> tuple[float, float]:
    """Where a text stands: from the top, then from the left; without a box last."""
    return (text.box.top, text.box.left) if text.box else (2.0, 0.0)


def _corners(one: Evidence) -> str:
    box = one.box
    assert box is not None
    return "[" + ", ".join(f"{share:.2f}" for share in (box.left, box.top, box.right, box.bottom)) + "]"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _escaped(value: str) -> str:
    """The text as data in one line: the template puts it between quotation marks, which it must not end."""
    return quoted(" ".join(value.split()))[1:-1]
