"""The lexicon: which words of a text name what observers find. Knows the sections of a language, and no evidence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

KINDS = {"objects": "object", "sounds": "sound", "expressions": "expression"}
"""The sections of labels, and the kind of evidence that each has words for."""
MARKS = ("hints", "depicted", "several", "negations", "joins")
"""The sections of words that bear on others."""
SECTIONS = {**dict.fromkeys((*KINDS, "numbers"), True), **dict.fromkeys((*MARKS, "common", "endings"), False)}
"""All sections of a language, and whether they are tables: words for each of several labels or numbers."""
REACH = 3
"""How many words back a number, a negation or a "statue of" bears on a noun."""
SEVERAL = 3
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
QUOTE = re.compile(
    r"\"([^\"]+)\"|\u201c([^\u201d]+)\u201d|\u00ab([^\u00bb]+)\u00bb|\u300c([^\u300d]+)\u300d|\u300e([^\u300f]+)\u300f|"
    r"(?<!\w)['\u2018]([^'\u2018\u2019]+)['\u2019](?!\w)"
)

Forms = tuple[str, ...]
"""A word as it stands, and without each ending that it may have."""
Section = Mapping[str, object]
"""What a lexicon file holds for one language."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Words that name one of `labels`; not `sure` where they may well mean something else.

    `count` is how many the text says there are, 0 where it does not; with `or_more` there may be more.
    """

    kind: str
    labels: frozenset[str]
    sure: bool = True
    count: int = 0
    or_more: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text names: `words` that say something, `numbers` in digits that count nothing it names, and `quotes`.

    `forms` are those of each of its words, in order.
    """

    mentions: tuple[Mention, ...]
    words: tuple[Forms, ...]
    numbers: tuple[str, ...]
    quotes: tuple[str, ...]
    forms: tuple[Forms, ...]

    def says(self, phrase: Sequence[str]) -> bool:
        """Whether the words of a phrase stand in the text one after another, in any of their forms."""
        starts = range(len(self.forms) - len(phrase) + 1) if phrase else ()
        return any(all(word in self.forms[i + k] for k, word in enumerate(phrase)) for i in starts)


class Lexicon:
    """The words of one language."""

    def __init__(self, section: Section):
        self.endings = [_ending(part) for part in _parts(section.get("endings"))]
        self.labels = frozenset(_table(section.get("objects")))
        self._common = frozenset(tokens(" ".join(_parts(section.get("common")))))
        self._phrases: dict[str, dict[tuple[str, ...], list[_Entry]]] = {}
        for words, entry in _entries(section):
            if words:
                self._phrases.setdefault(words[0], {}).setdefault(words, []).append(entry)
        self.read = lru_cache(1 << 16)(self._read)
        """What a text names."""

    def forms(self, word: str) -> Forms:
        """The word as it stands, and without each ending that it may have."""
        cut = (word.removesuffix(end) + put for end, put in self.endings if word.endswith(end) and len(word) > len(end))
        return tuple(dict.fromkeys((word, *cut)))

    def label(self, value: str) -> str:
        """The label that a detector's label of another vocabulary surely means, as sofa means couch; else it."""
        if value in self.labels:
            return value
        named = [m.labels for m in self.read(value).mentions if m.kind == "object" and m.sure]
        return min(named[0]) if len(named) == 1 and len(named[0]) == 1 else value

    def _telling(self, forms: Forms) -> bool:
        """Whether it says something that a word was read or heard: it is long enough and not common."""
        word = forms[0]
        long = len(word) > 3 if word.isascii() else len(word) > 1
        return long and not word.isdecimal() and self._common.isdisjoint(forms)

    def _read(self, text: str) -> Reading:
        forms = tuple(self.forms(word) for word in tokens(text))
        matches = list(self._matches(forms))
        settings = [_Setting(matches, k) for k in range(len(matches))]
        counted = {id(setting.number) for setting in settings}
        return Reading(
            mentions=tuple(_joined(mention for setting in settings for mention in setting.mentions())),
            words=tuple(dict.fromkeys(form for form in forms if self._telling(form))),
            numbers=tuple(forms[m.start][0] for m in matches if id(m) not in counted and forms[m.start][0].isdecimal()),
            quotes=tuple("".join(found) for found in QUOTE.findall(text)),
            forms=forms,
        )

    def _matches(self, forms: tuple[Forms, ...]) -> Iterator[_Match]:
        """The phrases in a text from left to right, each the longest that begins there."""
        company = frozenset(form for some in forms for form in some)
        i = 0
        while i < len(forms):
            match = self._longest(forms, i, len(forms), company)
            if match and match.of("hints"):
                within = (self._longest(forms, k, match.end, company, match) for k in range(match.start, match.end))
                yield from (replace(m, entries=tuple(replace(e, sure=False) for e in m.entries)) for m in within if m)
            elif match:
                yield match
            i = match.end if match else i + 1

    def _longest(
        self, forms: tuple[Forms, ...], i: int, end: int, company: frozenset[str], other: _Match | None = None
    ) -> _Match | None:
        """The longest phrase at word `i` that ends by `end` and is not all of `other`."""
        found: dict[int, list[_Entry]] = {}
        if forms[i][0].isdecimal():
            found[1] = [_Entry("number", forms[i][0])]
        for form in forms[i]:
            for phrase, entries in self._phrases.get(form, {}).items():
                fits = i + len(phrase) <= end and all(word in forms[i + k] for k, word in enumerate(phrase))
                if fits and not (other and len(phrase) == other.end - other.start):
                    found.setdefault(len(phrase), []).extend(entry.among(company) for entry in entries)
        longest = max(found, default=0)
        return _Match(i, i + longest, tuple(dict.fromkeys(found[longest]))) if longest else None


@dataclass(frozen=True, slots=True)
class _Entry:
    """What a phrase stands for: `kind` is that of a mention, `number`, or one of MARKS; `value` the label or number."""

    kind: str
    value: str = ""
    sure: bool = True
    company: frozenset[str] = frozenset()

    def among(self, words: frozenset[str]) -> _Entry:
        """What it stands for beside these words: without the company that it needs, it is not sure."""
        return replace(self, sure=self.sure and (not self.company or not self.company.isdisjoint(words)))


@dataclass(frozen=True, slots=True)
class _Match:
    """The entries of the words from `start` up to `end`."""

    start: int
    end: int
    entries: tuple[_Entry, ...]

    def of(self, *kinds: str) -> list[_Entry]:
        return [entry for entry in self.entries if entry.kind in kinds]


def tokens(text: str) -> list[str]:
    """The words of a text, folded so that case and composition do not matter."""
    return WORD.findall(unicodedata.normalize("NFC", text.replace("\u2019", "'")).casefold())


class _Setting:
    """A match among those before and after it that bear on it."""

    def __init__(self, matches: Sequence[_Match], k: int):
        self.match = matches[k]
        lately = matches[max(0, k - 2 * REACH) : k]
        self.before = [m for m in lately if m.start < self.match.start and self.match.start - m.end < REACH]
        self.after = [m for m in matches[k + 1 : k + 2] if m.start == self.match.end]
        self.number = self._number()

    def mentions(self) -> Iterator[Mention]:
        """The mentions that the match makes: one of the labels it surely names, one of those that it may."""
        if any(m.of("negations") for m in self.before):
            return
        depicted = any(m.of("depicted") for m in (*self.before, *self.after))
        several = bool(self.match.of("several") or (self.number and self.number.of("several")))
        count = SEVERAL if several else int(self.number.of("number")[0].value[:9]) if self.number else 0
        for kind in KINDS.values():
            for sure in (True, False):
                labels = frozenset(e.value for e in self.match.of(kind) if e.sure == sure)
                if labels:
                    yield Mention(kind, labels, sure and not depicted, count, several)

    def _number(self) -> _Match | None:
        """What counts the things that the match names: the nearest number before it, with nothing else between."""
        near = [m for m in self.before if m.of(*KINDS.values(), "number", "several", "joins")]
        return near[-1] if self.match.of("object") and near and near[-1].of("number", "several") else None


def _joined(mentions: Iterable[Mention]) -> Iterable[Mention]:
    """The mentions with those of the same labels joined, and their counts summed: "two men and a woman" are three."""
    joined: dict[tuple[str, frozenset[str], bool], Mention] = {}
    for mention in mentions:
        key = mention.kind, mention.labels, mention.sure
        old = joined.get(key)
        if old is None:
            joined[key] = mention
        elif old.count or mention.count:
            count = max(old.count, 1) + max(mention.count, 1)
            joined[key] = replace(old, count=count, or_more=old.or_more or mention.or_more)
    return joined.values()


def _entries(section: Section) -> Iterator[tuple[tuple[str, ...], _Entry]]:
    """Every phrase of a section with what it stands for."""
    for name, kind in KINDS.items():
        for label, words in _table(section.get(name)).items():
            for part in _parts(words):
                phrase, _, company = part.partition("@")
                entry = _Entry(kind, label, not phrase.startswith("~"), frozenset(tokens(company)))
                yield tuple(tokens(phrase)), entry
    for name in MARKS:
        for part in _parts(section.get(name)):
            yield tuple(tokens(part)), _Entry(name)
    for word, number in _table(section.get("numbers")).items():
        yield tuple(tokens(word)), _Entry("number", str(number))


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _parts(words: object) -> list[str]:
    return [part.strip() for part in str(words or "").split(",") if part.strip()]


def _ending(part: str) -> tuple[str, str]:
    end, _, put = part.partition(">")
    return end.strip(), put.strip()
