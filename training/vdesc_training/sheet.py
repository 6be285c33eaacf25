"""The contact sheet: random items of a table as one picture, with their captions, so that a person can look."""

import heapq
import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps
from vdesc.errors import InputError
from vdesc.files import replacing
from vdesc.upright import upright

from .table import Item, read_table

PAPER, INK, FAINT, EMPTY = "#ffffff", "#1b1b1b", "#8a8a8a", "#efefef"
MARGIN, GAP, PICTURE, MOST = 20, 8, (300, 225), 5
SIZE, STEP = 14, 18
FRAMES = 6
"""Frames of a video that are shown, evenly chosen."""
_WIDE_FONTS = ("NotoSansCJK-Regular.ttc", "malgun.ttf", "AppleSDGothicNeo.ttc", "NanumGothic.ttf", "msyh.ttc")


def draw(folder: Path, out: Path, split: str | None = None, n: int = 12, seed: int = 0) -> Path:
    """`out`, now a picture of `n` random items of a table; equal seeds choose equal items.

    Args:
        split: of which the items are; None for all.
    Raises:
        InputError: the table has no items of that split.
        OutputError: the picture cannot be written.
    """
    dice = random.Random(seed)
    items = heapq.nsmallest(n, read_table(folder, split), key=lambda item: dice.random())
    if not items:
        raise InputError(f"{folder} has no items" + (f" of the split {split}" if split else ""))
    moving = any(len(item.images) > 1 for item in items)
    columns = min(len(items), 2 if moving else 4)
    width = 2 * PICTURE[0] + MARGIN if moving else PICTURE[0]
    cells = [_cell(folder, item, width) for item in items]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    with replacing(out) as partial:
        _joined(rows, columns * (width + MARGIN) + MARGIN).save(partial, format="PNG")
    return out


def _joined(rows: list[list[Image.Image]], width: int) -> Image.Image:
    heights = [max(cell.height for cell in row) for row in rows]
    sheet = Image.new("RGB", (width, sum(heights) + MARGIN * (len(rows) + 1)), PAPER)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            sheet.paste(cell, (MARGIN + column * (cell.width + MARGIN), top))
        top += height + MARGIN
    return sheet


def _cell(folder: Path, item: Item, width: int) -> Image.Image:
    """The item's pictures, and under them its name and captions."""
    strip = _strip(folder, item.images, width) if item.images else None
    start, captions = (strip.height + GAP if strip else 0), item.captions[:MOST]
    font = _font(SIZE, "".join((item.id, *captions)))
    stretch = f"  {item.span[0] / 1000:.1f} to {item.span[1] / 1000:.1f} s" if item.span else ""
    texts = [(f"{item.id}  ({item.split}){stretch}", FAINT), *((caption, INK) for caption in captions)]
    if len(item.captions) > MOST:
        texts.append((f"and {len(item.captions) - MOST} more", FAINT))
    blocks = [(_wrapped(text, font, width), colour) for text, colour in texts]
    cell = Image.new("RGB", (width, start + sum(len(lines) * STEP + GAP // 2 for lines, _ in blocks)), PAPER)
    if strip:
        cell.paste(strip, (0, 0))
    pen = ImageDraw.Draw(cell)
    for lines, colour in blocks:
        for line in lines:
            pen.text((0, start), line, fill=colour, font=font)
            start += STEP
        start += GAP // 2
    return cell


def _strip(folder: Path, images: tuple[str, ...], width: int) -> Image.Image:
    """A photo, whole, in a box of its own; or frames of a video side by side."""
    shown = [images[i * len(images) // min(FRAMES, len(images))] for i in range(min(FRAMES, len(images)))]
    across = min(len(shown), 3)
    size = (width - (across - 1) * 2) // across
    height = round(size * PICTURE[1] / PICTURE[0]) if across > 1 else PICTURE[1]
    down = -(-len(shown) // across)
    strip = Image.new("RGB", (width, down * (height + 2) - 2), PAPER)
    for i, name in enumerate(shown):
        strip.paste(_picture(folder / name, (size, height)), (i % across * (size + 2), i // across * (height + 2)))
    return strip


def _picture(path: Path, size: tuple[int, int]) -> Image.Image:
    box = Image.new("RGB", size, EMPTY)
    try:
        with Image.open(path) as photo:
            photo.draft("RGB", size)
            small = ImageOps.contain(upright(photo).convert("RGB"), size)
        box.paste(small, ((size[0] - small.width) // 2, (size[1] - small.height) // 2))
    except (OSError, ValueError):  # the others are still worth a look
        ImageDraw.Draw(box).text((GAP, GAP), f"cannot be read: {path.name}", fill=INK, font=_font(SIZE))
    return box


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> list[str]:
    """The text in lines that fit; a word that is too long for one is divided."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines


def _font(size: int, text: str = "") -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font; for other scripts than Latin one of the system's, where it has one."""
    for name in (
        _WIDE_FONTS if any(ord(letter) > 0x24F and not 0x2000 <= ord(letter) <= 0x206F for letter in text) else ()
    ):
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
