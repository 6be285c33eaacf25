"""Words in a band under a picture, in a font that has their characters."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont
from vdesc.lines import Words, one_line

INK, PAPER = (245, 245, 245), (20, 20, 20)
FONTS = (
    "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "NotoSansKR-Regular.otf", "NanumGothic.ttf", "DejaVuSans.ttf",
    "AppleSDGothicNeo.ttc", "PingFang.ttc", "Arial Unicode.ttf", "malgun.ttf", "msyh.ttc", "segoeui.ttf", "arial.ttf",
)  # fmt: skip
"""Fonts that systems bring along, looked for where the one inside Pillow (Latin only) lacks a character."""

Font = ImageFont.FreeTypeFont


def captioned(image: Image.Image, text: str, name: str = "") -> Image.Image | None:
    """The picture with the text in a band below, without emoji where no font has them; None where none has the rest.

    Args:
        name: the font that is tried first.
    """
    size = max(12, min(image.size) // 18)
    for words in (text, _without_emoji(text)):
        if words and (font := font_for(words, size, name)):
            return under(image, words, font)
    return None


def under(image: Image.Image, text: str, font: Font) -> Image.Image:
    """The picture with the text in a band below it; nothing of the picture is hidden."""
    margin = int(font.size) // 2
    text = "\n".join(_wrapped(text, font, image.width - 2 * margin))
    left, top, right, bottom = ImageDraw.Draw(image).multiline_textbbox((0, 0), text, font=font, align="center")
    taller = Image.new("RGB", (image.width, image.height + round(bottom - top) + 2 * margin), PAPER)
    taller.paste(image)
    corner = ((image.width - (right - left)) / 2 - left, image.height + margin - top)
    ImageDraw.Draw(taller).multiline_text(corner, text, INK, font=font, align="center")
    return taller


def font_for(text: str, size: int, name: str = "") -> Font | None:
    """A font of `size` pixels that can draw all of `text`, or None; the one called `name` is tried first."""
    for candidate in ((name,) if name else ()) + ("", *FONTS):
        font = _font(candidate, size)
        if font and all(_drawn(character, font) for character in set(text)):
            return font
    return None


@lru_cache
def _font(name: str, size: int) -> Font | None:
    try:
        font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None
    return font if isinstance(font, Font) else None


def _drawn(character: str, font: Font) -> bool:
    """Whether the font has the character: what it lacks it draws like one that no font has."""
    if unicodedata.category(character) in ("Zs", "Cf", "Mn", "Me", "Mc"):
        return True
    return bytes(font.getmask(character)) != bytes(font.getmask("\U0010fffe"))


def _without_emoji(text: str) -> str:
    return one_line("".join(c for c in text if unicodedata.category(c) not in ("So", "Sk", "Cn", "Cf")))


def _wrapped(text: str, font: Font, room: int) -> list[str]:
    """Lines no wider than `room` pixels."""
    for columns in range(max(2, int(2.2 * room / font.size)), 1, -1):
        lines = Words(text, columns).lines()
        if max((font.getlength(line) for line in lines), default=0) <= room:
            break
    return lines
