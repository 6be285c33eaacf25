"""The ocr observer: EasyOCR's networks in torch.

EasyOCR fetches what it misses, deletes files whose MD5 sum is another than it expects, makes folders in the home
folder, adds one to the path of Python modules, and lets its files run code. Here none of that happens; it fetches what
is missing where that is wished.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from pydantic import Field, field_validator
from vdesc import ModelError, SettingsError
from vdesc.errors import nearest
from vdesc.hub import reachable

from .lines import Piece, piece
from .reader import TextReader

if TYPE_CHECKING:
    import numpy as np

TROUBLE = re.compile(r"(Missing|MD5 mismatch for) (.*) and downloads disabled")


class EasyOcr(TextReader):
    """Reads text in more than 80 languages with EasyOCR; the files of its networks must be there, or be fetched."""

    name = "ocr"
    package = "easyocr"
    extra = "ocr"
    shorthand = "languages"

    class Options(TextReader.Options):
        """The languages, and where the networks' files are."""

        confidence: float = Field(0.3, ge=0, le=1, description="A line that is read less surely is not evidence.")
        side: int = Field(
            1920, ge=64, le=8192, description="Text is looked for in a picture of at most so many pixels a side."
        )
        languages: tuple[str, ...] = Field(
            ("en",), min_length=1, description="EasyOCR's names of the languages, as [en] or [ko,en]."
        )
        folder: str = Field("", description="Where the files of the networks are; empty for EasyOCR's own folder.")
        download: bool = Field(False, description="Let EasyOCR fetch the files that are missing, once.")
        batch: int = Field(16, ge=1, description="Lines recognised at once on a GPU; on a CPU it is one.")

        @field_validator("languages", mode="before")
        @classmethod
        def _listed(cls, value: Any) -> Any:
            return [part.strip() for part in value.strip("[] ").split(",")] if isinstance(value, str) else value

    def load(self, device: str) -> None:
        """Reads the networks. Raises `ModelError` where a file is missing or wrong, `SettingsError` for a language."""
        from easyocr import config

        for language in self.options.languages:
            if language not in config.all_lang_list:
                raise SettingsError(
                    f"ocr: EasyOCR reads no language '{language}' ({nearest(language, config.all_lang_list)})"
                )
        folder = Path(self.options.folder or Path(config.MODULE_PATH) / "model").expanduser()
        if self.options.download:
            folder.mkdir(parents=True, exist_ok=True)
        elif not folder.is_dir():
            raise ModelError(f"ocr: there is no folder {folder} with EasyOCR's files: {_remedy()}")
        self.reader: Any = self._reader(folder, False if device == "cpu" else device)

    def close(self) -> None:
        """Lets the networks go."""
        self.reader = None

    def read(self, pictures: Sequence[np.ndarray]) -> list[list[Piece]]:
        """The pieces of text in each picture."""
        return [self._read(picture) for picture in pictures]

    def _read(self, picture: np.ndarray) -> list[Piece]:
        import cv2

        with _quiet():
            level, free = self.reader.detect(picture, canvas_size=self.options.side, reformat=False)
            gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            with _one_thread():
                found = self.reader.recognize(gray, level[0], free[0], batch_size=self.options.batch, reformat=False)
        return [piece(text, float(sure), corners) for corners, text, sure in found]

    def _reader(self, folder: Path, gpu: bool | str) -> Any:
        """EasyOCR's reader; where that is wished, with the files fetched that it misses, and only those."""
        while True:
            try:
                return self._made(folder, gpu, download_enabled=False)
            except FileNotFoundError as error:
                trouble = TROUBLE.search(str(error))
                if not trouble:
                    raise ModelError(f"ocr: {error}: {_remedy()}") from error
                wrong, path = trouble[1] != "Missing", Path(trouble[2])
                if wrong:
                    raise ModelError(
                        f"ocr: {path} is not the file that EasyOCR expects (its MD5 sum is another): remove it, then "
                        f"{_remedy(path)}"
                    ) from error
                if not self.options.download:
                    raise ModelError(f"ocr: there is no {path}: {_remedy(path)}") from error
                self._fetch(folder, path)

    def _fetch(self, folder: Path, path: Path) -> None:
        """Lets EasyOCR fetch one file."""
        entry = _entry(path.name)
        if not reachable(entry.get("url", "")):
            raise ModelError(
                f"ocr: there is no {path} and it cannot be fetched now: run again where there is a network, or unpack "
                f"{entry.get('url')} there"
            )
        detector = "characters" not in entry
        try:
            self._made(folder, False, download_enabled=True, detector=detector, recognizer=not detector)
        except (OSError, AssertionError, BadZipFile) as error:  # EasyOCR asserts that the sum is right
            path.unlink(missing_ok=True)
            raise ModelError(f"ocr: the download of {path.name} failed ({error}): run again") from error

    def _made(self, folder: Path, gpu: bool | str, **how: Any) -> Any:
        """A Reader of EasyOCR that executes nothing of the files it reads, and leaves this process as it was."""
        from easyocr import Reader

        paths = list(sys.path)
        try:
            with _quiet(), _weights_only():
                # the second folder is that of networks of one's own, which would run code: there are none
                return Reader(list(self.options.languages), gpu, str(folder), str(folder), verbose=False, **how)
        except ValueError as error:
            raise SettingsError(f"ocr: {error}") from error
        except (RuntimeError, KeyError, EOFError, UnpicklingError) as error:
            reason = str(error).strip().partition("\n")[0].rstrip(":.")
            if isinstance(error, UnpicklingError):
                reason = "one holds more than weights"
            raise ModelError(f"ocr: the files in {folder} cannot be read ({reason}): fetch them again") from error
        finally:
            sys.path[:] = paths


def _entry(name: str) -> dict[str, str]:
    """What EasyOCR knows of a file of networks."""
    from easyocr import config

    tables = (config.detection_models, *config.recognition_models.values())
    return next((entry for table in tables for entry in table.values() if entry["filename"] == name), {})


def _remedy(path: Path | None = None) -> str:
    """What to do for a file that is missing."""
    address = _entry(path.name).get("url") if path else None
    by_hand = f"unpack {address} there" if address else "name the folder that holds them with --set ocr.folder=FOLDER"
    return f"{by_hand}, or let EasyOCR fetch it with --set ocr.download=true"


@contextmanager
def _weights_only() -> Iterator[None]:
    """Lets torch read weights and nothing else in the block; EasyOCR would let a file run code."""
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = [os.environ.pop(name, None) for name in names]
    os.environ[names[0]] = "1"
    try:
        yield
    finally:
        for name, value in zip(names, before, strict=True):
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _one_thread() -> Iterator[None]:
    """Lets torch work on one CPU thread: the steps of a recogniser are so small that threads mostly wait."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of libraries about how EasyOCR uses them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
