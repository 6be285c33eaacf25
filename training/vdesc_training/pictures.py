"""Pictures of an evaluation: small ones for the page, and the photos with what was said of them."""

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image
from vdesc.files import replacing
from vdesc.upright import upright
from vdesc_writers.band import captioned

from .cases import Case

SIZE = 320
"""The longest side of a small picture, in pixels."""
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".gif": "GIF"}


def thumbnail(path: Path) -> str:
    """A small JPEG of the picture as a `data:` address; "" where it cannot be read."""
    try:
        with Image.open(path) as image:
            image.draft("RGB", (SIZE, SIZE))
            small = upright(image).convert("RGB")
            small.thumbnail((SIZE, SIZE))
    except Exception:  # whatever is wrong with it, the rest of the page stands
        return ""
    data = io.BytesIO()
    small.save(data, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()


def draw(cases: Iterable[Case], table: Path, folder: Path) -> tuple[int, list[str]]:
    """How many pictures were written to `folder`, each with its caption in a band below, and the ids that were not.

    A picture keeps its path within the table; a video's middle keyframe stands for it.

    Raises `OutputError` where the folder cannot be written.
    """
    drawn, failed = 0, []
    for case in cases:
        picture = middle(case.pictures)
        if picture and _draw(picture, case.chosen, folder / _within(picture, table)):
            drawn += 1
        else:
            failed.append(case.id)
    return drawn, failed


def middle(pictures: Sequence[Path]) -> Path | None:
    """The picture that stands for all of them."""
    return pictures[len(pictures) // 2] if pictures else None


def _draw(picture: Path, text: str, out: Path) -> bool:
    try:
        with Image.open(picture) as opened:
            image = upright(opened).convert("RGB")
        drawn = captioned(image, text) if text else None
    except Exception:
        return False
    with replacing(out) as partial:
        (drawn or image).save(partial, FORMATS.get(out.suffix.lower(), "PNG"), quality=90)
    return bool(drawn)


def _within(picture: Path, table: Path) -> PurePosixPath:
    """The picture's path within the table; its bare name where it would lead out of it."""
    inner = PurePosixPath(picture.relative_to(table).as_posix()) if picture.is_relative_to(table) else None
    return inner if inner and ".." not in inner.parts else PurePosixPath(picture.name)
