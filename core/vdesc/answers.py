"""Guards on what models say: an answer made plain, and why it cannot be used. Pure functions.

Models think aloud, announce what they are about to say, refuse, go round in circles, repeat what they were asked, and
make up times. `checked` is all that a captioner needs.
"""

# ruff: noqa: RUF001 - marks of other scripts are meant

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from .lines import clusters, one_line
from .prompts import CLOSE, OPEN

EMPTY, WORDLESS, BROKEN, LOOP = "empty", "without words", "broken characters", "a loop"
REFUSAL, ECHO, FOREIGN = "a refusal", "an echo of the prompt", "in another language"
TIMES, UNFINISHED, LONG = "made-up times", "unfinished", "too long"
FAULTS = (EMPTY, WORDLESS, BROKEN, LOOP, REFUSAL, ECHO, FOREIGN, TIMES, UNFINISHED, LONG)
"""Why an answer cannot be used: phrases that end the sentence 'the answer was ...'."""


def checked(
    text: str, *, language: str | None = None, longest: int | None = None, prompt: str = "", finished: bool = True
) -> tuple[str, str | None]:
    """An answer as it can be shown, and None; or what is left of it, and one of `FAULTS`.

    An answer that was not `finished`, or has more than `longest` characters, is cut at the end of a sentence where that
    leaves a whole one. The other arguments are those of `wrong`.
    """
    text = cleaned(text)
    whole = text if finished else _whole(text)
    fault = wrong(text if whole is None else whole, language=language, prompt=prompt)
    if fault or whole is None:
        return text, fault or UNFINISHED
    short = shortened(whole, longest)
    return short, wrong(short, language=language, longest=longest, prompt=prompt)


def worth_retrying(fault: str) -> bool:
    """Whether another draw from the same model may do better: not where it refuses."""
    return fault != REFUSAL


def cleaned(text: str) -> str:
    """The answer alone, in one line: no thinking, lead-in, code fence, quotes around it, markdown, or leading time.

    Of a list it is the first entry. Tokens of a chat template end it; control characters and those that turn the
    direction of writing go; letters are composed (NFC).
    """
    for _ in range(LAYERS):
        before, text = text, _bare(_plain(text))
        if text == before:
            break
    return text


def shortened(text: str, longest: int | None) -> str:
    """The sentences from the first on that fit in `longest` characters; the text where none fits, or all."""
    if longest is None or _length(text) <= longest:
        return text
    fitting = [end for end in _ends(text) if _length(text[:end]) <= longest]
    return text[: fitting[-1]] if fitting else text


def wrong(text: str, *, language: str | None = None, longest: int | None = None, prompt: str = "") -> str | None:
    """Why an answer that is `cleaned` cannot be used, as one of `FAULTS`; None where it can.

    Args:
        language: BCP 47 tag of the language that was asked for, judged by its script alone; None for any.
        longest: characters that it may have, as a reader counts them.
        prompt: all that the model was asked, its evidence too.
    """
    faults = (
        (EMPTY, lambda: not text.strip()),
        (TIMES, lambda: bool(_TIMES.search(_unquoted(text)))),
        (WORDLESS, lambda: not any(map(str.isalpha, text))),
        (BROKEN, lambda: "\ufffd" in text),
        (LOOP, lambda: _loops(text)),
        (REFUSAL, lambda: bool(_REFUSAL.search(_unquoted(text).replace("’", "'")))),
        (ECHO, lambda: _echoes(text, prompt)),
        (FOREIGN, lambda: language is not None and _foreign(text, language)),
        (LONG, lambda: longest is not None and _length(text) > longest),
    )
    return next((fault for fault, found in faults if found()), None)


JOINERS = "\u200c\u200d"
_MIND = "(?:think(?:ing)?|thoughts?|reasoning)"
_THOUGHT = re.compile(rf"[<◁]{_MIND}[>▷].*?[<◁]/{_MIND}[>▷]", re.I | re.S)
_THOUGHT_ENDS = re.compile(rf"[<◁]/{_MIND}[>▷]", re.I)
_THOUGHT_BEGINS = re.compile(rf"[<◁]{_MIND}[>▷]", re.I)
_TOKEN = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|<(?:eos|bos|pad|unk)>|<(?:start|end)_of_turn>|\[/?INST\]")
_ROLE = re.compile(r"\s*(?:(?:assistant|model|user|system)\s*(?:\n|:|$))?", re.I)
_FENCE = re.compile(r"\s*```(?:[\w-]*\n)?(.*?)(?:```|\Z)", re.S)
_ENTRY = re.compile(r"^\s*(?:[-*•]|\(?\d{1,2}[.)])\s+(\S.*)$", re.M)
_AFTERWORD = re.compile(
    r"\n\W*(?:notes?|explanation|reasoning|rationale|caption \d|option \d|참고|설명|이유|근거)\b.*", re.I | re.S
)
_MARKS = (
    (re.compile(r"^\s*(?:#{1,6}|>)\s+"), ""),
    (re.compile(r"^\s*[-*_]{3,}\s*$"), ""),
    (re.compile(r"\*\*(.+?)\*\*|__(.+?)__|`([^`]+)`|(?<![\w*])\*(\S(?:[^*]*\S)?)\*(?![\w*])"), r"\1\2\3\4"),
    (re.compile(r"\[([^\]\n]+)\]\([^)\s]+\)"), r"\1"),
)
_STAMP = r"\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?(?![\d:]|[.,]\d)"
_RANGE = rf"{_STAMP}\s*(?:-->|->|[-–—~]|to)\s*{_STAMP}"
_NEVER_A_CLOCK = r"(?:\d{1,2}:\d{2}:\d{2}(?:[.,]\d{1,3})?|(?<![\d:])0{1,2}:\d{2}(?:[.,]\d{1,3})?)(?![\d:]|[.,]\d)"
_THEN = r"(?=[\w\"'“‘「『«*`])"
_LEADS = (
    rf"(?:\d+\s+)?[\[(]?\s*(?:{_RANGE}|{_NEVER_A_CLOCK})\s*[\])]?\s*[:|\-–—,]?\s*{_THEN}",
    rf"[\[(]\s*{_STAMP}\s*[\])]\s*[:|\-–—,]?\s*{_THEN}|{_STAMP}\s*[|\-–—]\s+{_THEN}",
    r"(?:sure|certainly|of course|absolutely|okay|물론입니다|물론이죠|알겠습니다|네)(?:[!.]+|,(?=\s*(?:here|다음)))\s*",
    r"(?:here(?:'s|’s| is| are)|다음은)\b[^:：\n]{0,80}[:：]\s*",
    r"(?:(?:the|a|an) )?(?:(?:video|image|scene|final|short|possible|suggested) )?"
    r"(?:caption|description|answer|response|output|assistant|sentence)(?: \d)?\s*[:：]\s*",
    r"(?:(?:영상|이미지|사진|장면|화면|최종) ?)?(?:캡션|설명|답변|답|묘사|문장|출력) ?\d?\s*[:：]\s*",
)
_LEAD = re.compile("|".join(f"(?:{lead})" for lead in _LEADS), re.I)
_QUOTES = ('""', "''", "“”", "‘’", "「」", "『』", "«»", "``")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|「[^」]*」|『[^』]*』|«[^»]*»|‘[^’]*’|(?<!\w)'[^']*'(?!\w)")
_TIMES = re.compile(
    rf"-->|[\[(]\s*{_STAMP}|{_RANGE}|{_NEVER_A_CLOCK}|time ?stamps?|타임스탬프|"
    r"\d\s*(?:s|sec|seconds?) (?:into|mark)\b|영상 ?\d+(?:\.\d+)?초|\d초 ?(?:지점|경에|쯤에)",
    re.I,
)
_ABBREVIATED = "".join(rf"(?<!\b{short})" for short in ("[A-Z]", "Mr", "Ms", "Mrs", "Dr", "St"))
_SENTENCE_END = re.compile(rf"{_ABBREVIATED}[.!?…]+[\"'”’」』)]*(?=\s|$)|[。！？]+[”’」』)]*")
_SEE = "(?:see|view|describe|assist|help|process|provide|identify|access|determine|analy[sz]e|fulfil|comply|watch|tell)"
_PICTURE = "(?:이미지|영상|사진|동영상|비디오)"
_REFUSALS = (
    r"^(?:i'm |i am )?(?:so |very |really )?sorry\b|^(?:i )?apologi[sz]e|^unfortunately, i\b",
    r"^please (?:provide|upload|share|attach)\b|\bas an? (?:ai|(?:large )?language model)\b",
    r"(?:^|[.!?,] )(?:but )?i(?: am|'m)? (?:cannot|can not|can't|(?:am )?unable to|not able to|do not|don't) "
    rf"(?:\w+ly )?{_SEE}\b|\bi (?:do not|don't) have (?:the ability|access|any (?:image|video))",
    r"^(?:there is )?no (?:image|video|picture|frame)s?(?: \w+)? (?:provided|attached|given|available)",
    r"^(?:죄송|미안)(?:합니다|하지만|해요)|(?:ai|인공지능|언어) ?(?:언어 ?)?모델(?:로서|이므로|이라|입니다|이기)",
    rf"{_PICTURE}(?:을|를|이|가|은|는)? ?(?:제공되지|첨부되지|보이지 않아)",
    rf"{_PICTURE}(?:을|를|은|는)? ?(?:직접 )?(?:볼|확인할|분석할|설명할|처리할) 수(?:는|가)? 없(?:습니다|어요|다|음)",
    r"(?:도와드릴|답변(?:을)? ?(?:드릴|할|제공할)) 수(?:는|가)? 없",
)
_REFUSAL = re.compile("|".join(_REFUSALS), re.I)
LAYERS = 16
"""So many wrappings, one within another, are taken off an answer."""
LOOKED = 4000
"""Characters in which loops are looked for."""
ECHO_RUN = 8
"""Letters in a row that answer and prompt must share to count as the same words."""
_LATIN = "en fr de es it pt nl sv da no nb nn fi is et lv lt pl cs sk sl hr hu ro tr vi id ms tl sw ca eu gl"
_ALIKE = {_LATIN: "LATIN", "ru uk bg be mk kk": "CYRILLIC", "ar fa ur": "ARABIC", "hi mr ne": "DEVANAGARI"}
SCRIPTS = {
    "ko": {"HANGUL"}, "ja": {"HIRAGANA", "KATAKANA", "CJK"}, "zh": {"CJK"}, "yue": {"CJK"}, "th": {"THAI"},
    "el": {"GREEK"}, "he": {"HEBREW"}, "bn": {"BENGALI"}, "ta": {"TAMIL"}, "te": {"TELUGU"}, "ka": {"GEORGIAN"},
    **{language: {script} for languages, script in _ALIKE.items() for language in languages.split()},
}  # fmt: skip
"""The scripts of languages, as the first words of Unicode's character names."""
UNSPACED = frozenset(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"))
"""Scripts without spaces between words: each character counts as one."""


def _plain(text: str) -> str:
    """What the model meant as its answer, in one line, without what cannot be seen and without marks."""
    text = _first(_turn(_thought(unicodedata.normalize("NFC", text))))
    text = one_line("\n".join(map(_unmarked, text.splitlines())))
    return "".join(c for c in text if c in JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))


def _thought(text: str) -> str:
    """The text without what the model thought: a block, or what stands before its end or after its begin alone."""
    text = _THOUGHT_ENDS.split(_THOUGHT.sub("", text))[-1]
    return _THOUGHT_BEGINS.split(text)[0]


def _turn(text: str) -> str:
    """What stands between the first tokens of a chat template that have words between them, without a role's name."""
    turns = [part[_ROLE.match(part).end() :] for part in _TOKEN.split(text)]  # type: ignore[union-attr]
    return next((turn for turn in turns if turn.strip()), "")


def _first(text: str) -> str:
    """The inside of a fence, the first entry of a list, and nothing that comments on it."""
    if fence := _FENCE.match(text):
        text = fence[1]
    text = _AFTERWORD.sub("", text.strip())
    if entry := _ENTRY.search(text):
        before = text[: entry.start()].strip()
        return entry[1] if not before or before.endswith((":", "：")) else before
    return text


def _unmarked(line: str) -> str:
    for mark, kept in _MARKS:
        line = mark.sub(kept, line)
    return line


def _bare(text: str) -> str:
    """The text without what stands around it: lead-ins, quotes, half a character at its end."""
    while True:
        text = text.strip().rstrip("\ufffd")
        if len(text) > 2 and text[0] + text[-1] in _QUOTES and not {text[0], text[-1]} & set(text[1:-1]):
            text = text[1:-1]
        elif lead := _LEAD.match(text):
            text = text[lead.end() :]
        else:
            return text


def _length(text: str) -> int:
    return len(clusters(text))


def _ends(text: str) -> list[int]:
    """Where sentences end."""
    return [end.end() for end in _SENTENCE_END.finditer(text)]


def _whole(text: str) -> str | None:
    """The whole sentences that a text begins with; None where there is none."""
    ends = _ends(text)
    return text[: ends[-1]] if ends else None


def _unquoted(text: str) -> str:
    """The text without what it quotes, which may be in any language and say anything; all of it where that is all."""
    return _QUOTED.sub("", text).strip(" .,!?") or text


@lru_cache(1 << 14)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").replace("-", " ").split(" ")[0]


def _words(text: str) -> list[str]:
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text.casefold())
    spaced = "".join(f" {c} " if _script(c) in UNSPACED else c for c in kept)
    return spaced.split()


_MARKED = r"[^\s\d!-/:-@\[-`{-~]"  # letters, and the marks that belong to them
_LETTERS_AGAIN = re.compile(rf"([^\W\d_])\1{{5,}}|([^\w\s])\2{{11,}}|({_MARKED}{{2,12}}?)\3{{3,}}")


def _loops(text: str) -> bool:
    """Whether it says the same again and again: letters, words, or most of its runs of three words."""
    text = text[:LOOKED]
    if any(not run[3] or len(run[0]) >= 12 for run in _LETTERS_AGAIN.finditer(text.casefold())):
        return True
    words = _words(text)
    threes = list(zip(words, words[1:], words[2:], strict=False))
    return _in_turn(words) or (len(words) >= 16 and len(set(threes)) < 0.5 * len(threes))


def _in_turn(words: Sequence[str]) -> bool:
    """Whether a run of words follows itself: one word four times, up to four words three times, more words twice."""
    for n in range(1, len(words) // 2 + 1):
        needed, same = n * (3 if n == 1 else 2 if n < 5 else 1), 0
        for first, second in zip(words, words[n:], strict=False):
            same = same + 1 if first == second else 0
            if same >= needed:
                return True
    return False


def _echoes(text: str, prompt: str) -> bool:
    """Whether a whole sentence of the prompt stands in the text, or four fifths of the text in the prompt."""
    said, asked = _squeezed(text), _squeezed(prompt)
    own = re.sub(f"{OPEN}.*?{CLOSE}", "", prompt, flags=re.S)
    starts = [0, *_ends(own)]
    sentences = [_squeezed(own[a:b]) for a, b in pairwise(starts)]
    if any(len(sentence) > ECHO_RUN and sentence in said for sentence in sentences):
        return True
    runs = [said[i : i + ECHO_RUN] for i in range(len(said) - ECHO_RUN + 1)]
    return bool(runs) and sum(run in asked for run in runs) >= 0.8 * len(runs)


def _squeezed(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _foreign(text: str, language: str) -> bool:
    """Whether under a quarter of its letters are of the language's scripts, or a third of another that is not Latin."""
    own = SCRIPTS.get(language.lower().split("-")[0])
    letters = [_script(c) for c in unicodedata.normalize("NFKC", _unquoted(text)) if c.isalpha()]
    if not own or not letters:
        return False
    others = sum(script not in own | {"LATIN"} for script in letters)
    return sum(script in own for script in letters) < len(letters) / 4 or others > len(letters) / 3
