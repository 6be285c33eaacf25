"""The timeline that `vdesc look` prints."""

from dataclasses import replace

from vdesc import Evidence, Span
from vdesc.testing import description
from vdesc.timeline import clock, timeline


def test_shots_and_evidence_stand_in_order_of_time_and_what_begins_with_a_shot_after_it():
    made = replace(
        description(2),
        evidence=(
            Evidence("speech", Span(1500, 3000), "hello\nthere", 0.5, "ear"),
            Evidence("object", Span(1000, 2000), "person", 0.876, "eye", details={"count": 3}),
        ),
    )
    assert timeline(made) == [
        ("0:00:00.000", "-- shot 1, 1.0 s, 1 keyframe"),
        ("0:00:01.000", "-- shot 2, 1.0 s, 1 keyframe"),
        ("0:00:01.000", "object     person x3  (0.88, 1.0 s)"),
        ("0:00:01.500", 'speech     "hello there"  (0.50, 1.5 s)'),
    ]


def test_a_photo_has_no_times():
    made = description(1)
    assert {at for at, _ in timeline(replace(made, video=replace(made.video, still=True)))} == {""}


def test_the_clock_counts_hours():
    assert clock(3_723_004) == "1:02:03.004"
