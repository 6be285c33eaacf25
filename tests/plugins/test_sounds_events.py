"""From scores to events: hysteresis, gaps, short sounds, general and specific ones, how many at once."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vdesc_sounds.classes import GENERAL, NO_EVENTS, kinds, names
from vdesc_sounds.events import COVERED, RELEASE, Event, at_most, events, joined, runs, smooth, specific

rows = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.9, 1.0]), min_size=1, max_size=40)


def told(row: Sequence[float], threshold: float = 0.6, shortest: int = 1, gap: int = 0) -> list[tuple[int, int]]:
    found = events(np.array(row, np.float32)[:, None], ["Bell"], threshold, shortest, gap)
    return [(event.first, event.end) for event in found]


def test_a_sound_begins_above_the_threshold_and_lasts_while_it_is_half_as_loud():
    assert told([0, 0.4, 0.7, 0.5, 0.3, 0.2, 0.5, 0]) == [(1, 5)]
    assert told([0.5, 0.5, 0.5]) == []
    assert told([0.6]) == [(0, 1)] and told([]) == []


def test_short_sounds_are_left_out_and_pauses_bridged():
    row = [0.9, 0, 0, 0.9, 0.9, 0, 0, 0, 0.9]
    assert told(row) == [(0, 1), (3, 5), (8, 9)]
    assert told(row, gap=2) == [(0, 5), (8, 9)]
    assert told(row, gap=2, shortest=2) == [(0, 5)]
    assert told(row, gap=3) == [(0, 9)]


def test_the_confidence_is_the_average():
    (event,) = events(np.array([[0.0], [0.4], [0.8]], np.float32), ["Bell"], 0.6)
    assert event == Event("Bell", 1, 3, pytest.approx(0.6))


def test_classes_do_not_touch_each_other():
    scores = np.array([[0.9, 0], [0.9, 0.9], [0, 0.9]], np.float32)
    assert [(e.name, e.first, e.end) for e in events(scores, ["Dog", "Cat"], 0.5)] == [("Dog", 0, 2), ("Cat", 1, 3)]
    assert events(np.zeros((0, 2), np.float32), ["Dog", "Cat"], 0.5) == []
    assert events(np.zeros((3, 0), np.float32), [], 0.5) == []


@given(rows, st.floats(0.05, 1), st.integers(1, 5), st.integers(0, 5))
@settings(max_examples=300)
def test_events_keep_their_promises(row: list[float], threshold: float, shortest: int, gap: int):
    found, off = told(row, threshold, shortest, gap), np.float32(threshold) * RELEASE
    values = np.array(row, np.float32)
    assert all(0 <= first < end <= len(row) and end - first >= shortest for first, end in found)
    assert all(later[0] - earlier[1] > gap for earlier, later in pairwise(found))
    for first, end in found:
        assert values[first:end].max() >= threshold and values[first] >= off and values[end - 1] >= off
        assert (first == 0 or values[first - 1] < off) and (end == len(row) or values[end] < off)
    covered = {i for first, end in found for i in range(first, end)}
    if shortest == 1:
        assert covered >= {i for i, value in enumerate(values) if value >= threshold}


@given(rows, st.floats(0.05, 1))
def test_listening_backwards_hears_the_same(row: list[float], threshold: float):
    values = np.array(row)
    backwards = [(len(row) - end, len(row) - first) for first, end in reversed(runs(values[::-1], threshold, 0.3))]
    assert runs(values, threshold, 0.3) == backwards


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=8), st.integers(0, 6))
def test_joining_twice_is_joining_once(pieces: list[tuple[int, int]], gap: int):
    stretches, at = [], 0
    for pause, length in pieces:
        stretches.append((at + pause, at + pause + length))
        at += pause + length
    once = joined(stretches, gap)
    assert joined(once, gap) == once
    assert {i for a, b in stretches for i in range(a, b)} <= {i for a, b in once for i in range(a, b)}


@given(st.lists(st.lists(st.floats(0, 1, width=16), min_size=3, max_size=3), min_size=1, max_size=20))
def test_smoothing_is_an_average_that_a_steady_sound_does_not_feel(values: list[list[float]]):
    scores = np.array(values, np.float16)
    soft = smooth(scores)
    assert soft.shape == scores.shape and soft.dtype == np.float32
    assert soft.max() <= scores.max() + 1e-6 and soft.min() >= scores.min() - 1e-6
    steady = np.full_like(scores, 0.5)
    assert np.array_equal(smooth(steady), steady.astype(np.float32))


def test_smoothing_weighs_the_neighbours():
    assert smooth(np.array([[0], [1], [0], [0]], np.float32))[:, 0].tolist() == [0.25, 0.5, 0.25, 0]
    assert smooth(np.array([[0], [1], [1], [0]], np.float32))[:, 0].tolist() == [0.25, 0.75, 0.75, 0.25]


# --- general and specific sounds ---


def test_a_general_sound_gives_way_where_a_kind_of_it_fills_its_time():
    animal, bird, dog = Event("Animal", 0, 10, 0.9), Event("Bird", 0, 4, 0.8), Event("Dog", 5, 9, 0.8)
    tree = {"Animal": ("Bird", "Dog")}
    assert specific([animal, bird, dog], tree) == [bird, dog]
    assert specific([animal, bird], tree) == [animal, bird]
    assert specific([animal], tree) == [animal]
    assert specific([animal, Event("Horse", 0, 10, 1.0)], tree)[0] == animal


def test_what_is_filled_is_counted_once():
    tree = {"Animal": ("Bird", "Dog")}
    twice = [Event("Animal", 0, 10, 0.9), Event("Bird", 0, 6, 0.8), Event("Dog", 0, 6, 0.8)]
    assert specific(twice, tree) == twice
    assert 0.6 < COVERED <= 0.8


def test_of_many_sounds_the_surest_are_told():
    crowd = [Event(name, 0, 5, chance) for name, chance in zip("abcd", (0.6, 0.9, 0.7, 0.8), strict=True)]
    later = Event("e", 5, 8, 0.1)
    assert at_most([*crowd, later], 2) == [crowd[1], crowd[3], later]
    assert at_most(crowd, 9) == crowd and at_most([], 1) == []


made = st.builds(
    lambda name, first, length, chance: Event(name, first, first + length, chance),
    st.sampled_from("abcdef"), st.integers(0, 20), st.integers(1, 10), st.sampled_from([0.1, 0.5, 0.9]),
)  # fmt: skip


@given(st.lists(made, unique=True, max_size=12), st.integers(1, 4), st.randoms())
def test_never_more_than_that_at_once_in_any_order(found: list[Event], most: int, shuffle):
    kept = at_most(found, most)
    for patch in range(31):
        assert sum(event.first <= patch < event.end for event in kept) <= most
    shuffle.shuffle(found)
    assert set(at_most(found, most)) == set(kept)


def test_the_classes_are_those_of_the_network():
    assert len(names()) == len(set(names())) == 521
    assert (names()[0], names()[132], names()[494], names()[520]) == ("Speech", "Music", "Silence", "Field recording")
    assert set(NO_EVENTS) <= set(names())


def test_every_general_class_comes_before_its_kinds():
    tree = kinds()
    assert tree.keys() == GENERAL.keys() and all(tree.values())
    assert "Guitar" in tree["Music"] and "Bark" in tree["Dog"] and "Bark" in tree["Animal"]
    assert "Speech" not in tree["Music"] and "Thunder" not in tree["Music"] and "Applause" not in tree["Hands"]
    for general, below in tree.items():  # the kinds of a kind are kinds of it
        assert all(tree.get(one, frozenset()) <= below for one in below), general
