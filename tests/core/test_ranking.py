"""Ranking: for any numbers, every slot with candidates gets one cue and nothing is lost."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import Candidate, Cue, Slot, Span
from vdesc.ranking import choose, merge, novelty, places, total
from vdesc.similarity import tokens

numbers = st.floats(0, 1)
names = st.sampled_from(["confidence", "alignment", "novelty", "other"])
scores = st.dictionaries(names, numbers)
weights = st.dictionaries(names, st.floats(0, 100))
texts = st.sampled_from(["a dog runs", "a dog runs fast", "two people talk", "the sea", "a dog"])


@st.composite
def tasks(draw):
    """Slots that touch or lie apart, and candidates for some of them, in any order."""
    count = draw(st.integers(0, 6))
    gaps = draw(st.lists(st.sampled_from([0, 0, 500]), min_size=count, max_size=count))
    slots = tuple(Slot(i, Span(i * 1000, (i + 1) * 1000 - gap), ()) for i, gap in enumerate(gaps))
    made = st.builds(
        Candidate, st.integers(0, max(0, count - 1)), texts, st.just("x"), confidence=st.none() | numbers,
        scores=st.dictionaries(st.just("alignment"), numbers),
    )  # fmt: skip
    return slots, draw(st.lists(made, max_size=15)) if count else []


@given(scores, weights)
def test_a_total_lies_between_the_lowest_and_the_highest_score(given_scores, given_weights):
    counted = [value for name, value in given_scores.items() if given_weights.get(name, 0) > 0]
    result = total(given_scores, given_weights)
    if counted:
        assert min(counted) - 1e-9 <= result <= max(counted) + 1e-9 and 0 <= result <= 1
    else:
        assert result == 0


def test_a_total_weighs():
    assert total({"a": 1.0, "b": 0.0}, {"a": 3, "b": 1}) == 0.75
    assert total({"a": 1.0, "b": 0.0}, {"a": 3}) == 1, "a score without a weight does not count"


def test_novelty_is_measured_against_the_nearest_sentence():
    assert novelty("a dog", [], tokens) == 1
    assert novelty("a dog", ["the sea", "a dog"], tokens) == 0


@given(tasks(), weights)
def test_each_slot_with_candidates_gets_one_cue_in_order_and_no_candidate_is_lost(task, given_weights):
    slots, candidates = task
    cues = choose(slots, candidates, given_weights, tokens)
    wanted = [slot for slot in slots if any(c.slot == slot.index for c in candidates)]
    assert [cue.slots for cue in cues] == [(slot.index,) for slot in wanted]
    assert [cue.span for cue in cues] == [slot.span for slot in wanted]
    assert [cue.id for cue in cues] == list(range(1, len(cues) + 1))
    for cue in cues:
        mine = sorted(c.text for c in candidates if c.slot in cue.slots)
        assert sorted(c.text for c in (cue.chosen, *cue.runners_up)) == mine
        assert cue.text == cue.chosen.text


@given(tasks(), weights)
def test_every_choice_can_be_read_from_the_numbers(task, given_weights):
    for cue in choose(*task, given_weights, tokens):
        ranked = [cue.chosen, *cue.runners_up]
        totals = [candidate.scores["total"] for candidate in ranked]
        assert totals == sorted(totals, reverse=True)
        for candidate in ranked:
            parts = {name: value for name, value in candidate.scores.items() if name != "total"}
            assert candidate.scores["total"] == total(parts, given_weights)
            assert candidate.confidence is None or parts["confidence"] == candidate.confidence


@given(tasks())
def test_equal_totals_keep_the_captioners_order(task):
    slots, candidates = task
    plain = [replace(c, confidence=None, scores={}) for c in candidates]
    for cue in choose(slots, plain, {}, tokens):
        assert [c.text for c in (cue.chosen, *cue.runners_up)] == [c.text for c in plain if c.slot in cue.slots]


def test_what_was_just_said_loses_to_something_new():
    slots = tuple(Slot(i, Span(i, i + 1), ()) for i in range(2))
    said = [Candidate(0, "a dog", "x"), Candidate(1, "a dog", "x"), Candidate(1, "the sea", "x")]
    assert [cue.text for cue in choose(slots, said, {"novelty": 1}, tokens)] == ["a dog", "the sea"]


def test_choosing_changes_no_candidate():
    candidate = Candidate(0, "a dog", "x", confidence=0.5)
    choose((Slot(0, Span(0, 1), ()),), [candidate], {"confidence": 1}, tokens)
    assert candidate.scores == {}


@given(tasks(), weights, st.none() | st.floats(0, 1))
def test_merging_keeps_every_slot_moment_and_candidate(task, given_weights, threshold):
    cues = choose(*task, given_weights, tokens)
    merged = merge(cues, threshold, tokens)
    assert [slot for cue in merged for slot in cue.slots] == [slot for cue in cues for slot in cue.slots]
    assert [cue.id for cue in merged] == list(range(1, len(merged) + 1))
    by_slot = {cue.slots[0]: cue for cue in cues}
    for cue in merged:
        parts = [by_slot[slot] for slot in cue.slots]
        assert cue.span == Span(parts[0].span.start, parts[-1].span.end)
        assert sum(part.span.length for part in parts) == cue.span.length, "only neighbours that touch are joined"
        losers = [c.scores["total"] for c in cue.runners_up]
        assert len(losers) == sum(1 + len(part.runners_up) for part in parts) - 1
        assert losers == sorted(losers, reverse=True)
        assert cue.text == cue.chosen.text and cue.chosen in [part.chosen for part in parts]


@given(tasks(), weights)
def test_without_a_threshold_nothing_is_joined(task, given_weights):
    cues = choose(*task, given_weights, tokens)
    assert merge(cues, None, tokens) == cues


def _cue(at: int, text: str, confidence: float, **fields) -> Cue:
    chosen = Candidate(at, text, "x", scores={"confidence": confidence, "novelty": 1 - at, "total": confidence})
    return Cue(at + 1, Span(at * 1000, at * 1000 + 1000), text, chosen, (at,), **fields)


def test_neighbours_that_say_the_same_are_joined_and_the_surer_one_speaks():
    merged = merge([_cue(0, "a dog runs", 0.4), _cue(1, "the dog runs", 0.6)], 0.8, tokens)
    assert [(cue.text, cue.span, cue.slots) for cue in merged] == [("the dog runs", Span(0, 2000), (0, 1))]


def test_on_a_tie_the_earlier_one_speaks():
    assert merge([_cue(0, "a dog runs", 0.5), _cue(1, "the dog runs", 0.5)], 0.8, tokens)[0].text == "a dog runs"


@pytest.mark.parametrize(
    "other", [_cue(1, "the sea", 0.5), _cue(2, "a dog", 0.5), _cue(1, "a dog", 0.5, language="ko")]
)
def test_other_words_a_gap_or_another_language_keep_cues_apart(other):
    assert len(merge([_cue(0, "a dog", 0.5), other], 0.8, tokens)) == 2


def test_places_are_counted_for_each_captioner_and_slot():
    said = [Candidate(0, "a", "x"), Candidate(0, "b", "x"), Candidate(0, "a", "y"), Candidate(1, "c", "x")]
    assert places(said) == [1, 2, 1, 1]
