"""The keyframes as JPEG, with evidence drawn on them and the caption under them where that is asked for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from vdesc import Description, Keyframe, OutputError, Writer
from vdesc.document import target

from .words import lines, one_line

if TYPE_CHECKING:
    from PIL.Image import Image

    from .drawing import Mark


class Pictures(Writer):
    """The keyframes as JPEG, named after their times."""

    name = "frames"
    extension = ".frames"

    class Options(Writer.Options):
        """How they look."""

        caption: bool = Field(False, description="Write the caption in a band under the picture.")
        draw: str = Field(
            "", description="Kinds of evidence to draw where they were seen, as in object,text,face; or `all`."
        )
        quality: int = Field(90, ge=1, le=95, description="JPEG quality.")
        font: str = Field(
            "", description="A font file for words; by default one that has the characters is looked for."
        )

    def write(self, description: Description, folder: Path) -> Path:
        """The folder `<video>.frames`, whole or not at all."""
        path = target(description, folder, self.extension)
        kinds = {kind.strip() for kind in self.options.draw.split(",") if kind.strip()}
        shown: set[str] = set()
        with _replacing_folder(path) as partial:
            for i, keyframe in enumerate(description.keyframes, 1):
                found = self._marks(description, keyframe, kinds)
                shown |= {mark.kind for mark in found}
                data = self._jpeg(keyframe, found, caption_of(description, keyframe) if self.options.caption else "")
                (partial / f"{i:04}_{_clock(keyframe.at)}.jpg").write_bytes(data)
        if missing := sorted(kinds - shown - {"all"}):
            self.note(f"there was no {' and no '.join(missing)} to draw on the keyframes")
        return path

    def _marks(self, description: Description, keyframe: Keyframe, kinds: set[str]) -> list[Mark]:
        if not kinds:
            return []
        from .drawing import marks

        return list(marks(description.evidence, keyframe, kinds))

    def _jpeg(self, keyframe: Keyframe, found: list[Mark], caption: str) -> bytes:
        from PIL import Image

        image = Image.fromarray(keyframe.pixels())
        if found:
            from .drawing import drawn, illegible

            image = drawn(image, found, self.options.font)
            if any(illegible(mark, self.options.font) for mark in found):
                self._tell_of_fonts()
        if caption:
            image = self._captioned(image, caption)
        data = BytesIO()
        image.save(data, "JPEG", quality=self.options.quality)
        return data.getvalue()

    def _captioned(self, image: Image, caption: str) -> Image:
        from .band import captioned

        if drawn := captioned(image, caption, self.options.font):
            return drawn
        self._tell_of_fonts()
        return image

    def _tell_of_fonts(self) -> None:
        told = "no font here can write some of the words; name one with --set frames.font=FILE"
        if told not in {finding.message for finding in self.findings}:
            self.note(told, "warning")


def caption_of(description: Description, keyframe: Keyframe) -> str:
    """The words of the slot that a keyframe shows, in one line."""
    slots = {slot.index for slot in description.slots if keyframe in slot.keyframes}
    texts = [line for cue in description.cues if slots.intersection(cue.slots) for line in lines(cue.text)]
    return one_line("\n".join(texts))


def _clock(at: int) -> str:
    return f"{at // 3600000:02}-{at // 60000 % 60:02}-{at // 1000 % 60:02}.{at % 1000:03}"


@contextmanager
def _replacing_folder(path: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `path` when the block ends well, and is removed when it does not."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _only_frames(path)
        with tempfile.TemporaryDirectory(prefix=f".{path.name[:40]}.", dir=path.parent) as room:
            new, old = Path(room) / "new", Path(room) / "old"
            new.mkdir()
            yield new
            if path.exists():
                path.rename(old)
            try:
                new.rename(path)
            except OSError:
                if old.exists():
                    old.rename(path)
                raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another folder with -o") from error


def _only_frames(path: Path) -> None:
    if path.exists() and not (path.is_dir() and all(child.suffix == ".jpg" for child in path.iterdir())):
        raise OutputError(f"{path} holds other things than frames: move it away, or choose another folder with -o")
