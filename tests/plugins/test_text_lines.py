"""Lines of one picture: cleaned, and put together where a detector split them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc_text.lines import Piece, clean, joined, piece


def word(text: str, left: float, right: float, top: float = 100, bottom: float = 120, **more: float) -> Piece:
    return Piece(text, more.pop("confidence", 0.9), left, top, right, bottom, **more)


def texts(*pieces: Piece) -> list[str]:
    return [line.text for line in joined(pieces)]


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ("  Hello \t\r\n world ", "Hello world"),
        ("• first point", "first point"),
        ("bell\x07 null\x00 escape\x1b[31m", "bell null escape[31m"),
        ("next\x85line and\u2028one and\u2029more", "next line and one and more"),
        ("safe\u202egnp.exe", "safegnp.exe"),  # a direction override turns what a person reads
        ("hidden\U000e0041\U000e0042", "hidden"),  # tags: invisible, but a model reads them
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("cafe\u0301", "caf\u00e9"),
        ("שלום עולם", "שלום עולם"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("👩\u200d🚀 go", "👩\u200d🚀 go"),
        ("👍", "👍"),
        ("고양이 2마리", "고양이 2마리"),
        ("...", ""),
        ("●", ""),
        ("| - _", ""),
        ("", ""),
        ("\ud800broken", "broken"),
    ],
)
def test_a_line_is_what_a_person_would_read(read: str, said: str):
    assert clean(read) == said


@given(st.text(st.characters(), max_size=200))
def test_whatever_is_read_becomes_one_clean_line_that_can_be_stored(text: str):
    line = clean(text)
    assert clean(line) == line
    assert line.encode() is not None and line.splitlines() in ([], [line])
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)


def test_ten_thousand_characters_are_no_trouble():
    assert len(clean("x" * 10_000 + "\x00")) == 10_000


def test_pieces_of_one_line_are_joined_in_reading_order():
    pieces = word("brown", 75, 120), word("The", 10, 40), word("quick", 45, 70), word("next line", 10, 90, 130, 150)
    assert texts(*pieces) == ["The quick brown", "next line"]
    line = joined(pieces)[0]
    assert (line.left, line.top, line.right, line.bottom) == (10, 100, 120, 120)


def test_a_joined_line_is_as_sure_as_its_letters():
    (line,) = joined([word("aaa", 0, 30, confidence=1.0), word("b", 35, 45, confidence=0.6)])
    assert line.confidence == pytest.approx(0.9)


def test_right_to_left_pieces_are_joined_from_the_right():
    assert texts(word("עולם", 10, 50), word("שלום", 55, 95)) == ["שלום עולם"]


def test_no_space_is_put_between_chinese_or_japanese_pieces():
    assert texts(word("今日は", 10, 70), word("天気", 75, 115)) == ["今日は天気"]
    assert texts(word("오늘은", 10, 70), word("날씨", 75, 115)) == ["오늘은 날씨"]


@pytest.mark.parametrize(
    "other",
    [
        word("far", 62, 90),  # more than a letter's height away
        word("low", 45, 70, 112, 132),
        word("tall", 45, 90, 80, 140),
        word("tilted", 45, 90, tilt=20.0),
        word("on top", 15, 60),  # it covers the first
    ],
)
def test_pieces_that_are_not_of_one_line_stay_apart(other: Piece):
    assert len(joined([word("The", 10, 40), other])) == 2


def test_columns_that_nearly_touch_stay_apart():
    left = word("Best Cute Kitten", 10, 100), word("ever seen", 10, 60, 122, 142)
    right = word("Fluffy Kitten", 108, 190), word("of the year", 108, 180, 122, 142)
    assert sorted(texts(*left, *right)) == ["Best Cute Kitten", "Fluffy Kitten", "ever seen", "of the year"]


def test_a_real_line_that_a_detector_split():
    """From the Sintel trailer: the second box is taller since its letters rise a little."""
    the = piece("THE", 1.0, [[315, 206], [349, 206], [349, 220], [315, 220]])
    rest = piece("BLENDER FOUNDATION", 0.99, [[354, 201], [540, 204], [540, 224], [354, 222]])
    below = piece("presents", 1.0, [[403, 228], [449, 226], [450, 239], [403, 241]])
    assert texts(rest, below, the) == ["THE BLENDER FOUNDATION", "presents"]


def test_a_piece_knows_its_edges_and_its_tilt():
    assert piece("x", 0.5, [[0, 0], [10, 0], [10, 5], [0, 5]]) == Piece("x", 0.5, 0, 0, 10, 5, 0.0)
    assert piece("x", 0.5, [[0, 0], [10, 10], [5, 15], [-5, 5]]).tilt == pytest.approx(45)


@pytest.mark.parametrize(("sure", "kept"), [(float("nan"), 0.0), (1.2, 1.0), (-1.0, 0.0)])
def test_a_confidence_is_a_share(sure: float, kept: float):
    assert piece("x", sure, [[0, 0], [1, 0], [1, 1], [0, 1]]).confidence == kept


@given(st.lists(st.tuples(st.text("abאב中 ", min_size=1), *[st.floats(-50, 2000)] * 4), max_size=12))
def test_no_letter_is_lost_or_said_twice(found: list[tuple[str, float, float, float, float]]):
    pieces = [Piece(t, 0.5, min(a, b), min(c, d), max(a, b), max(c, d)) for t, a, b, c, d in found]
    before = sorted("".join(piece.text for piece in pieces).replace(" ", ""))
    assert sorted("".join(line.text for line in joined(pieces)).replace(" ", "")) == before
