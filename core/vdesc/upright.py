"""Photos turned as their camera notes. Knows Pillow alone."""

import contextlib

from PIL import Image, ImageOps


def upright(photo: Image.Image) -> Image.Image:
    """The photo, decoded and turned in place as its EXIF asks; where that is damaged, as far as it can be read.

    Raises what Pillow raises where it cannot be decoded.
    """
    photo.load()
    with contextlib.suppress(Exception):  # damaged notes fail in many ways, and the picture is there
        ImageOps.exif_transpose(photo, in_place=True)
    return photo
