"""Words made safe for a subtitle file: what would break the format, or be taken for markup, comes out as plain text."""

from __future__ import annotations

import html
import re
import unicodedata

from vdesc.lines import one_line

_EMBEDDINGS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of all that follows until they are closed: a caption must not leave one open."""


def lines(text: str) -> list[str]:
    """The lines of a text that hold anything, without control characters, lone surrogates and turns of direction."""
    kept = (one_line("".join(filter(_harmless, line))) for line in text.splitlines())
    return [line for line in kept if line]


def subrip(text: str) -> str:
    """The text for an SRT cue, lines separated by newlines.

    SRT has no escapes, so what players take for markup is replaced by its look-alike: the signs of `<b>` by single
    guillemets, braces by parentheses, a backslash (`\\N` breaks lines) by a slash, `-->` by an arrow.
    """
    text = re.sub("-{2,}>", "→", "\n".join(lines(text)))
    if re.search(r"<\s*/?\s*[A-Za-z]", text):
        text = text.translate(str.maketrans("<>", "\u2039\u203a"))
    return _directed(text.translate(str.maketrans("{}\\", "()/")))


def webvtt(text: str) -> str:
    """The text for a WebVTT cue: `&`, `<` and `>` as character references (W3C WebVTT 4.2.2), else as it is."""
    return _directed(html.escape("\n".join(lines(text)), quote=False))


def _harmless(character: str) -> bool:
    banned = unicodedata.category(character) in ("Cc", "Cs") and character != "\t"
    return not banned and character not in _EMBEDDINGS and character != "\ufeff"


def _directed(text: str) -> str:
    """The text, its lines marked as right-to-left where it begins so: many players take left-to-right for granted."""
    strong = (unicodedata.bidirectional(character) for character in text)
    if next((kind for kind in strong if kind in ("L", "R", "AL")), "L") == "L":
        return text
    return "\n".join(f"\u202b{line}\u202c" for line in text.splitlines())
