"""Tokenisers: what counts as a word. N-gram figures move with it, so each figure names the one that made it."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from vdesc.errors import SettingsError, nearest

from . import java

Tokenizer = Callable[[Sequence[str]], list[list[str]]]
"""The words of each text."""

PUNCTUATION = frozenset({"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"})
"""Tokens that the COCO evaluation drops. It means to drop brackets too, but compares before case is folded."""
ABBREVIATIONS = (
    "mr|mrs|ms|dr|drs|prof|st|ste|ave|blvd|rd|hwy|jr|sr|ft|etc|al|vs|rev|gen|sgt|capt|lt|col|cpl|gov|sen|rep|hon|mt|"
    "inc|corp|co|ltd|bros|dept|univ|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|ala|ariz|ark|calif|colo|conn|"
    "fla|ill|kan|ky|mass|md|mich|minn|miss|mont|neb|nev|okla|ore|pa|penn|tenn|tex|va|vt|wis|wyo|az"
)
"""Words that keep their stop. Not "wash.": it ends captions as a verb far more often than it is a state."""
SUFFIX, END = r"'(?:s|m|d|re|ve|ll)(?!\w)", r"(?!\w)"
TOKEN = re.compile(
    rf"""
      [\w.+-]{{1,64}}@\w+(?:\.\w+)* | [#@][a-z_]\w*              # addresses, tags
    | can(?=not{END}) | (?<=can)not{END}                       # words that are two
    | (?:gon|wan)(?=na{END}) | got(?=ta{END}) | (?:gim|lem)(?=me{END})
    | [:;=]-?[()]                                              # faces
    | {SUFFIX} | n't{END} | 'n' | '\d\ds?{END}
    | [a-z](?:\.[a-z])+\.?{END} | (?-i:[A-Z]\.){END} | (?:{ABBREVIATIONS})\.{END}
    | \d+(?:[.,:/]\d+)+(?=pm|am|\b)                           # 11:44, 3/4, 1,000
    | (?-i:[A-Z]+(?:&[A-Z]+)+)
    | \w+?(?=n't{END})
    | \w+(?:(?:[-/]|[.!?](?=[^\W\d_]))\w+ | '(?!(?:s|m|d|re|ve|ll){END})[^\W\d_]+)*
    | [?!]{{2,}} | \.+ | -+ | [^\w\s]
    """,
    re.X | re.I,
)
STRAIGHT = str.maketrans(
    {"’": "'", "‘": "`", '"': "''", "“": "``", "”": "''", "–": "--", "—": "--", "…": "...", "£": "#"}  # noqa: RUF001
)
BRACKETS = str.maketrans(
    {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
)  # fmt: skip


def normal(text: str) -> str:
    """Lower-case words without punctuation, as the COCO evaluation leaves them, written without its Java program.

    On 244,231 captions of COCO, Flickr8k, MSVD, ActivityNet and Charades all but 31 come out as there.
    """
    return " ".join(filter(None, map(_normal, text.split())))


@lru_cache(1 << 17)
def _normal(piece: str) -> str:
    """The words of what stands between two spaces: there are few such pieces, so each is taken apart once."""
    words = TOKEN.findall(piece.translate(STRAIGHT))
    kept = [word.translate(BRACKETS) for word in words if word not in PUNCTUATION and word.strip(".-")]
    return " ".join(kept).lower()


def own(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text, by `normal`."""
    return [normal(text).split() for text in texts]


def ptb(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text, by the COCO evaluation's own tokeniser. Raises `MissingJava`."""
    return [[word for word in words if word not in PUNCTUATION] for words in java.ptb(texts)]


def spaced(texts: Sequence[str]) -> list[list[str]]:
    """What stands between spaces, in lower case and composed form (NFC), punctuation taken for a space."""
    return [_plain(text, " ").split() for text in texts]


def characters(texts: Sequence[str]) -> list[list[str]]:
    """The characters of each text in lower case and composed form (NFC), without punctuation and spaces."""
    return [list("".join(_plain(text, "").split())) for text in texts]


def _plain(text: str, instead: str) -> str:
    text = unicodedata.normalize("NFC", text).lower()
    return "".join(instead if unicodedata.category(character)[0] == "P" else character for character in text)


TOKENIZERS: dict[str, tuple[str, Tokenizer]] = {
    "ptb": ("PTB tokeniser (Stanford CoreNLP 3.4.1)", ptb),
    "own": ("vdesc's own PTB-like tokeniser", own),
    "words": ("words between spaces, no punctuation", spaced),
    "characters": ("characters, no punctuation or spaces", characters),
}
"""By name: what it is called beside a figure, and the function."""


def tokenizer(name: str, language: str = "en") -> str:
    """The name in `TOKENIZERS` that `name` means.

    Args:
        name: one of them, or `auto`: for English `ptb` where Java is and `own` where it is not; `characters` for
            languages where words are no steady unit (Korean, Japanese, Chinese, Thai), else `words`.
    Raises:
        SettingsError: no such tokeniser.
    """
    if name != "auto":
        if name not in TOKENIZERS:
            raise SettingsError(f"there is no tokenizer '{name}' ({nearest(name, ['auto', *TOKENIZERS])})")
        return name
    short = language.lower().split("-")[0]
    if short == "en":
        return "ptb" if java.version() else "own"
    return "characters" if short in ("ko", "ja", "zh", "th") else "words"
