"""rapidocr on real clips: what it reads of a talk over slides, and which roles lines have there."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from vdesc import Evidence, Keyframe, Shot, Span
from vdesc.media import frames_at, probe
from vdesc.registry import create
from vdesc_text import RapidOcr
from vdesc_text.tracking import distance

TALK = "laion400m_talk_slides.mp4"
SLIDES = {  # times in the reference's slides with text
    3000: ["LAION-400M: Open Dataset of CLIP-Filtered 400"],
    20_000: ["What"],
    40_000: ["What"],
    60_000: ["Why"],
    105_000: ["Get it"],
    118_000: ["Connect"],
}


@pytest.fixture(scope="module")
def reader() -> RapidOcr:
    plugin = create(RapidOcr)
    plugin.load("cpu")
    return plugin


def read(reader: RapidOcr, path: Path, times: Sequence[int]) -> list[Evidence]:
    """What is read of a clip at some times, one shot for all."""
    video = probe(path)
    shot = Shot(0, video.span)
    frames = enumerate(frames_at(video, times))
    return reader.observe(video, [Keyframe(i, frame.at, shot, frame) for i, frame in frames])


def reference(clips: Path, at: int) -> list[str]:
    """What stands on the slide at a time, written down by hand."""
    clip = next(clip for clip in json.loads((clips / "reference.json").read_text()) if clip["file"] == TALK)
    return next(shot["text"] for shot in clip["shots"] if shot["start"] * 1000 <= at < shot["end"] * 1000)


def errors(wanted: str, lines: Sequence[str]) -> int:
    """Characters by which the nearest line, or run of lines, is another text."""
    runs = [" ".join(lines[i : i + n]) for n in (1, 2) for i in range(len(lines))]
    return min((distance(wanted, run) for run in runs), default=len(wanted))


@pytest.mark.shared
def test_the_slides_of_a_talk_are_read_nearly_without_error(reader: RapidOcr, shared: Path):
    found = read(reader, shared / "clips" / TALK, list(SLIDES))
    wrong = letters = hit = words = 0
    for at, heading in SLIDES.items():
        shown = sorted((e for e in found if e.span.contains(at)), key=lambda e: e.box.top if e.box else 0)
        wanted, lines = reference(shared / "clips", at), [e.value for e in shown]
        wrong += sum(errors(line, lines) for line in wanted)
        letters += sum(map(len, wanted))
        expected, said = Counter(" ".join(wanted).split()), Counter(" ".join(lines).split())
        hit, words = hit + (expected & said).total(), words + expected.total()
        assert [e.value for e in shown if e.details["role"] == "title"][:1] == heading
        assert not [e.value for e in shown if e.details["role"] == "caption"]
    print(f"character error rate {wrong / letters:.4f}, word recall {hit / words:.4f}")
    assert wrong / letters <= 0.005
    assert hit / words >= 0.99
    twice = [e for e in found if len(e.details["seen"]) == 2]
    assert sorted(e.value for e in twice) == sorted(e.value for e in found if e.span.contains(20_000))
    assert {e.span for e in twice} == {Span(11_500, 50_000)}


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "at", "titles"),
    [
        ("clips/sintel_trailer_30s.mp4", 8208, ["THE BLENDER FOUNDATION", "presents"]),
        ("clips/big_buck_bunny_480p_30s.mp4", 21_800, ["THE PEACH OPEN MOVIE PROJECT", "PRESENTS"]),
    ],
)
def test_titles_of_trailers_are_titles(reader: RapidOcr, shared: Path, file: str, at: int, titles: list[str]):
    found = sorted(read(reader, shared / file, [at]), key=lambda e: e.box.top if e.box else 0)
    assert [(e.value, e.details["role"]) for e in found] == [(title, "title") for title in titles]


@pytest.mark.shared
def test_a_banner_and_a_watermark_are_scene_text(reader: RapidOcr, shared: Path):
    banner = read(reader, shared / "activitynet/clips/v_GGSY1Qvo990.mp4", [2500, 12_500])
    assert "tel.647-92-24" in [e.value for e in banner]
    assert {e.details["role"] for e in banner} == {"scene"}
    mark = read(reader, shared / "scene/testvideo.mp4", [2500, 22_500])
    assert [(e.value, e.details["role"], len(e.details["seen"])) for e in mark] == [
        ("Copyright © 2013 Brandon Castellano", "scene", 2),
        ("www.bcastell.com", "scene", 2),
    ]


@pytest.mark.shared
def test_where_nothing_is_written_nothing_is_read(reader: RapidOcr, shared: Path):
    assert read(reader, shared / "clips/bikes.mp4", [800, 6600]) == []
