"""METEOR and SPICE, through the Java programs that pycocoevalcap brings."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

from . import java
from .figure import Figure
from .tokens import TOKENIZERS
from .words import Words

SPICE_DATA = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")


def meteor(words: Words, language: str) -> Figure:
    """METEOR 1.5 (Denkowski & Lavie 2014), the whole and by item; English only. Java takes half a minute."""
    if reason := _missing(words, language):
        return Figure("meteor", None, reason)
    from pycocoevalcap.meteor.meteor import Meteor

    truth = {key: [_line(text) for text in texts] for key, texts in words.truth.items()}
    try:
        with _unlocked(Meteor()) as program:
            value, items = program.compute_score(truth, {key: [_line(text)] for key, text in words.said.items()})
    except (OSError, ValueError) as error:
        return Figure("meteor", None, f"its Java program failed: {error}")
    return Figure("meteor", value, words.how, dict(zip(truth, items, strict=True)))


def spice(words: Words, language: str) -> Figure:
    """SPICE (Anderson et al. 2016, arXiv 1607.08822), the whole and by item; English only. Nothing is downloaded."""
    if reason := _missing(words, language):
        return Figure("spice", None, reason)
    library = java.folder() / "spice" / "lib"
    if absent := [name for name in SPICE_DATA if not (library / name).is_file()]:
        return Figure("spice", None, f"needs {' and '.join(absent)} in pycocoevalcap/spice/lib")
    from pycocoevalcap.spice.spice import Spice

    names = {key: f"{number:09}" for number, key in enumerate(words.said)}  # it hands its items back sorted
    truth = {names[key]: [_line(text) for text in texts] for key, texts in words.truth.items()}
    try:
        value, items = Spice().compute_score(truth, {names[key]: [_line(text)] for key, text in words.said.items()})
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return Figure("spice", None, f"its Java program failed: {error}")
    return Figure("spice", float(value), words.how, {k: i["All"]["f"] for k, i in zip(names, items, strict=True)})


def _missing(words: Words, language: str) -> str:
    if language.lower().split("-")[0] != "en":
        return f"it is for English, not for '{language}'"
    return "" if words.how == TOKENIZERS["ptb"][0] else "computed on the tokens of ptb alone, which needs Java"


def _line(words: Sequence[str]) -> str:
    """A sentence as METEOR reads it: its own separator would end it."""
    return " ".join(word for word in words if "|||" not in word)


@contextlib.contextmanager
def _unlocked(program: Any) -> Iterator[Any]:
    """The program, which waits for its own lock when it is let go, and thus must not keep it after a failure."""
    try:
        yield program
    finally:
        if program.lock.locked():
            program.lock.release()
