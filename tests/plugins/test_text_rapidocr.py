"""rapidocr on made-up pictures, with its own networks: they lie in its package, so nothing is fetched or faked."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import vdesc_text
from hypothesis import given, settings
from hypothesis import strategies as st
from test_text_samples import keyframes, paper, slide, write
from vdesc import Evidence, Span
from vdesc.registry import create
from vdesc.testing import assert_contract, video
from vdesc_text import RapidOcr
from vdesc_text import reader as shared_part

SMALL = (640, 360)
WHITE = (255, 255, 255)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("rapidocr asked the network")

    monkeypatch.setattr(requests, "get", refuse)


@pytest.fixture(scope="module")
def reader() -> Iterator[RapidOcr]:
    plugin = create(RapidOcr, side=640)
    plugin.load("cpu")
    yield plugin
    plugin.close()


def observed(reader: RapidOcr, *pictures: np.ndarray) -> list[Evidence]:
    """What is read of pictures that stand for two seconds each."""
    reader.findings.clear()
    return reader.observe(video(2000 * len(pictures)), keyframes(pictures))


def test_it_keeps_the_contract():
    assert_contract(RapidOcr, side=64)


def test_a_slide_is_read_with_places_and_roles(reader: RapidOcr):
    found = observed(reader, slide("What is on screen", ["The first of three points", "The second point", "42 dogs"]))
    lines = sorted(found, key=lambda line: line.box.top if line.box else 0)
    assert [(line.value, line.details["role"]) for line in lines] == [
        ("What is on screen", "title"),
        ("The first of three points", "scene"),
        ("The second point", "scene"),
        ("42 dogs", "scene"),
    ]
    assert all(line.kind == "text" and line.source == "rapidocr" and line.confidence > 0.9 for line in lines)
    box = lines[1].box
    assert box and box.left == pytest.approx(120 / 1280, abs=0.01)
    assert (box.top + box.bottom) / 2 == pytest.approx(220 / 720, abs=0.01)
    assert lines[0].span == Span(0, 2000)


def test_captions_change_and_signs_stay(reader: RapidOcr):
    """A street with a sign and two captions, each over two keyframes."""
    street = write(paper(SMALL, 90), "BAKERY", 150, 120, 26, WHITE)
    said = ["Where have you been?", "Where have you been?", "I was at the sea.", "I was at the sea."]
    found = observed(reader, *[write(street, text, 320, 320, 24, WHITE) for text in said])
    assert sorted((line.value, line.details["role"], line.span) for line in found) == [
        ("BAKERY", "scene", Span(0, 8000)),
        ("I was at the sea.", "caption", Span(4000, 8000)),
        ("Where have you been?", "caption", Span(0, 4000)),
    ]
    assert [seen["keyframe"] for seen in found[0].details["seen"]] == [0, 1, 2, 3]


def test_a_title_card_is_a_title(reader: RapidOcr):
    (title,) = observed(reader, write(paper(SMALL, 20), "THE LONG WAY HOME", 320, 170, 40, WHITE))
    assert (title.value, title.details["role"]) == ("THE LONG WAY HOME", "title")


def test_text_that_is_upside_down_is_read(reader: RapidOcr):
    (line,) = observed(reader, np.rot90(write(paper(SMALL), "Upside down", 320, 180, 40), 2).copy())
    assert line.value == "Upside down"


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (3, 500), (13, 17), (1001, 33), (40, 900), (12, 4000)])
def test_pictures_of_any_size_are_read_or_hold_nothing(reader: RapidOcr, size: tuple[int, int]):
    assert observed(reader, paper(size, 128)) == []
    assert not reader.findings


@settings(max_examples=10)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 9))
def test_noise_of_any_size_is_no_trouble(reader: RapidOcr, width: int, height: int, seed: int):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    for line in observed(reader, noise):
        assert 0 <= line.box.left <= line.box.right <= 1 and 0 <= line.box.top <= line.box.bottom <= 1


def test_small_writing_in_a_wide_picture_is_found_in_its_place(reader: RapidOcr):
    (line,) = observed(reader, write(paper((1600, 60)), "far to the right", 1400, 30, 30))
    assert line.value == "far to the right"
    assert line.box.left == pytest.approx(0.81, abs=0.02)


def test_keyframes_that_show_the_same_are_read_once(reader: RapidOcr, monkeypatch: pytest.MonkeyPatch):
    looked, cuts = [], []
    found, recognise = RapidOcr._found, RapidOcr._recognise
    monkeypatch.setattr(RapidOcr, "_found", lambda self, picture: looked.append(1) or found(self, picture))
    monkeypatch.setattr(RapidOcr, "_recognise", lambda self, some: cuts.append(len(some)) or recognise(self, some))
    one = slide("The heading", ["a point that stays"])
    other = one.copy()
    other[-2:, -2:] = 0  # a webcam's light, say
    (heading, point) = sorted(observed(reader, one, one, one, one, other), key=lambda line: line.box.top)
    assert (len(looked), cuts) == (2, [2])  # the writing looks the same to the byte
    assert (heading.span, point.span) == (Span(0, 10_000), Span(0, 10_000))


def test_how_keyframes_fall_into_batches_changes_no_text(reader: RapidOcr, monkeypatch: pytest.MonkeyPatch):
    pictures = [write(paper(SMALL), f"Sentence number {i} of three", 320, 100 + 60 * i, 26) for i in range(3)]
    together = [(line.value, line.span) for line in observed(reader, *pictures)]
    monkeypatch.setattr(shared_part, "BATCH", 1)
    assert [(line.value, line.span) for line in observed(reader, *pictures)] == together
    assert len(together) == 3


def test_no_keyframes_no_evidence(reader: RapidOcr):
    assert observed(reader) == []


def test_it_says_nothing_by_itself(reader: RapidOcr, capfd: pytest.CaptureFixture[str]):
    observed(reader, paper(SMALL))
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("RapidOCR").isEnabledFor(logging.ERROR)


def test_importing_it_imports_no_library():
    code = (
        "import sys, vdesc_text; print([n for n in ('numpy', 'cv2', 'onnxruntime', 'torch', 'rapidocr', 'easyocr')"
        " if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_the_hook_brings_both():
    assert [plugin.name for plugin in vdesc_text.observers()] == ["rapidocr", "ocr"]
