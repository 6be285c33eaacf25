"""What both readers share: keyframes to pictures to lines to evidence. Knows no engine.

A reader says what stands in pictures; here equal pictures are read once, broken ones passed over, lines cleaned and
joined, followed over the keyframes, and given their role.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field
from vdesc import Box, Evidence, Keyframe, Observer, PluginError, VdescError, Video
from vdesc.planning import stretches
from vdesc.sightings import Sighting, chains, lasting

from .lines import Piece, clean, joined
from .once import Once
from .roles import role
from .tracking import agreed, alike

if TYPE_CHECKING:
    import numpy as np

SINGLE = 0.9  # the confidence that one character by itself must have
BATCH = 4  # pictures held in memory at full size
SMALLEST = 12  # pixels: no writing fits in a picture that is lower or narrower


class TextReader(Observer):
    """Reads the text in keyframes. A subclass names its library in `package`, and says what pictures hold in `read`."""

    package: ClassVar[str]
    finds = ("text",)

    class Options(Observer.Options):
        """What counts as read, and how closely pictures are looked at."""

        confidence: float = Field(0.5, ge=0, le=1, description="A line that is read less surely is not evidence.")
        side: int = Field(
            1280, ge=64, le=8192, description="Text is looked for in a picture of at most so many pixels a side."
        )
        longest: int = Field(1000, ge=1, description="Characters after which a line is cut off.")

    @abstractmethod
    def read(self, pictures: Sequence[np.ndarray]) -> list[list[Piece]]:
        """For each RGB uint8 picture (height, width, 3), of any sizes, the pieces of text in it, in pixels."""

    def fingerprint(self) -> str:
        """The library's version: it decides which networks are used."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return ""

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> list[Evidence]:
        """One evidence of kind `text` for each line, over the keyframes that show it; see `docs/evidence-text.md`."""
        sightings, spans = list(self._sightings(keyframes)), stretches(keyframes, video.span)
        pages: dict[int, list[Sighting]] = defaultdict(list)
        for sighting in sightings:
            pages[sighting.keyframe].append(sighting)
        found = []
        for chain in chains(sightings, alike):
            line, first, last = agreed(chain), chain[0].keyframe, chain[-1].keyframe
            lasted = keyframes[last].at - keyframes[first].at
            part = role(line, pages[line.keyframe], lasted, spans[first].start, video.span.length)
            evidence = lasting("text", self.name, chain, keyframes, spans, line.value, role=part)
            found.append(replace(evidence, confidence=line.confidence, box=line.box))
        return found

    def _sightings(self, keyframes: Sequence[Keyframe]) -> Iterator[Sighting]:
        cut = 0
        for at, (height, width), pieces in self._pages(keyframes):
            lines = [replace(piece, text=clean(piece.text)) for piece in pieces]
            sure = [line for line in lines if line.text and line.confidence >= self._least(line.text)]
            for line in joined(sure):
                cut += len(line.text) > self.options.longest
                text = line.text[: self.options.longest].rstrip()
                yield Sighting(at, text, line.confidence, _share(line, width, height), line.tilt)
        if cut:
            self.note(f"cut {cut} lines off after {self.options.longest} characters")

    def _least(self, text: str) -> float:
        """How sure a reading must be: engines see single characters in leaves and wheels."""
        return max(self.options.confidence, SINGLE) if len(text) == 1 else self.options.confidence

    def _pages(self, keyframes: Sequence[Keyframe]) -> Iterator[tuple[int, tuple[int, ...], list[Piece]]]:
        """Position, height and width, and pieces of text of each keyframe that can be read; notes the others once."""
        read = Once(self._read_each)
        broken: list[tuple[int, Exception]] = []
        for start in range(0, len(keyframes), BATCH):
            shown = {}
            for at in range(start, min(start + BATCH, len(keyframes))):
                try:
                    pixels = _pixels(keyframes[at])
                except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
                    broken.append((at, error))
                else:
                    if min(pixels.shape[:2]) >= SMALLEST:
                        shown[at] = pixels
            for (at, pixels), pieces in zip(shown.items(), read(list(shown.values())), strict=True):
                if isinstance(pieces, Exception):
                    broken.append((at, pieces))
                else:
                    yield at, pixels.shape[:2], pieces
        self._tell(broken, keyframes)

    def _read_each(self, pictures: list[np.ndarray]) -> list[list[Piece] | Exception]:
        """What each picture holds, or why the engine failed at it."""
        try:
            return [*self.read(pictures)]
        except VdescError:
            raise
        except Exception as error:  # an engine may raise anything at an odd picture
            return [error] if len(pictures) == 1 else [self._read_each([picture])[0] for picture in pictures]

    def _tell(self, broken: Sequence[tuple[int, Exception]], keyframes: Sequence[Keyframe]) -> None:
        """Notes once which pictures were passed over. Raises `PluginError` where those are all."""
        if not broken:
            return
        at, error = broken[0]
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        if len(broken) == len(keyframes):
            raise PluginError(f"{self.name} could read none of {len(keyframes)} pictures ({reason})")
        others = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        self.note(f"passed over the picture of keyframe {keyframes[at].index}{others} ({reason})", "warning")


def _pixels(keyframe: Keyframe) -> np.ndarray:
    """The picture of a keyframe. Raises `ValueError` where it is none."""
    pixels = keyframe.pixels()
    if pixels.dtype != "uint8" or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"its pixels are {pixels.dtype} {pixels.shape}, not RGB uint8")
    return pixels


def _share(line: Piece, width: int, height: int) -> Box:
    """The line's place in shares of a picture of so many pixels, inside of it."""
    left, right = sorted(min(1.0, max(0.0, x / width)) for x in (line.left, line.right))
    top, bottom = sorted(min(1.0, max(0.0, y / height)) for y in (line.top, line.bottom))
    return Box(left, top, right, bottom)
