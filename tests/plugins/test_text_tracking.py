"""The same line over neighbouring keyframes."""

import time
from functools import lru_cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import Box
from vdesc.sightings import Sighting, chains
from vdesc_text.tracking import agreed, alike, beside, distance

PLACE = Box(0.3, 0.8, 0.7, 0.85)
ELSEWHERE = Box(0.3, 0.5, 0.7, 0.55)


def seen(value: str, keyframe: int = 0, box: Box = PLACE, confidence: float = 0.9) -> Sighting:
    return Sighting(keyframe, value, confidence, box)


def plain_distance(one: str, other: str) -> int:
    @lru_cache(None)
    def edits(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        return min(edits(i - 1, j) + 1, edits(i, j - 1) + 1, edits(i - 1, j - 1) + (one[i - 1] != other[j - 1]))

    return edits(len(one), len(other))


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_the_distance_is_levenshteins(one: str, other: str):
    assert distance(one, other) == plain_distance(one, other) == distance(other, one)


def test_the_distance_of_long_texts_is_quick():
    start = time.process_time()
    assert distance("abcdefghij" * 1000, "bcdefghijk" * 1000) == 1001
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Hello world", "Hello world"),
        ("Hello world", "Helloworld"),  # readings differ in spaces
        ("Hello world", "HELLO WORLD"),
        ("Community project", "Cornmunity project"),
        ("filtered with OpenAI CLIP", "fi1tered with OpenAl CLIP"),
        ("LAION-400M", "LAION-4OOM"),  # letters for digits
        ("No", "No"),
    ],
)
def test_a_misreading_in_the_same_place_is_the_same_line(before: str, after: str):
    assert alike(seen(before), seen(after, 1)) > 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I am here.", "Where are you?"),
        ("Yes", "No"),
        ("Yes!", "Yes?"),
        ("10:01:59", "10:02:00"),  # a clock
        ("Home 2 - 1 Guests", "Home 2 - 2 Guests"),  # a score
        ("page 7 of 20", "page 8 of 20"),
        ("Hello", "Hello world, how are you?"),
    ],
)
def test_another_text_in_the_same_place_is_another_line(before: str, after: str):
    assert alike(seen(before), seen(after, 1)) == 0


def test_a_long_equal_text_may_move_and_a_short_or_differing_one_may_not():
    assert alike(seen("a line of the credits"), seen("a line of the credits", 1, ELSEWHERE)) > 0
    assert alike(seen("LAION"), seen("LAION", 1, ELSEWHERE)) == 0
    assert alike(seen("a line of the credits"), seen("a line of the credlts", 1, ELSEWHERE)) == 0
    assert alike(seen("a line of the credits"), Sighting(1, "a line of the credlts", 0.9)) == 0


def test_of_two_equal_lines_each_goes_on_in_its_place():
    below = Box(0.3, 0.87, 0.7, 0.92)
    lines = seen("the same words", 0), seen("the same words", 0, below)
    later = seen("the same words", 1, below), seen("the same words", 1)
    assert chains([*lines, *later], alike) == [(lines[0], later[1]), (lines[1], later[0])]


def test_scrolling_credits_are_each_one_line():
    names = ["Directed by A. Nobody", "Written by B. Somebody", "Music by C. Anybody"]
    lines = [
        seen(name, at, Box(0.3, 0.2 * i + 0.6 - 0.2 * at, 0.7, 0.2 * i + 0.65 - 0.2 * at))
        for at in range(3)
        for i, name in enumerate(names)
    ]
    assert sorted(len({line.value for line in chain}) for chain in chains(lines, alike)) == [1, 1, 1]


def test_the_reading_is_the_one_most_agree_on_or_the_surest():
    assert agreed([seen("Hel1o", confidence=0.95), seen("Hello", 1, confidence=0.7), seen("Hello", 2)]).value == "Hello"
    assert agreed([seen("Hel1o", confidence=0.6), seen("Hello", 1, confidence=0.8)]).value == "Hello"
    best = agreed([seen("Hello", 0, confidence=0.7), seen("Hello", 1, confidence=0.8), seen("Jello", 2)])
    assert (best.keyframe, best.confidence) == (1, 0.8)


@pytest.mark.parametrize(
    ("box", "together"),
    [
        (PLACE, True),
        (Box(0.3, 0.81, 0.5, 0.86), True),  # half of the line was read
        (Box(0.3, 0.83, 0.7, 0.88), False),  # the line below
        (Box(0.6, 0.8, 0.95, 0.85), False),
        (None, False),
    ],
)
def test_places_are_the_same_where_half_is_shared(box: Box | None, together: bool):
    assert beside(PLACE, box) is together
    assert beside(box, PLACE) is together


@given(*[st.text("ab1 \u0130", max_size=6)] * 2, *[st.tuples(*[st.floats(0, 1)] * 4)] * 2)
def test_likeness_is_a_number_and_the_same_both_ways(one: str, other: str, a: tuple, b: tuple):
    first, second = (
        seen(text, i, Box(min(p[0], p[1]), min(p[2], p[3]), max(p[0], p[1]), max(p[2], p[3])))
        for i, (text, p) in enumerate(((one, a), (other, b)))
    )
    assert 0 <= alike(first, second) == alike(second, first) <= 3
