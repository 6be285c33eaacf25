"""Roles of made-up lines: what place, size and time make a caption, a title, or scene text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import Box
from vdesc.sightings import Sighting
from vdesc_text.roles import role

CAPTION = (0.5, 0.88, 0.05)
MINUTE = 60_000


def line(value: str, x: float, y: float, height: float, width: float = 0.3, tilt: float = 0.0) -> Sighting:
    """A line whose middle is at (x, y)."""
    return Sighting(0, value, 0.9, Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), tilt)


def told(mine: Sighting, *others: Sighting, lasted: int = 0, start: int = 30_000) -> str:
    """The role of a line among others."""
    return role(mine, [mine, *others], lasted, start, MINUTE)


BODY = [line(f"what point number {i} says", 0.4, 0.4 + 0.1 * i, 0.045) for i in range(4)]


def test_a_low_centred_brief_line_is_a_caption():
    assert told(line("I will be back.", *CAPTION)) == "caption"


def test_both_lines_of_a_caption_are_captions():
    upper, lower = line("I will be back", 0.5, 0.81, 0.05, 0.4), line("before noon.", 0.5, 0.88, 0.05, 0.2)
    assert told(upper, lower) == told(lower, upper) == "caption"


def test_a_caption_under_scene_text_is_a_caption():
    assert (
        told(line("Look at that!", *CAPTION), line("HOTEL", 0.2, 0.3, 0.1), line("OPEN", 0.8, 0.6, 0.04)) == "caption"
    )


@pytest.mark.parametrize(
    "other",
    [
        line("EXIT", 0.2, 0.88, 0.05),  # left
        line("high up", 0.5, 0.4, 0.035),
        line("tiny print", 0.5, 0.95, 0.015),
        line("leaning sign", *CAPTION, tilt=12.0),
        Sighting(0, "nowhere", 0.9),
    ],
)
def test_what_is_not_low_centred_level_or_of_a_captions_size_is_no_caption(other: Sighting):
    assert told(other) == "scene"


def test_what_stays_is_no_caption():
    assert told(line("www.example.org", *CAPTION), lasted=30_000) == "scene"


def test_the_last_line_of_a_list_is_no_caption():
    assert told(line("and a last point", 0.5, 0.79, 0.045), *BODY) == "scene"


def test_one_of_several_labels_in_a_row_is_no_caption():
    assert told(line("Second column", 0.5, 0.88, 0.03, 0.2), line("First column", 0.2, 0.88, 0.03, 0.2)) == "scene"


def test_the_heading_of_a_slide_is_a_title_however_long_it_stays():
    assert told(line("What", 0.5, 0.2, 0.06, 0.1), *BODY, lasted=50_000) == "title"
    assert told(line("Left heading", 0.4, 0.2, 0.06), *BODY) == "title"
    assert told(line("Of one size, but apart", 0.4, 0.2, 0.045), *BODY) == "title"


def test_the_points_of_a_list_are_no_titles():
    for heading in ([], [line("What", 0.5, 0.2, 0.06, 0.1)]):
        page = [*heading, *BODY]
        assert {role(body, page, 0, 30_000, MINUTE) for body in BODY} == {"scene"}


def test_the_first_line_of_a_paragraph_is_no_heading():
    assert told(line("the first line", 0.4, 0.345, 0.045), *BODY) == "scene"


def test_a_heading_smaller_than_the_rest_is_none():
    assert told(line("menu and search", 0.5, 0.1, 0.02), *BODY) == "scene"


def test_a_large_brief_line_in_the_middle_is_a_title_and_so_is_its_second_line():
    small = line("presents", 0.5, 0.5, 0.03, 0.1)
    large = line("THE FOUNDATION", 0.5, 0.44, 0.06)
    assert told(large) == told(large, small) == told(small, large) == "title"
    assert told(small) == "scene"


def test_a_title_much_larger_than_the_page_is_a_title_wherever_it_stands():
    authors = [line(f"Author {i}", 0.3 + 0.1 * i, 0.6, 0.025, 0.08) for i in range(4)]
    assert told(line("An Open Dataset of Everything", 0.5, 0.7, 0.05), *authors) == "title"


def test_a_large_line_that_stays_is_scene_text_unless_it_opens_the_video():
    sign = line("HOTEL PARADISO", 0.45, 0.4, 0.08)
    assert told(sign, lasted=20_000) == "scene"
    assert told(sign, lasted=20_000, start=0) == "title"
    assert told(sign, lasted=50_000, start=0) == "scene"  # a watermark


@pytest.mark.parametrize(
    "other",
    [
        line("HOTEL", 0.15, 0.4, 0.08),  # at the edge
        line("small print on a box", 0.5, 0.4, 0.02),
        line("42", 0.5, 0.4, 0.2),  # no word
        line(" ".join(["many words"] * 7), 0.5, 0.4, 0.05, 0.9),
        line("VERTICAL", 0.5, 0.5, 0.6, 0.03),
        line("SLANTED", 0.5, 0.4, 0.1, tilt=-15.0),
    ],
)
def test_other_text_is_scene_text(other: Sighting):
    assert told(other) == "scene"


places = st.tuples(*[st.floats(0, 1)] * 4).map(
    lambda p: Box(min(p[0], p[1]), min(p[2], p[3]), max(p[0], p[1]), max(p[2], p[3]))
)


@given(st.lists(places, min_size=1, max_size=6), st.integers(0, MINUTE), st.integers(0, MINUTE))
def test_every_line_has_a_role(boxes: list[Box], lasted: int, start: int):
    page = [Sighting(0, "a line", 0.9, box, 0.0) for box in boxes]
    assert all(role(mine, page, lasted, start, MINUTE) in ("caption", "title", "scene") for mine in page)
