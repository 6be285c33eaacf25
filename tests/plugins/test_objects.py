"""What detectors share: sightings joined shot by shot and label by label, and pictures read a few at a time."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from object_models import film, shown
from vdesc import Box, Evidence, Keyframe, Picture, Shot, Span
from vdesc.planning import stretches
from vdesc.sightings import Sighting
from vdesc_objects.grouping import objects
from vdesc_objects.reading import batches, read_ahead

SHOTS = [0, 0, 0, 1, 1]


def keyframes(shots: Sequence[int] = SHOTS) -> tuple[Keyframe, ...]:
    return shown([Path("none.jpg")] * len(shots), Path(), shots)


def grouped(*sightings: tuple[int, str, float], shots: Sequence[int] = SHOTS) -> list[Evidence]:
    frames = keyframes(shots)
    made = [Sighting(at, value, sure, Box(0, 0, sure, 1)) for at, value, sure in sightings]
    return objects("yolox", made, frames, stretches(frames, film(frames).span))


def test_a_label_seen_in_several_keyframes_of_a_shot_is_one_evidence():
    (dog,) = grouped((0, "dog", 0.4), (1, "dog", 0.9), (1, "dog", 0.3), (2, "dog", 0.5))
    assert (dog.kind, dog.value, dog.source, dog.confidence, dog.box) == (
        "object",
        "dog",
        "yolox",
        0.9,
        Box(0, 0, 0.9, 1),
    )
    assert dog.span == Span(0, 3000)
    assert dog.details == {
        "count": 2,
        "seen": [
            {"keyframe": 0, "box": [0, 0, 0.4, 1], "confidence": 0.4},
            {"keyframe": 1, "box": [0, 0, 0.9, 1], "confidence": 0.9},
            {"keyframe": 1, "box": [0, 0, 0.3, 1], "confidence": 0.3},
            {"keyframe": 2, "box": [0, 0, 0.5, 1], "confidence": 0.5},
        ],
    }


def test_it_lasts_from_the_first_keyframe_that_shows_it_to_the_last():
    assert [e.span for e in grouped((1, "dog", 0.5))] == [Span(1000, 2000)]
    assert [e.span for e in grouped((0, "dog", 0.5), (2, "dog", 0.5))] == [Span(0, 3000)]


def test_labels_and_shots_are_kept_apart():
    found = grouped((2, "dog", 0.5), (2, "cat", 0.6), (3, "dog", 0.7))
    assert [(e.value, e.span.start, e.span.end) for e in found] == [
        ("dog", 2000, 3000), ("cat", 2000, 3000), ("dog", 3000, 4000),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc"), st.floats(0.01, 1)), max_size=20))
def test_every_sighting_is_kept_once(sightings):
    found = grouped(*sightings)
    kept = [(one["keyframe"], e.value) for e in found for one in e.details["seen"]]
    assert Counter(kept) == Counter((at, value) for at, value, _ in sightings)
    for e in found:
        frames = [one["keyframe"] for one in e.details["seen"]]
        assert frames == sorted(frames) and len({SHOTS[at] for at in frames}) == 1
        assert e.details["count"] == max(Counter(frames).values())
        assert e.confidence == max(sure for at, value, sure in sightings if value == e.value and at in frames)
        assert e.span.start <= frames[0] * 1000 + 500 < e.span.end >= frames[-1] * 1000 + 500


@given(st.integers(0, 40), st.integers(1, 9))
def test_batches_cover_all_in_order(count: int, size: int):
    parts = batches(keyframes([0] * count), size)
    assert [at for part in parts for at in part] == list(range(count))
    assert all(0 < len(part) <= size for part in parts)


@dataclass(frozen=True, slots=True)
class Watched(Picture):
    """A picture that tells when it is read."""

    number: int
    read: list[int]

    def pixels(self) -> np.ndarray:
        if self.number == 3:
            raise OSError("broken")
        self.read.append(self.number)
        return np.full((1, 1, 3), self.number, np.uint8)


def test_the_next_batch_is_read_while_one_is_worked_on_and_no_more():
    read: list[int] = []
    frames = [Keyframe(i, i, Shot(0, Span(0, 9)), Watched(Path(), i, read)) for i in range(9)]
    seen, before = [], threading.active_count()
    for batch in read_ahead(frames, 2):
        seen += [at for at, _ in batch]
        assert all(pixels[0, 0, 0] == at for at, pixels in batch)
        assert len(read) <= len(seen) + 2, "two batches are in memory at most"
    assert seen == [0, 1, 2, 4, 5, 6, 7, 8], "what cannot be read is passed over"
    assert threading.active_count() == before


def test_nobody_waits_for_pictures_that_nobody_wants():
    assert list(read_ahead([], 2)) == []
    with pytest.raises(StopIteration):
        next(read_ahead([], 2))
