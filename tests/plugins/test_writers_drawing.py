"""Evidence drawn on keyframes: what is drawn where, and labels that can be read and stay inside the picture."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from vdesc import Box, Description, Evidence, Keyframe, Picture, Shot, Span
from vdesc.testing import assert_contract, description
from vdesc_writers import Pictures
from vdesc_writers.drawing import COLOURS, Mark, colour, drawn, marks, written

GREY = (90, 90, 90)
BOX = [0.25, 0.5, 0.75, 0.9]
KEYFRAME = Keyframe(4, 1500, Shot(0, Span(1000, 2000)), Picture(Path("none.jpg")))


def evidence(kind: str = "object", seen: Any = None, box: Box | None = None, value: str = "dog") -> Evidence:
    details = {} if seen is None else {"seen": seen}
    return Evidence(kind, Span(1000, 2000), value, 0.5, "test", box, details)


def sighting(keyframe: int = 4, box: Any = BOX, confidence: Any = 0.87) -> dict[str, Any]:
    return {"keyframe": keyframe, "box": box, "confidence": confidence}


def plain(width: int = 320, height: int = 240) -> Image.Image:
    return Image.new("RGB", (width, height), GREY)


def changed(image: Image.Image) -> tuple[int, int, int, int] | None:
    """The smallest box, left, top, right, bottom in pixels, around all that is no longer grey."""
    places = np.argwhere((np.asarray(image) != GREY).any(2))
    if not len(places):
        return None
    (top, left), (bottom, right) = places.min(0), places.max(0)
    return int(left), int(top), int(right), int(bottom)


# What is drawn


def test_every_sighting_in_the_keyframe_is_a_mark():
    found = evidence(seen=[sighting(), sighting(3), sighting(4, [0, 0, 0.1, 0.1], 0.4)])
    assert [*marks([found], KEYFRAME, {"object"})] == [
        Mark("object", "dog 87%", (0.25, 0.5, 0.75, 0.9)), Mark("object", "dog 40%", (0, 0, 0.1, 0.1)),
    ]  # fmt: skip


def test_only_the_kinds_that_are_asked_for():
    both = [evidence(seen=[sighting()]), evidence("text", [sighting()])]
    assert [mark.kind for mark in marks(both, KEYFRAME, {"text"})] == ["text"]
    assert [mark.kind for mark in marks(both, KEYFRAME, {"all"})] == ["object", "text"]
    assert [*marks(both, KEYFRAME, set())] == []


def test_evidence_with_a_box_and_no_sightings_is_drawn_while_it_lasts():
    found = evidence("logo", box=Box(0, 0.1, 0.2, 0.3))
    assert [*marks([found], KEYFRAME, {"logo"})] == [Mark("logo", "dog 50%", (0, 0.1, 0.2, 0.3))]
    assert [*marks([found], replace(KEYFRAME, at=2000), {"logo"})] == []
    assert [*marks([evidence("logo")], KEYFRAME, {"logo"})] == [], "it has no place"


@pytest.mark.parametrize(
    "seen",
    [
        [], "seen", [1, None, "x"], [sighting(box=None)], [sighting(box=[0, 0, 1])], [sighting(box=["a", 0, 1, 1])],
        [sighting(box=[0, 0, float("nan"), 1])], [{"keyframe": 4}], [sighting("4")], 3,
    ],
)  # fmt: skip
def test_sightings_of_another_shape_are_passed_over(seen: Any):
    assert [*marks([evidence(seen=seen)], KEYFRAME, {"object"})] == []


@pytest.mark.parametrize("confidence", [None, "sure", float("inf")])
def test_a_sighting_without_a_number_takes_the_evidences(confidence: Any):
    (mark,) = marks([evidence(seen=[sighting(confidence=confidence)])], KEYFRAME, {"object"})
    assert mark.text == "dog 50%"


# How it looks


def test_the_box_is_where_it_was_seen_in_the_colour_of_its_kind():
    image = drawn(plain(), [Mark("object", "dog 87%", (0.25, 0.5, 0.75, 0.9))])
    pixels = np.asarray(image)
    left, top, right, bottom = 80, 120, 239, 215
    for y, x in ((150, left), (150, right), (bottom, 160), (top, 200)):
        assert tuple(pixels[y, x]) == COLOURS["object"]
    assert tuple(pixels[160, 160]) == GREY, "the inside stays"
    assert image.size == (320, 240) and changed(plain()) is None


def test_lines_and_letters_grow_with_the_picture():
    def line(width: int, height: int) -> int:
        row = np.asarray(drawn(plain(width, height), [Mark("object", "", (0.5, 0.25, 0.9, 0.9))]))[height // 2]
        return int((row == COLOURS["object"]).all(1).sum()) // 2

    assert (line(160, 120), line(640, 480), line(1920, 1080)) == (1, 3, 5)
    small, large = (changed(drawn(plain(*size), [Mark("object", "dog", (0, 0.9, 1, 1))])) for size in ((320, 240), (1920, 1080)))  # fmt: skip # noqa: E501
    assert small and large and (large[3] - large[1]) > 3 * (small[3] - small[1])


def test_colours_are_apart_and_do_not_change():
    kinds = ["object", "text", "face", "expression", "logo", "sound"]
    assert len({colour(kind) for kind in kinds}) == len(kinds)
    code = "from vdesc_writers.drawing import colour; print(colour('logo'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == str(colour("logo")), "another process has the same"


def ink(image: Image.Image, kind: str) -> int:
    """How many pixels of the label's paper there are."""
    return int((np.asarray(image) == colour(kind)).all(2).sum())


@pytest.mark.parametrize("box", [(0, 0, 0.2, 0.2), (0.9, 0, 1, 0.1), (0.9, 0.9, 1, 1), (0, 0.9, 0.1, 1), (0, 0, 1, 1)])
def test_a_label_at_any_edge_is_whole(box: tuple[float, float, float, float]):
    """The label as it stands over a box in the middle is found again, pixel for pixel."""
    middle = np.asarray(drawn(plain(), [Mark("object", "traffic light 87%", (0.4, 0.4, 0.5, 0.5))]))[:96]
    rows, columns = np.nonzero((middle == COLOURS["object"]).all(2))
    label = middle[rows.min() :, columns.min() : columns.max() + 1]
    edge = np.asarray(drawn(plain(), [Mark("object", "traffic light 87%", box)]))
    windows = np.lib.stride_tricks.sliding_window_view(edge, label.shape)[:, :, 0]
    assert label.shape[0] > 10 and label.shape[1] > 60
    assert (windows == label).all((2, 3, 4)).any()


def test_labels_do_not_cover_each_other():
    same = (0.3, 0.4, 0.6, 0.8)
    both = drawn(plain(), [Mark("object", "dog 87%", same), Mark("text", "DOG 50%", same)])
    assert ink(both, "object") > 300 and ink(both, "text") > 300


@settings(max_examples=60)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.lists(st.tuples(st.text(max_size=60), st.tuples(*[st.floats(-1, 2)] * 4)), max_size=4),
)
def test_anything_can_be_drawn_on_any_picture(size, given):
    image = drawn(plain(*size), [Mark("object", text, box) for text, box in given])
    assert image.size == size and image.mode == "RGB"


def test_a_picture_of_8_by_8_pixels_has_boxes_but_no_room_for_words():
    image = drawn(plain(8, 8), [Mark("object", "dog 87%", (0, 0, 1, 1))])
    assert changed(image) == (0, 0, 7, 7) and tuple(np.asarray(image)[4, 4]) == GREY


# Words


def label(text: str, room: int = 300, kind: str = "text") -> str:
    found = written(Mark(kind, text, (0, 0, 1, 1)), 12, room)
    return found[0] if found else ""


def test_words_are_drawn_as_they_are():
    assert label("dog 87%") == "dog 87%"
    assert label("<b>3 > 2</b> 'x' {y} \\N") == "<b>3 > 2</b> 'x' {y} \\N"


def test_long_words_are_cut_to_the_room_there_is():
    for room in (40, 100, 300):
        found = written(Mark("text", "a very long line " * 600, (0, 0, 1, 1)), 12, room)
        assert found and found[0].endswith("...") and found[1].getlength(found[0]) <= room
    assert label("w" * 50, room=5) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r\nof\x00 it\x1b[0m", "two lines of it[0m"),
        ("\u202eevil\u2066", "evil"),
        ("a\tb\ufeff\ud800", "a b"),
        ("bird \U0001fabf 50%", "bird 50%"),
        ("\U00012000\U00012001", "text"),
        ("", "text"),
    ],
)
def test_what_could_break_a_label(text: str, shown: str):
    assert label(text) == shown


def test_right_to_left_words_are_drawn_or_stand_aside():
    assert label("שלום 50%") in ("שלום 50%", "50%")
    image = drawn(plain(), [Mark("text", "שלום עולם 50%", (0.1, 0.4, 0.5, 0.5))])
    assert ink(image, "text") > 100


# The writer


@dataclass(frozen=True, slots=True)
class Plain(Picture):
    """A grey picture."""

    def pixels(self) -> np.ndarray:
        return np.asarray(plain())


def film(*found: Evidence) -> Description:
    made = description(2)
    keyframes = tuple(replace(keyframe, image=Plain(Path("x.jpg"))) for keyframe in made.keyframes)
    slots = tuple(replace(slot, keyframes=(frame,)) for slot, frame in zip(made.slots, keyframes, strict=True))
    return replace(made, keyframes=keyframes, slots=slots, evidence=found)


def pictures(written: Path) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted(written.iterdir())]


def different(one: Image.Image, other: Image.Image) -> bool:
    return bool(np.abs(np.asarray(one).astype(int) - np.asarray(other)).max() > 40)


def test_the_writer_draws_nothing_unless_asked(tmp_path: Path):
    found = film(evidence(seen=[sighting(0)]))
    assert not any(different(image, plain()) for image in pictures(Pictures().write(found, tmp_path)))


def test_the_writer_draws_what_each_keyframe_shows(tmp_path: Path):
    writer = Pictures(Pictures.Options(draw=" object , text"))
    found = film(evidence(seen=[sighting(0)]), evidence("text", [sighting(0)]), evidence("face", [sighting(1)]))
    first, second = pictures(writer.write(found, tmp_path))
    assert different(first, plain()) and not different(second, plain()) and writer.findings == []
    first, second = pictures(Pictures(Pictures.Options(draw="all")).write(found, tmp_path))
    assert different(first, plain()) and different(second, plain())


def test_the_writer_says_what_there_was_none_of(tmp_path: Path):
    writer = Pictures(Pictures.Options(draw="objects,object,faces"))
    writer.write(film(evidence(seen=[sighting(0)])), tmp_path)
    assert [f.message for f in writer.findings] == ["there was no faces and no objects to draw on the keyframes"]


def test_letters_that_no_font_has_are_told_once_and_signs_are_not(tmp_path: Path):
    for value, told in (("\U00012000", 1), ("bird \U0001fabf", 0)):
        writer = Pictures(Pictures.Options(draw="object"))
        writer.write(film(evidence(value=value, seen=[sighting(0), sighting(1)])), tmp_path)
        assert [f.message for f in writer.findings] == [
            "no font here can write some of the words; name one with --set frames.font=FILE"
        ] * told


def test_boxes_and_caption_go_together(tmp_path: Path):
    writer = Pictures(Pictures.Options(draw="object", caption=True))
    first, _ = pictures(writer.write(film(evidence(seen=[sighting(0)])), tmp_path))
    assert first.height > 240 and different(first.crop((0, 0, 320, 240)), plain())


def test_the_writer_keeps_the_contract():
    assert_contract(Pictures, draw="all")


def test_listing_writers_does_not_import_pillow():
    code = "import sys, vdesc_writers; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
