"""transcript: words keep their order and their time, from evidence to phrases to cues that can be read."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import Evidence, Span
from vdesc.lines import width
from vdesc.testing import description
from vdesc.timing import BBC, KOREAN, NETFLIX, NONE, PROFILES
from vdesc.transcript import Word, cues, phrases, shown, text_of, words_of

END = 10**7


def said(text: str, start: int = 0, end: int = 4000, **details: object) -> Evidence:
    return Evidence("speech", Span(start, end), text, details.pop("confidence", 0.9), "ear", details=details)


def timed(*words: tuple[int, int, str], sep: str = " ", **details: object) -> Evidence:
    """Speech with words at known times."""
    text = sep.join(word for _, _, word in words)
    return said(text, words[0][0], words[-1][1], words=[[*word, 0.8] for word in words], **details)


def solid(text: str) -> str:
    return re.sub(r"\s", "", text)


@st.composite
def speech(draw: st.DrawFn) -> Evidence:
    """Speech that begins somewhere, its words with times or without, or with times that are wrong."""
    letters = st.characters(codec="utf-8", exclude_categories=["Zl", "Zp", "Cc", "Cs"])
    texts = draw(st.lists(st.text(letters, min_size=1, max_size=14).filter(str.strip), min_size=1, max_size=25))
    texts = [text.strip() + draw(st.sampled_from(["", "", ".", "!", ","])) for text in texts]
    at = start = draw(st.integers(0, 50_000))
    rows = []
    for text in texts:
        begin = at + draw(st.sampled_from([0, 0, 40, 400, 1500]))
        at = begin + draw(st.integers(0, 900))
        rows.append([begin, at, text, 0.5])
    kept = draw(st.sampled_from(["words", "none", "others", "wild"]))
    if kept == "others":
        rows = [[0, 1, "something else", 1.0]]
    if kept == "wild":
        rows = [[draw(st.integers(-9, 10**6)), draw(st.integers(-9, 10**6)), row[2], 0.5] for row in rows]
    details = {} if kept == "none" else {"words": rows}
    return Evidence("speech", Span(start, max(at, start + 1)), " ".join(texts), 0.9, "ear", details=details)


@given(speech())
def test_words_are_the_value_in_order_and_within_its_time(heard: Evidence) -> None:
    words = words_of(heard)
    assert solid(text_of(words)) == solid(heard.value)
    assert all(heard.span.start <= word.span.start <= word.span.end <= heard.span.end for word in words)
    assert all(a.span.end <= b.span.start for a, b in pairwise(words))
    assert [word for phrase in phrases(words) for word in phrase] == list(words)


@given(speech())
def test_no_word_is_lost_and_cues_lie_within_what_was_said(heard: Evidence) -> None:
    made = cues([heard], NONE, END)
    assert solid("".join(cue.text for cue in made)) == solid(heard.value)
    assert all(heard.span.start <= cue.span.start <= cue.span.end <= heard.span.end for cue in made)
    assert all(a.span.end <= b.span.start for a, b in pairwise(made))


@given(st.lists(speech(), max_size=4), st.sampled_from([NETFLIX, BBC, KOREAN]))
def test_cues_keep_order_lines_and_distance(heard: list[Evidence], profile) -> None:
    made = cues(heard, profile, END)
    assert [cue.id for cue in made] == list(range(1, len(made) + 1))
    assert all(a.span.end <= b.span.start for a, b in pairwise(made))
    for cue in made:
        assert cue.role == "speech" and cue.span.length > 0
        assert len(cue.text.split("\n")) <= profile.lines
        assert all(width(line) <= profile.line_length for line in cue.text.split("\n"))
    together = "".join(solid(cue.text).replace("-", "") for cue in made)
    assert sorted(together) == sorted("".join(solid(e.value).replace("-", "") for e in heard))


def test_a_cue_begins_with_its_first_word_and_ends_after_its_last() -> None:
    heard = timed((500, 900, "Well,"), (950, 1400, "good"), (1450, 2000, "morning."), (4000, 4300, "Yes."))
    first, second = cues([heard], NONE, END)
    assert (first.text, first.span) == ("Well, good morning.", Span(500, 2000))
    assert (second.text, second.span) == ("Yes.", Span(4000, 4300))
    read, _ = cues([heard], NETFLIX, END)
    assert read.span == Span(500, 2000), "long enough as it is"
    assert cues([heard], NETFLIX, END)[1].span == Span(4000, 4833), "shown for as long as the profile wants"


def test_long_speech_is_cut_at_sentences_then_clauses_where_the_words_were_said() -> None:
    text = (
        "He did not come back for many years. Nobody in the village, where he had once lived, ever asked why he went."
    )
    rows = [(i * 300, i * 300 + 220, word) for i, word in enumerate(text.split())]
    made = cues([timed(*rows)], NETFLIX, END)
    flat = [cue.text.replace("\n", " ") for cue in made]
    assert flat[0] == "He did not come back for many years."
    assert " ".join(flat) == text
    starts = {word: start for start, _, word in rows}
    assert [cue.span.start for cue in made] == [starts[words.split()[0]] for words in flat]


def test_slow_speech_is_cut_so_that_no_cue_stays_too_long() -> None:
    text = "one two three, four five six seven eight nine"
    rows = [(i * 900, i * 900 + 850, word) for i, word in enumerate(text.split())]
    made = cues([timed(*rows)], NETFLIX, END)
    assert [cue.text for cue in made] == ["one two three,", "four five six seven eight nine"]
    assert all(cue.span.length <= NETFLIX.longest for cue in made)


def test_japanese_is_cut_where_its_characters_were_said() -> None:
    rows = [
        (i * 100, i * 100 + 100, c)
        for i, c in enumerate("これは日本語です。とても長い文なので字幕は何枚にもなります。本当に長いです。")
    ]
    made = cues([timed(*rows, sep="")], KOREAN, END)
    whole = "".join(row[2] for row in rows)
    assert made[0].text == "これは日本語です。" and solid("".join(cue.text for cue in made)) == whole
    said_at = [100 * whole.find(solid(cue.text)[:5]) for cue in made]
    assert all(0 <= cue.span.start - at <= 20 for cue, at in zip(made, said_at, strict=True)), "the gap takes some"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("He left. She stayed.", ["He left.", "She stayed."]),
        ("Mr. Brown met Dr. Li in the U.S. today. Fine!", ["Mr. Brown met Dr. Li in the U.S. today.", "Fine!"]),
        ("“Go!” he said. Then: 3.5 metres?", ["“Go!”", "he said.", "Then: 3.5 metres?"]),
        ("no end", ["no end"]),
    ],
)
def test_phrases_end_with_sentences_but_not_with_abbreviations(text: str, found: list[str]) -> None:
    assert [text_of(phrase) for phrase in phrases(words_of(said(text)))] == found


def test_phrases_end_at_pauses() -> None:
    words = [Word("one", Span(0, 300)), Word(" two", Span(1299, 1500)), Word(" three", Span(2500, 2600))]
    assert [text_of(phrase) for phrase in phrases(words)] == ["one two", "three"]
    assert phrases([]) == []


def test_speakers_are_named_where_they_begin() -> None:
    heard = [
        said("Hello.", 0, 1000, speaker="Anna"),
        said("How are you?", 1000, 2000, speaker="Anna"),
        said("Fine.", 2000, 3000, speaker="Boon's Mom"),
    ]
    assert [cue.text for cue in cues(heard, NONE, END)] == ["Anna: Hello.", "How are you?", "Boon's Mom: Fine."]


def test_what_is_said_at_once_stands_in_one_cue_and_an_overlap_ends_the_first() -> None:
    both = cues([said("Stop!", 1000, 2000), said("No!", 1100, 2500)], NONE, END)
    assert [(cue.text, cue.span) for cue in both] == [("- Stop! - No!", Span(1000, 2500))]
    late = cues([said("And then", 1000, 3000), said("What?", 2000, 2500)], NONE, END)
    assert [(cue.text, cue.span) for cue in late] == [("And then", Span(1000, 2000)), ("What?", Span(2000, 2500))]


def test_the_surest_observer_is_believed_alone() -> None:
    sure = Evidence("speech", Span(0, 900), "Ask not.", 1.0, "transcript")
    unsure = [
        Evidence("speech", Span(0, 500), "Ass knot.", 0.4, "ear"),
        Evidence("sound", Span(0, 9), "music", 1.0, "ear"),
    ]
    assert [cue.text for cue in cues([*unsure, sure], NONE, END)] == ["Ask not."]
    assert cues([], NETFLIX, END) == () == cues([said("  ")], NETFLIX, END)


def test_shown_gives_captions_speech_or_both_in_order_of_time() -> None:
    made = description(2)
    heard = said("Who is there?", 500, 1500, language="en", words=[])
    made = made.__class__(**{**{name: getattr(made, name) for name in made.__slots__}, "evidence": (heard,)})
    assert shown(made, "captions") == made.cues
    assert [(cue.text, cue.language) for cue in shown(made, "speech")] == [("Who is there?", "en")]
    both = [(cue.id, cue.span.start, cue.text) for cue in shown(made, "both")]
    captions = [f"[{cue.text}]" for cue in made.cues]
    assert both == [(1, 0, captions[0]), (2, 500, "Who is there?"), (3, 1000, captions[1])]


def test_speech_is_timed_by_the_profile_of_the_run() -> None:
    made = description(1)
    fields = {name: getattr(made, name) for name in made.__slots__}
    heard = said("word " * 60, 0, 900)
    for name in PROFILES:
        other = made.__class__(**{**fields, "evidence": (heard,), "settings": {"timing": {"profile": name}}})
        assert (len(shown(other, "speech")) > 1) == (name != "none")
