"""The converter: VideoDescription's files become a description, a description becomes VideoDescription's files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from vdesc import Converter, InputError, Video, write_atomic

HEAD = 4096
"""Bytes of a file that are looked at to tell what it is."""


class VideoDescription(Converter):
    """Turns the JSON files of VideoDescription into a vdesc document, or a vdesc document into those files.

    A folder is read with all of its files that are there, wherever the program was stopped; a single file alone. The
    files tell no confidences: the least that the program requires stands for them.
    """

    name = "videodescription"

    class Options(Converter.Options):
        """What the files do not tell."""

        video: Path | None = Field(
            None, description="The video that the files describe, for its size, rate and end; without it the last time "
            "that a file tells is taken for the end.",
        )  # fmt: skip
        language: str = Field("ko", description="Language of captions and dialogue, as a BCP 47 tag.")

    def reads(self, source: Path) -> bool:
        """Whether it is one of the program's files, a folder with any of them, or a vdesc document."""
        from .reading import FRAMES, KEYFRAMES, NAMES

        if source.is_dir():
            names = (*NAMES, f"{FRAMES}/*/{KEYFRAMES}")
            return any(next(source.glob(name), None) for name in names)
        return source.name in NAMES or _is_document(source)

    def convert(self, source: Path, out: Path) -> list[str]:
        """Writes a document at `out`, or the files into a folder `out`. Raises `InputError`, `OutputError`."""
        from vdesc.document import dump, load

        from .describing import describe, work_of
        from .reading import found, read
        from .writing import write

        if _is_document(source):
            return write(work_of(load(source.read_bytes(), source.parent, str(source))), out)
        if not found(source):
            raise InputError(f"{source} holds no file of VideoDescription, and is no vdesc document: check the path")
        work = read(source)
        description = describe(work, self._video(), self.options.language)
        write_atomic(out, dump(description, out.parent))
        return [*work.said, f"wrote {len(work.scenes)} scenes and {len(work.finals)} captions to {out}"]

    def _video(self) -> Video | None:
        from vdesc.media import probe

        return probe(self.options.video.expanduser()) if self.options.video else None


def _is_document(source: Path) -> bool:
    """Whether a file begins as a vdesc document does: VideoDescription's are lists."""
    try:
        with source.open("rb") as file:
            head = file.read(HEAD)
    except OSError:
        return False
    return head.lstrip().startswith(b"{") and b'"schema_version"' in head
