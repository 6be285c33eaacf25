"""Timing profiles and line breaking."""
# ruff: noqa: RUF001 - full-width marks are meant

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from vdesc.data import Candidate, Cue, Span
from vdesc.lines import clusters, one_line, width
from vdesc.timing import BBC, KOREAN, NETFLIX, NONE, PROFILES, break_lines, fit

RULED = (NETFLIX, BBC, KOREAN)
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
words = st.lists(st.text("abcdefghij,.", min_size=1, max_size=12), min_size=1, max_size=40).map(" ".join)
anything = st.text(
    st.sampled_from("ab ,.한글的カ。（）é\u0301\u200d\U0001f600\ufe0f\U0001f3fd\U0001f1f0\U0001f1f7\n"), max_size=80
)


def cue(text: str, start: int, end: int) -> Cue:
    return Cue(1, Span(start, end), text, Candidate(0, text, "test"), (start,))


@st.composite
def timelines(draw: st.DrawFn, texts: st.SearchStrategy[str] = words) -> tuple[list[Cue], int]:
    """Cues in order of time, tiled, apart or overlapping, and an end of the video."""
    starts = sorted(draw(st.lists(st.integers(0, 60_000), min_size=1, max_size=12)))
    cues = [cue(draw(texts), start, start + draw(st.integers(0, 20_000))) for start in starts]
    return cues, draw(st.integers(0, 80_000))


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("한글", 4), ("日本", 4), ("e\u0301", 1), (FAMILY, 2), ("\u2764\ufe0f", 2), ("１", 2),
     ("\U0001f1f0\U0001f1f7", 2), ("\U0001f44d\U0001f3fd", 2), ("\u1112\u1161\u11ab", 2), ("\u200b", 0), ("", 0)],
)  # fmt: skip
def test_width_counts_columns(text: str, columns: int) -> None:
    assert width(text) == columns


def test_sixteen_hangul_fill_a_korean_line() -> None:
    assert width("가" * 16) == KOREAN.line_length
    assert len(break_lines("가" * 16, KOREAN)) == 1
    assert len(break_lines("가" * 17, KOREAN)) == 2


def test_lines_break_before_prepositions_rather_than_after_articles() -> None:
    assert break_lines("A dog runs through the grass with a stick in its mouth", NETFLIX) == (
        "A dog runs through the grass", "with a stick in its mouth",
    )  # fmt: skip
    assert break_lines("Someone is standing there, looking at the sea", NETFLIX)[0].endswith(",")


def test_a_text_that_fits_stays_in_one_line() -> None:
    text = "a" * 20 + " " + "b" * 21
    assert break_lines(text, NETFLIX) == (text,)
    assert len(break_lines(text + "b", NETFLIX)) == 2


def test_chinese_breaks_between_characters_but_not_before_a_full_stop() -> None:
    lines = break_lines("男" * 21 + "。" + "人" * 5, NETFLIX)
    assert len(lines) == 2 and all(not line.startswith("。") for line in lines)
    assert one_line("\n".join(lines)) == "男" * 21 + "。" + "人" * 5


def test_long_words_are_cut_between_characters_only() -> None:
    lines = break_lines(FAMILY * 30, NETFLIX)
    assert "".join(lines) == FAMILY * 30
    assert all(len(line) % len(FAMILY) == 0 for line in lines)


@given(anything, st.sampled_from(RULED))
def test_breaking_keeps_every_character_and_the_line_length(text: str, profile) -> None:
    lines = break_lines(text, profile)
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)
    assert all(width(line) <= profile.line_length or len(clusters(line)) == 1 for line in lines)
    assert all(line == line.strip() and line for line in lines)


@given(words, st.sampled_from(RULED))
def test_as_few_lines_as_can_be(text: str, profile) -> None:
    count, line = 1, ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > profile.line_length:
            count, line = count + 1, word
        else:
            line = f"{line} {word}".strip()
    assert len(break_lines(text, profile)) == count


@given(timelines(anything))
def test_profile_none_changes_nothing(timeline) -> None:
    cues, end = timeline
    assert fit(cues, end, NONE) == (tuple(cues), ())
    assert break_lines("a\nb", NONE) == ("a", "b")


@given(timelines(), st.sampled_from(RULED))
def test_fitted_cues_are_in_order_apart_and_inside_the_video(timeline, profile) -> None:
    cues, end = timeline
    fitted, _ = fit(cues, end, profile)
    assert [c.id for c in fitted] == list(range(1, len(fitted) + 1))
    assert all(0 <= c.span.start <= c.span.end <= end for c in fitted)
    assert all(c.span.length <= profile.longest for c in fitted)
    assert all(one.span.end <= other.span.start for one, other in pairwise(fitted))
    if len(fitted) * (profile.gap + profile.shortest) <= end:
        assert all(one.span.gap_to(other.span) >= profile.gap for one, other in pairwise(fitted))
        assert all(c.span.length >= 1 for c in fitted)


@given(timelines(), st.sampled_from(RULED))
def test_fitting_keeps_all_words_in_order_in_few_enough_lines(timeline, profile) -> None:
    cues, end = timeline
    fitted, _ = fit(cues, end, profile)
    assert [w for c in fitted for w in c.text.split()] == [w for c in cues for w in c.text.split()]
    assert all(len(c.text.split("\n")) <= profile.lines for c in fitted)
    assert all(width(line) <= profile.line_length for c in fitted for line in c.text.split("\n"))
    assert {c.slots for c in fitted} == {c.slots for c in cues}


@given(st.lists(words, min_size=1, max_size=8), st.sampled_from(RULED))
def test_with_room_every_cue_can_be_read(texts: list[str], profile) -> None:
    cues = [cue(text, 100_000 * i, 100_000 * i + 10) for i, text in enumerate(texts)]
    fitted, findings = fit(cues, 100_000 * len(texts), profile)
    alone = [c for c in fitted if sum(c.slots == other.slots for other in fitted) == 1]
    assert all(c.span.length == profile.need(c.text) and c.span.start == c.slots[0] for c in alone)
    assert all(c.span.length >= profile.shortest for c in alone)
    if len(alone) == len(fitted):
        assert findings == ()


@given(timelines(), st.sampled_from(RULED))
def test_what_is_too_short_or_too_fast_is_told(timeline, profile) -> None:
    cues, end = timeline
    fitted, findings = fit(cues, end, profile)
    late = [c.id for c in fitted if c.span.length < max(profile.shortest, profile.reading_time(c.text))]
    assert bool(late) == bool(findings)
    assume(len(late) <= 10)
    told = [int(n) for finding in findings for n in finding.message.rpartition(": ")[2].split(", ")]
    assert sorted(told) == late


@given(timelines(), st.sampled_from(RULED))
def test_fitting_twice_is_fitting_once(timeline, profile) -> None:
    """But for `hang`, which is counted from where cues began."""
    cues, end = timeline
    end += sum(len(c.text) for c in cues) * 100 + 1000 * len(cues)  # room for all
    punctual = replace(profile, hang=0)
    fitted, _ = fit(cues, end, punctual)
    assert fit(fitted, end, punctual)[0] == fitted


def test_tiled_cues_keep_their_starts_and_leave_the_gap() -> None:
    fitted, findings = fit([cue("one", 0, 3000), cue("two", 3000, 6000)], 6000, NETFLIX)
    assert [c.span for c in fitted] == [Span(0, 2917), Span(3000, 6000)]
    assert findings == ()


def test_a_cue_runs_on_into_free_time_then_late_into_the_next_that_can_spare_it() -> None:
    text = "x" * 30  # 1.5 s
    free, _ = fit([cue(text, 0, 1000), cue("two", 5000, 9000)], 9000, NETFLIX)
    assert free[0].span == Span(0, 1500)
    busy, findings = fit([cue(text, 0, 1200), cue("two", 1200, 9000)], 9000, NETFLIX)
    assert [c.span for c in busy] == [Span(0, 1500), Span(1583, 8583)] and findings == ()
    full, findings = fit([cue(text, 0, 1200), cue(text, 1200, 2400)], 2400, NETFLIX)
    assert [c.span for c in full] == [Span(0, 1117), Span(1200, 2400)]
    assert "2 of 2 cues pass faster than the 20 columns a second of netflix: 1, 2" in findings[0].message


def test_a_short_last_cue_begins_earlier() -> None:
    fitted, _ = fit([cue("one", 0, 1000), cue("two", 5000, 5100)], 5100, NETFLIX)
    assert fitted[1].span == Span(5100 - 833, 5100)


def test_long_text_becomes_cues_that_end_with_sentences_and_share_the_time() -> None:
    first = "A man in a red jacket is riding a brown horse along the beach."
    second = "Behind him, two children are building a castle of wet sand."
    (one, two), findings = fit([cue(f"{first} {second}", 0, 10_000)], 10_000, NETFLIX)
    assert (one_line(one.text), one_line(two.text)) == (first, second)
    assert one.chosen == two.chosen and findings == ()
    assert 4500 < two.span.start < 5500


def test_profiles_are_found_by_name() -> None:
    assert set(PROFILES) == {"netflix", "bbc", "korean", "none"}
    assert all(profile.name == name for name, profile in PROFILES.items())
