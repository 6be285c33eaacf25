"""`transcript`: what is said in a video, from a file that says it already."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from vdesc import Evidence, Keyframe, Observer, SettingsError, Span, Video
from vdesc.cuefiles import CueFile, CueText, plain, read
from vdesc.files import digest

_SOUND = re.compile(r"\[([^\]]+)\]|^\(([^()]+)\)$")  # captions for the deaf write so what is heard but not said
_NOTES = "♩♪♫♬"
_NAMED = re.compile(r"([A-Z][A-Z0-9 .'-]{1,30}):\s+(?=\S)")
_LANGUAGE = re.compile(r"\.([a-z]{2,3}(?:-[A-Za-z0-9]+)*)$")


class Transcript(Observer):
    """Speech from a transcript or subtitle file that exists: SRT, WebVTT, Whisper's JSON, ASS, TTML.

    `[applause]`, `(laughs)` and lone music notes are evidence of the kind `sound`; what stands between music notes is
    speech that is `sung`. Voices (`<v Anna>`, `ANNA:`) become the detail `speaker`.
    """

    name = "transcript"
    finds = ("speech",)
    shorthand = "file"

    class Options(Observer.Options):
        """The file and what it does not say of itself."""

        file: str = Field("", description="The transcript; --speech FILE sets it.")
        encoding: str = Field("", description="Its encoding, as in cp1252; without, UTF-8 or UTF-16.")
        language: str = Field("", description="Its language, as in en; without, what the file or its name says.")

    def load(self, device: str) -> None:
        """Nothing to read yet. Raises `SettingsError` where no file is named."""
        if not self.options.file:
            raise SettingsError("transcript needs a file: --speech FILE, or --set transcript.file=FILE")

    def fingerprint(self) -> str:
        """The SHA-256 of the file. Raises `InputError`."""
        return digest(self._path) if self.options.file else ""

    def observe(self, video: Video, keyframes: Sequence[Keyframe]) -> Iterator[Evidence]:
        """Speech and sounds at the file's times, as far as the video lasts. Raises `InputError` for a broken file."""
        file, language = self._read()
        odd: Counter[str] = Counter()
        for cue in file.cues:
            span = Span(min(cue.span.start, video.span.end), min(cue.span.end, video.span.end))
            parts = list(_parts(cue.text, file.webvtt))
            if why := _odd(cue, span, parts):
                odd[why] += 1
            for kind, value, details in parts if span.length else ():
                if cue.words and value == " ".join(cue.text.split()):
                    details["words"] = [list(word) for word in cue.words]
                yield Evidence(kind, span, value, 1.0, self.name, details=language | details)
        if not file.cues:
            self.note(f"{self._path.name} holds no cue")
        if odd:
            what = ", ".join(f"{count} {why}" for why, count in sorted(odd.items()))
            self.note(f"cues of {self._path.name}: {what}")

    @property
    def _path(self) -> Path:
        return Path(self.options.file).expanduser()

    def _read(self) -> tuple[CueFile, dict[str, Any]]:
        """The file, and its language as a detail, where that is known."""
        file = read(self._path, self.options.encoding)
        if (kind := file.head.get("kind", "captions").lower()) not in ("captions", "subtitles"):
            self.note(f"{self._path.name} says that it holds {kind}: they are taken for what is said", "warning")
        named = _LANGUAGE.search(self._path.stem)
        language = self.options.language or file.head.get("language") or file.head.get("lang") or (named and named[1])
        return file, {"language": language} if language else {}


def _odd(cue: CueText, span: Span, parts: Sequence[Any]) -> str:
    """What is to be said of a cue of which not all becomes evidence; "" where all does."""
    if not parts:
        return "without words left out"
    if not cue.span.length:
        return "without length left out"
    if not span.length:
        return "after the end of the video left out"
    return "cut at the end of the video" if span.length < cue.span.length else ""


def _parts(text: str, webvtt: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Kind, value and details of each thing that a cue says is heard."""
    for speaker, said in plain(text, webvtt):
        said = re.sub(r"^>>+\s*", "", said)  # a change of speaker, in American captions
        named = None if speaker else _NAMED.match(said)
        who = {"speaker": named[1] if named else speaker} if named or speaker else {}
        said = said[named.end() :] if named else said
        done = 0
        for sound in _SOUND.finditer(said):
            yield from _speech(said[done : sound.start()], who)
            if name := (sound[1] or sound[2]).strip():
                yield "sound", name, {}
            done = sound.end()
        yield from _speech(said[done:], who)


def _speech(said: str, who: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    words = " ".join("".join(" " if character in _NOTES else character for character in said).split())
    if any(character.isalnum() for character in words):
        yield "speech", words, who | ({"sung": True} if any(note in said for note in _NOTES) else {})
    elif any(note in said for note in _NOTES):
        yield "sound", "music", {}
