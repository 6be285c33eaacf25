"""What both readers share, with an engine that says what it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_text_samples import keyframes, paper
from vdesc import Evidence, Picture, PluginError, Span
from vdesc.testing import video
from vdesc_text.lines import Piece
from vdesc_text.once import Once
from vdesc_text.reader import TextReader


class Fake(TextReader):
    """Reads what it was told of the picture whose first pixel is 0, 1, ..."""

    name, package = "fake", "pydantic"

    def __init__(self, *pages: list[Piece] | Exception, **options: Any):
        super().__init__(self.Options(**options))
        self.pages = list(pages)

    def read(self, pictures: Any) -> list[list[Piece]]:
        found = [self.pages[int(picture[0, 0, 0])] for picture in pictures]
        for page in found:
            if isinstance(page, Exception):
                raise page
        return found  # type: ignore[return-value]


def numbered(count: int) -> list[np.ndarray]:
    """Pictures whose first pixel is their number."""
    return [paper((100, 50), i) for i in range(count)]


def line_of(text: str, confidence: float = 0.9) -> Piece:
    return Piece(text, confidence, 10, 10, 80, 30)


def read(*pages: list[Piece] | Exception, **options: Any) -> list[Evidence]:
    return Fake(*pages, **options).observe(video(2000 * len(pages)), keyframes(numbered(len(pages))))


def test_words_that_were_split_are_one_line():
    words = {"later": (70, 99), "Ten": (5, 30), "years": (35, 65)}
    pieces = [Piece(word, 0.9, left, 10, right, 30) for word, (left, right) in words.items()]
    (line,) = Fake(pieces).observe(video(2000), keyframes(numbered(1)))
    assert line.value == "Ten years later"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ("\x1b[2J\x00\u202eevil\nline", "[2Jevil line"),
        ("שלום עולם", "שלום עולם"),
        ("👍 great", "👍 great"),
        ("y" * 10_000, "y" * 1000),
        ("\x00\x01", None),
    ],
)
def test_odd_texts_become_clean_lines(read: str, said: str | None):
    plugin = Fake([Piece(read, 0.9, 10, 10, 90, 30)])
    found = plugin.observe(video(2000), keyframes(numbered(1)))
    assert [line.value for line in found] == ([said] if said else [])
    assert [finding.message for finding in plugin.findings] == (
        ["cut 1 lines off after 1000 characters"] if len(read) > 1000 else []
    )


def test_one_bad_picture_does_not_stop_the_rest(tmp_path: Path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    plugin = Fake(*[[Piece(f"line {i} of it", 0.9, 10, 10, 90, 30)] for i in range(4)], RuntimeError("odd\nframe"))
    shown = list(keyframes(numbered(5)))
    shown[1] = replace(shown[1], image=Picture(broken))
    shown[2] = replace(shown[2], image=Picture(tmp_path / "missing.jpg"))
    assert [line.value for line in plugin.observe(video(10_000), shown)] == ["line 0 of it", "line 3 of it"]
    (finding,) = plugin.findings
    assert finding.level == "warning"
    assert finding.message.startswith("passed over the picture of keyframe 1 and 2 more (cannot identify image file")


def test_a_picture_that_is_not_rgb_is_passed_over():
    plugin = Fake([Piece("good", 0.9, 10, 10, 90, 30)])
    gray = np.zeros((50, 100), np.uint8)
    assert [line.value for line in plugin.observe(video(4000), keyframes([paper((100, 50), 0), gray]))] == ["good"]
    assert "not RGB" in plugin.findings[0].message


def test_when_no_picture_can_be_read_that_is_an_error():
    with pytest.raises(PluginError, match=r"fake could read none of 3 pictures \(out of order\)"):
        Fake(*[RuntimeError("out of order")] * 3).observe(video(6000), keyframes(numbered(3)))


def test_a_line_has_the_span_of_the_keyframes_that_show_it():
    (line,) = read([line_of("stays here")], [line_of("stays here", 0.7)], [])
    assert (line.value, line.span, line.confidence) == ("stays here", Span(0, 4000), 0.9)
    assert line.details["seen"][1] == {"keyframe": 1, "box": [0.1, 0.2, 0.8, 0.6], "confidence": 0.7}


def test_value_and_confidence_are_of_the_reading_that_most_agree_on():
    (line,) = read([line_of("Helio world", 0.95)], [line_of("Hello world", 0.6)], [line_of("Hello world", 0.7)])
    assert (line.value, line.confidence, line.span) == ("Hello world", 0.7, Span(0, 6000))


def test_what_is_read_unsurely_is_no_evidence():
    pieces = [line_of("x", 0.85), Piece("ok", 0.85, 10, 35, 90, 48)]
    assert [line.value for line in read(pieces)] == ["ok"]  # engines see single characters everywhere
    assert read(pieces, confidence=0.9) == []


def test_places_are_inside_of_the_picture():
    (line,) = read([Piece("beyond", 0.9, -20, -5, 130, 70)])
    assert line.box and (line.box.left, line.box.top, line.box.right, line.box.bottom) == (0, 0, 1, 1)


def test_equal_arrays_are_worked_on_once_and_only_the_last_are_remembered():
    asked: list[int] = []

    def double(arrays: list[np.ndarray]) -> list[int]:
        asked.extend(int(array.flat[0]) for array in arrays)
        return [2 * int(array.flat[0]) for array in arrays]

    once, one, two = Once(double), np.array([1]), np.array([2])
    assert once([one, two, one]) == [2, 4, 2]
    assert once([two]) == [4] and once([]) == []
    assert once([one, np.array([[1]])]) == [2, 2]  # of another shape
    assert asked == [1, 2, 1, 1]
