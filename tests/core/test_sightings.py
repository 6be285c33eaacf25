"""Sightings joined into evidence: nothing lost, nothing twice, the likeliest pairs first."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import Box
from vdesc.planning import stretches
from vdesc.sightings import Sighting, chains, iou, lasting
from vdesc.testing import keyframes

shares = st.floats(0, 1, allow_nan=False)


@st.composite
def boxes(draw):
    left, right = sorted((draw(shares), draw(shares)))
    top, bottom = sorted((draw(shares), draw(shares)))
    return Box(left, top, right, bottom)


some = st.lists(
    st.builds(Sighting, st.integers(0, 8), st.sampled_from("abc"), shares, st.none() | boxes()), max_size=20
)


def same(one: Sighting, other: Sighting) -> float:
    return float(one.value == other.value)


@given(some, st.integers(0, 2))
def test_every_sighting_is_in_one_chain_and_chains_go_on_in_time(seen, patience):
    made = chains(seen, same, patience)
    assert sorted(map(id, (s for chain in made for s in chain))) == sorted(map(id, seen))
    for chain in made:
        assert len({s.value for s in chain}) == 1
        gaps = [b.keyframe - a.keyframe for a, b in pairwise(chain)]
        assert all(1 <= gap <= patience + 1 for gap in gaps)


def test_a_thing_that_is_missing_for_a_keyframe_is_another_unless_one_is_patient():
    seen = [Sighting(0, "a", 0.9), Sighting(2, "a", 0.8)]
    assert [len(chain) for chain in chains(seen, same)] == [1, 1]
    assert [len(chain) for chain in chains(seen, same, patience=1)] == [2]


def test_the_likeliest_pair_is_joined_first():
    near, far = Box(0.1, 0.1, 0.3, 0.3), Box(0.2, 0.2, 0.4, 0.4)
    seen = [Sighting(0, "x", 0.9, near), Sighting(1, "far", 0.9, far), Sighting(1, "near", 0.9, near)]
    joined = max(chains(seen, lambda a, b: iou(a.box, b.box)), key=len)
    assert [s.value for s in joined] == ["x", "near"]


def test_evidence_lasts_from_its_first_keyframes_stretch_to_its_lasts():
    frames = keyframes(4)  # shots of a second each
    box = Box(0.123456, 0, 0.5, 1)
    chain = (Sighting(1, "dig", 0.5), Sighting(2, "dog", 0.9, box))
    found = lasting("object", "eye", chain, frames, stretches(frames), count=2)
    assert (found.kind, found.source, found.value, found.confidence, found.box) == ("object", "eye", "dog", 0.9, box)
    assert (found.span.start, found.span.end) == (1000, 3000)
    assert found.details == {
        "count": 2,
        "seen": [
            {"keyframe": 1, "box": None, "confidence": 0.5},
            {"keyframe": 2, "box": [0.1235, 0, 0.5, 1], "confidence": 0.9},
        ],
    }
    assert lasting("object", "eye", chain, frames, stretches(frames), "cat").value == "cat"


@given(boxes(), boxes())
def test_overlap_is_a_share_and_symmetric(one, other):
    assert iou(one, other) == pytest.approx(iou(other, one))
    assert 0 <= iou(one, other) <= 1 + 1e-9


def test_overlap_of_known_boxes():
    one = Box(0, 0, 0.5, 0.5)
    assert iou(one, one) == 1
    assert iou(one, Box(0.25, 0, 0.75, 0.5)) == pytest.approx(1 / 3)
    assert iou(one, Box(0.5, 0, 1, 0.5)) == 0 and iou(one, None) == 0
