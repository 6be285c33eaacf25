"""Cue files: what SubRip, WebVTT and JSON transcripts, and the other formats of pysubs2, say and when.

A file that is broken is an `InputError` that names the line. Sources: W3C WebVTT 1, 6.1 (blocks) and 6.4 (cue text);
SubRip as players read it.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .data import Span
from .errors import InputError

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_WORD_TIME = re.compile(r"<(?:\d+:)?\d\d:\d\d\.\d{3}>")
_ARROW = "-->"


@dataclass(frozen=True, slots=True)
class CueText:
    """What one cue says: `text` as the file has it, tags and all, from line `number` on; words are as in evidence."""

    span: Span
    text: str
    number: int = 0
    words: tuple[tuple[int, int, str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class CueFile:
    """The cues of a file in its own order; `head` holds what its first lines say of it, as kind and language."""

    cues: tuple[CueText, ...]
    head: dict[str, str] = field(default_factory=dict)
    webvtt: bool = False


def read(path: Path, encoding: str = "") -> CueFile:
    """What the file says. Raises `InputError`.

    Args:
        encoding: as Python calls it; without, UTF-8, or UTF-16 where the file begins so.
    """
    text = _decoded(path, encoding)
    if text.startswith("WEBVTT") or path.suffix.lower() == ".vtt":
        return _webvtt(path, _lines(text))
    if path.suffix.lower() == ".json":
        return _json(path, text)
    if path.suffix.lower() in (".srt", ".txt", "") or _ARROW in text:
        return CueFile(tuple(_subrip(path, _lines(text))))
    return _other(path, text)


def _decoded(path: Path, encoding: str) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read the transcript {path}: {error.strerror or error}") from error
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode(encoding or ("utf-16" if wide else "utf-8-sig")).replace("\x00", "").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"line {line} of {path} is not {error.encoding}: name its encoding, as in --set transcript.encoding=cp1252"
        ) from error
    except LookupError as error:
        raise InputError(f"there is no encoding '{encoding}' for {path}: name another, as cp1252 or cp949") from error


def _lines(text: str) -> list[str]:
    """The lines as both formats part them; `splitlines` knows more ends of lines, which are text here."""
    return re.split(r"\r\n|\r|\n", text)


def _webvtt(path: Path, lines: list[str]) -> CueFile:
    """The cues: each a line with times, and those after it up to an empty one. All else but the head is comment."""
    if not lines[0].startswith("WEBVTT"):
        raise InputError(f"line 1 of {path} is not WEBVTT, with which a WebVTT file begins: check what the file is")
    head: dict[str, str] = {}
    cues: list[CueText] = []
    within = ""
    for number, line in enumerate(lines, 1):
        if _ARROW in line:
            cues.append(CueText(_span(path, number, line), "", number))
            within = "cue"
        elif not line:
            within = "nothing"
        elif within == "cue":
            cues[-1] = _longer(cues[-1], line)
        elif not within and ":" in line:
            name, _, value = line.partition(":")
            head[name.strip().lower()] = value.strip()
    return CueFile(tuple(_unrolled(cues)), head, webvtt=True)


def _unrolled(cues: list[CueText]) -> Iterator[CueText]:
    """The cues; in files of machines, where words have times of their own, lines shown again are not said again."""
    rolling = any(_WORD_TIME.search(cue.text) for cue in cues)
    before: list[str] = []
    for cue in cues:
        lines = [line for line in cue.text.split("\n") if line.strip()]
        plain = [re.sub("<[^>]*>", "", line).strip() for line in lines]
        again = (
            max((n for n in range(len(plain) + 1) if n == 0 or plain[:n] == before[-n:]), default=0) if rolling else 0
        )
        yield CueText(cue.span, "\n".join(lines[again:]), cue.number)
        before = plain


def _subrip(path: Path, lines: list[str]) -> Iterator[CueText]:
    """The cues: each a line with times, the number before it, and the text up to the next of these."""
    timed = [i for i, line in enumerate(lines) if _ARROW in line]
    first = timed[0] if timed else len(lines)
    for i, line in enumerate(lines[:first]):
        if line.strip() and not line.strip().isdigit():
            raise InputError(
                f"line {i + 1} of {path} is no time of a cue, as in 00:00:01,000 --> 00:00:02,500: {line[:40]!r}"
            )
    numbered = first > 0 and lines[first - 1].strip().isdigit()
    for i, stop in zip(timed, [*timed[1:], len(lines)], strict=False):
        cue = CueText(_span(path, i + 1, lines[i]), "", i + 1)
        last = stop - 1
        counted = numbered and stop < len(lines) and last > i and lines[last].strip().isdigit()
        for line in lines[i + 1 : last if counted else stop]:
            cue = _longer(cue, line) if line.strip() else cue
        yield cue


def _longer(cue: CueText, line: str) -> CueText:
    return CueText(cue.span, f"{cue.text}\n{line}" if cue.text else line, cue.number)


def _span(path: Path, number: int, line: str) -> Span:
    match = _TIMES.match(line)
    if not match:
        raise InputError(
            f"line {number} of {path} holds no two times, as in 00:00:01.000 --> 00:00:02.500: {line[:60]!r}"
        )
    start, end = _ms(match.groups()[:4]), _ms(match.groups()[4:])
    if end < start:
        raise InputError(f"line {number} of {path} ends before it starts: {line.strip()[:60]!r}")
    return Span(start, end)


def _ms(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds, share = parts
    return (int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)) * 1000 + int(
        (share or "").ljust(3, "0")
    )


def _json(path: Path, text: str) -> CueFile:
    """The segments of a recogniser such as Whisper: objects with start and end in seconds, and text."""
    try:
        whole = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        raise InputError(f"line {line} of {path} is no JSON: {error}") from error
    rows = whole.get("segments") if isinstance(whole, dict) else whole
    if not isinstance(rows, list):
        raise InputError(f"{path} holds no list of segments with start, end and text: give the JSON of a transcript")
    head = {"language": str(whole["language"])} if isinstance(whole, dict) and whole.get("language") else {}
    return CueFile(tuple(_segment(path, i, row) for i, row in enumerate(rows, 1)), head)


def _segment(path: Path, number: int, row: Any) -> CueText:
    try:
        words = tuple(
            (*_seconds(word), str(word["word"]).strip(), float(word.get("probability", 1.0)))
            for word in row.get("words") or ()
        )
        return CueText(Span(*_seconds(row)), str(row["text"]), number, words)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"segment {number} of {path} has no start, end and text, the end after the start: {str(row)[:60]}"
        ) from error


def _seconds(row: Any) -> tuple[int, int]:
    return max(0, round(float(row["start"]) * 1000)), max(0, round(float(row["end"]) * 1000))


def _other(path: Path, text: str) -> CueFile:
    """What pysubs2 reads: SubStation, TTML, MicroDVD and more."""
    import pysubs2

    try:
        file = pysubs2.SSAFile.from_string(text)
        spans = [(Span(max(0, line.start), max(0, line.end)), line.plaintext) for line in file if not line.is_comment]
    except Exception as error:  # its readers raise errors of every sort over a damaged file
        raise InputError(f"{path} is no transcript that can be read (SRT, VTT, JSON, ASS, TTML): {error}") from error
    return CueFile(tuple(CueText(span, said, number) for number, (span, said) in enumerate(spans, 1)))


def plain(text: str, webvtt: bool) -> list[tuple[str, str]]:
    """The text without tags, as pairs of who speaks ("" where the file does not say) and what is said, in one line.

    Args:
        webvtt: whether `&amp;` and the like stand for characters, and any tag is one.
    """
    if not webvtt:
        text = re.sub(r"\{\\[^}]*\}|</?(?:[bius]|font|c)\b[^>]*>", "", text, flags=re.I)
    voices = re.split(r"<v(?:\.[^\s>]*)?(?:\s+([^>]*))?>", text)
    said = [("", voices[0]), *zip(voices[1::2], voices[2::2], strict=True)]
    pairs = []
    for name, words in said:
        words = html.unescape(re.sub(r"<[^>]*>", "", words)) if webvtt else words.replace("</v>", "")
        pairs.append((html.unescape(name or "").strip(), " ".join(words.split())))
    return [(name, words) for name, words in pairs if words]
