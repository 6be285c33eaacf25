"""Captions that tell left from right: they are wrong beside a mirrored picture. Knows text alone."""

import re
from collections.abc import Iterable

ENGLISH = ("left", "right", "clockwise", "counterclockwise", "anticlockwise")
"""As words begin: "leftmost" and "right-hand" too. A word too many costs a picture its mirror image, no more."""
KOREAN = ("왼", "오른쪽", "오른편", "오른손", "오른팔", "오른발", "오른다리", "좌측", "우측", "좌회전", "우회전")
"""Anywhere, since particles and nouns are joined to them; not "오른" alone, which is "risen" as well."""
_SIDES = re.compile(rf"\b(?:{'|'.join(ENGLISH)})|{'|'.join(KOREAN)}", re.IGNORECASE)


def sided(captions: Iterable[str]) -> bool:
    """Whether one of the captions, English or Korean, tells left from right."""
    return any(_SIDES.search(caption) for caption in captions)
