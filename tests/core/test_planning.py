"""Planning: for any shots, slots follow each other and every keyframe shows one of them."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from vdesc import Context, Evidence, Keyframe, Picture, Shot, Span, Video
from vdesc.planning import plan
from vdesc.testing import keyframes, video


def _video(length: int) -> Video:
    return Video(Path("a.mp4"), "0", Span(0, length), None, 8, 8)


@st.composite
def shots(draw):
    """A video's length and its keyframes: shots with gaps between them, one to three keyframes in each."""
    at, frames = draw(st.integers(0, 2000)), []
    for index in range(draw(st.integers(0, 6))):
        shot = Shot(index, Span(at, at + draw(st.integers(10, 5000))))
        times = draw(st.sets(st.integers(shot.span.start, shot.span.end - 1), min_size=1, max_size=3))
        frames += [Keyframe(len(frames) + i, t, shot, Picture(Path("x"))) for i, t in enumerate(sorted(times))]
        at = shot.span.end + draw(st.sampled_from([0, 0, 700]))
    return max(1, at + draw(st.sampled_from([0, 300]))), tuple(frames)


@given(shots(), st.integers(0, 4000))
def test_slots_tile_the_whole_video_where_shots_do(made, shortest):
    length, frames = made
    slots = plan(_video(length), frames, Context(), shortest)
    if frames:
        assert slots[0].span.start == 0 and slots[-1].span.end == length
        assert all(one.span.end == other.span.start for one, other in pairwise(slots))


@given(shots(), st.integers(0, 4000), st.booleans())
def test_every_keyframe_shows_the_one_slot_in_which_it_lies(made, shortest, tiles):
    length, frames = made
    slots = plan(_video(length), frames, Context(), shortest, tiles)
    assert tuple(frame for slot in slots for frame in slot.keyframes) == frames
    assert [slot.index for slot in slots] == list(range(len(slots)))
    assert all(slot.keyframes and slot.span.contains(frame.at) for slot in slots for frame in slot.keyframes)


@given(shots(), st.integers(0, 4000), st.booleans())
def test_slots_are_in_order_and_do_not_overlap(made, shortest, tiles):
    slots = plan(_video(made[0]), made[1], Context(), shortest, tiles)
    assert all(one.span.end <= other.span.start for one, other in pairwise(slots))


@given(shots(), st.integers(0, 4000))
def test_no_slot_is_too_short_where_there_is_time_enough(made, shortest):
    length, frames = made
    slots = plan(_video(length), frames, Context(), shortest)
    if length >= shortest:
        assert all(slot.span.length >= shortest for slot in slots)
    else:
        assert len(slots) <= 1


@given(shots())
def test_shots_that_do_not_tile_keep_their_own_times(made):
    length, frames = made
    slots = plan(_video(length), frames, Context(), 4000, tiles=False)
    assert len(slots) == len(frames)
    assert all(frame.shot.span.overlap(slot.span) == slot.span.length for slot in slots for frame in slot.keyframes)


def test_a_shot_without_keyframes_belongs_to_the_slot_before_it():
    first, _, third = keyframes(3)
    slots = plan(video(3000), (first, third), Context())
    assert [slot.span for slot in slots] == [Span(0, 2000), Span(2000, 3000)]


def test_a_slot_gets_the_evidence_of_its_time():
    seen = Evidence("text", Span(900, 1100), "STOP", 0.9, "ocr")
    heard = Evidence("speech", Span(2000, 2500), "hello", 0.9, "asr")
    slots = plan(video(3000), keyframes(3), Context((seen, heard)))
    assert [slot.context.evidence for slot in slots] == [(seen,), (seen,), (heard,)]
