"""Evidence drawn on a picture: a box in the colour of its kind, and a label that stays inside the picture."""

from __future__ import annotations

import colorsys
import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw
from vdesc import Evidence, Keyframe

from .band import Font, font_for
from .words import lines

ALL = "all"
COLOURS = {"object": (255, 140, 0), "text": (0, 200, 255), "face": (255, 90, 200), "expression": (190, 120, 255)}
DARK, LIGHT = (0, 0, 0), (255, 255, 255)
LONGEST = 80
"""Characters of a label that are looked at; no picture shows more."""

Corners = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What is drawn for one sighting: `box` is left, top, right, bottom in shares of the picture."""

    kind: str
    text: str
    box: Corners


def marks(evidence: Iterable[Evidence], keyframe: Keyframe, kinds: Collection[str]) -> Iterator[Mark]:
    """What there is to draw on a keyframe of evidence of those kinds (`all`: of every kind).

    The sightings in `details["seen"]` say where; evidence with a box and no sightings is drawn as long as it lasts.
    """
    for found in evidence:
        if found.kind in kinds or ALL in kinds:
            for box, confidence in _places(found, keyframe):
                yield Mark(found.kind, f"{found.value} {confidence:.0%}", box)


def colour(kind: str) -> tuple[int, int, int]:
    """The colour of a kind of evidence, the same in every picture and run."""
    if kind in COLOURS:
        return COLOURS[kind]
    red, green, blue = colorsys.hsv_to_rgb(zlib.crc32(kind.encode()) / 2**32, 0.8, 1)
    return round(255 * red), round(255 * green), round(255 * blue)


def drawn(image: Image.Image, marked: Sequence[Mark], font: str = "") -> Image.Image:
    """The picture with boxes and labels on it.

    Args:
        font: the font that is tried first.
    """
    image, short = image.copy(), min(image.size)
    pen, width = ImageDraw.Draw(image), 1 + short // 240
    big_first = sorted(marked, key=lambda mark: (mark.box[0] - mark.box[2]) * (mark.box[3] - mark.box[1]))
    boxes = [_pixels(mark.box, image.size) for mark in big_first]
    for mark, box in zip(big_first, boxes, strict=True):
        pen.rectangle(box, outline=DARK, width=width + 1)
        pen.rectangle(box, outline=colour(mark.kind), width=width)
    taken: list[Corners] = []
    for mark, box in zip(big_first, boxes, strict=True):
        if label := written(mark, max(11, short // 32), image.width - 2 * width, font):
            _label(pen, image.size, box, *label, mark.kind, taken, width)
    return image


def written(mark: Mark, size: int, room: int, name: str = "") -> tuple[str, Font] | None:
    """A mark's label in one line no wider than `room` pixels, and its font; None where nothing can be written.

    Args:
        size: of the letters, in pixels.
        name: the font that is tried first.
    """
    for words in _wordings(mark, size, name):
        if (font := font_for(words, size, name)) and (short := _shortened(words, font, room)):
            return short, font
    return None


def illegible(mark: Mark, name: str = "") -> bool:
    """Whether no font here has some of the letters of a mark's label; the one called `name` is tried first."""
    return any(letter.isalpha() and not font_for(letter, 12, name) for letter in set(_line(mark)))


def _wordings(mark: Mark, size: int, name: str) -> Iterator[str]:
    """The text in one line; that without characters that no font has; its kind, should no one font have the rest."""
    text = _line(mark)
    yield text
    yield " ".join("".join(character for character in text if font_for(character, size, name)).split())
    yield mark.kind


def _line(mark: Mark) -> str:
    text = " ".join(lines(mark.text))
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def _shortened(text: str, font: Font, room: int) -> str:
    """The text, its end cut off where it is too wide; "" where nothing of it fits."""
    if font.getlength(text) <= room:
        return text
    cuts = (text[:end].rstrip() + "..." for end in range(len(text) - 1, 0, -1))
    return next((cut for cut in cuts if font.getlength(cut) <= room), "")


def _label(
    pen: ImageDraw.ImageDraw, size: tuple[int, int], box: Corners, text: str, font: Font, kind: str,
    taken: list[Corners], pad: int,
) -> None:  # fmt: skip
    """Draws a label above its box, or in it or below, where it covers no other and stays inside the picture."""
    wide, high = math.ceil(font.getlength(text)) + 2 * pad, sum(font.getmetrics()) + 1
    if wide > size[0] or 3 * high > size[1]:
        return
    x = max(0, min(box[0], size[0] - wide))
    places = [max(0, min(y, size[1] - high)) for y in (box[1] - high, box[1], box[3] - high, box[3])]
    spots = [(x, y, x + wide - 1, y + high - 1) for y in places]
    spot = next((spot for spot in spots if not any(_meet(spot, other) for other in taken)), spots[0])
    taken.append(spot)
    red, green, blue = colour(kind)
    pen.rectangle(spot, fill=(red, green, blue))
    ink = DARK if 299 * red + 587 * green + 114 * blue > 128_000 else LIGHT
    pen.text((spot[0] + pad, spot[1]), text, ink, font=font)


def _meet(one: Corners, other: Corners) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def _pixels(box: Corners, size: tuple[int, int]) -> Corners:
    """The box in whole pixels inside the picture."""
    left, top, right, bottom = (
        round(max(0.0, min(1.0, share)) * (side - 1)) for share, side in zip(box, (*size, *size), strict=True)
    )
    return left, top, max(left, right), max(top, bottom)


def _places(found: Evidence, keyframe: Keyframe) -> Iterator[tuple[Corners, float]]:
    """Where the keyframe shows it, and how surely; what another program wrote as sightings may be anything."""
    seen = found.details.get("seen")
    if not isinstance(seen, Sequence):
        if found.box and found.span.contains(keyframe.at):
            yield (found.box.left, found.box.top, found.box.right, found.box.bottom), found.confidence
        return
    for sighting in seen:
        here = isinstance(sighting, dict) and sighting.get("keyframe") == keyframe.index
        if here and (box := _numbers(sighting.get("box"), 4)):
            sure = _numbers([sighting.get("confidence")], 1)
            yield (box[0], box[1], box[2], box[3]), sure[0] if sure else found.confidence


def _numbers(given: Any, count: int) -> list[float]:
    """So many finite numbers, or none where that is not what is given."""
    right = isinstance(given, Sequence) and len(given) == count and all(isinstance(n, int | float) for n in given)
    return [float(n) for n in given] if right and all(math.isfinite(n) for n in given) else []
