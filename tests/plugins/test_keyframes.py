"""The keyframers `uniform` and `every`, and what `shots` does with takes; cuts have their own file."""

import gc
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import damage, number_of, numbered, scene, scenes, texture, write_video
from PIL import Image
from pydantic import ValidationError
from vdesc import Keyframe, Keyframer, Span
from vdesc.media import Frame, decode, probe
from vdesc_keyframes import Every, Shots, Uniform, keyframers
from vdesc_keyframes.takes import Take


def select(keyframer: type[Keyframer], path: Path, **options: Any) -> tuple[list[Keyframe], list[str]]:
    """The keyframes, and what the keyframer has to say of them."""
    worker = keyframer(keyframer.Options(**options))
    return list(worker.select(probe(path))), [finding.message for finding in worker.findings]


def spans(keyframes: list[Keyframe]) -> list[tuple[int, int]]:
    return [(k.shot.span.start, k.shot.span.end) for k in keyframes]


def test_the_package_offers_three() -> None:
    assert [k.name for k in keyframers()] == ["shots", "uniform", "every"]


@pytest.mark.parametrize("keyframer", [Shots, Uniform, Every])
def test_a_photo_is_one_keyframe(tmp_path: Path, keyframer: type[Keyframer]) -> None:
    Image.fromarray(texture(1)).save(tmp_path / "a.png")
    (only,), _ = select(keyframer, tmp_path / "a.png")
    assert (only.index, only.at, only.shot.index, only.shot.span) == (0, 0, 0, probe(tmp_path / "a.png").span)
    assert np.array_equal(only.pixels(), texture(1))


@pytest.mark.parametrize("keyframer", [Shots, Uniform, Every])
def test_a_video_of_one_frame_is_one_keyframe(tmp_path: Path, keyframer: type[Keyframer]) -> None:
    (only,), _ = select(keyframer, write_video(tmp_path / "a.mp4", scene(1, 1), fps=25))
    assert (only.at, only.shot.span) == (0, Span(0, 40))


@pytest.mark.parametrize("keyframer", [Shots, Uniform, Every])
def test_damage_is_told(tmp_path: Path, keyframer: type[Keyframer]) -> None:
    path = damage(write_video(tmp_path / "it's.ts", scene(1, 150, (320, 180), 3), fps=25), 0.4, 0.5)
    keyframes, said = select(keyframer, path)
    assert keyframes and any("it's.ts: damaged" in message for message in said)


class TestUniform:
    def test_takes_the_middle_of_each_part(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", numbered(100), fps=25)
        keyframes, said = select(Uniform, path, count=4)
        assert [k.at for k in keyframes] == [480, 1480, 2480, 3480]
        assert [number_of(k.pixels()) for k in keyframes] == [12, 37, 62, 87]
        assert spans(keyframes) == [(0, 1000), (1000, 2000), (2000, 3000), (3000, 4000)]
        assert [(k.index, k.shot.index) for k in keyframes] == [(i, i) for i in range(4)]
        assert said == ["stretches: 4; keyframes kept: 4"]

    @pytest.mark.parametrize("count", [1, 3, 7, 20])
    def test_gives_exactly_so_many(self, tmp_path: Path, count: int) -> None:
        assert len(select(Uniform, write_video(tmp_path / "a.mp4", numbered(20)), count=count)[0]) == count

    def test_more_than_there_are_frames(self, tmp_path: Path) -> None:
        keyframes, _ = select(Uniform, write_video(tmp_path / "a.mp4", numbered(5), fps=10), count=40)
        assert [k.at for k in keyframes] == [0, 100, 200, 300, 400]
        assert spans(keyframes)[-1][1] == 500 and all(a[1] == b[0] for a, b in pairwise(spans(keyframes)))

    @given(count=st.integers(1, 50), length=st.integers(1, 10_000))
    def test_parts_tile_the_span(self, count: int, length: int) -> None:
        parts = Uniform(Uniform.Options(count=count)).stretches(Span(0, length))
        assert len(parts) == min(count, length)
        assert parts[0].start == 0 and parts[-1].end == length
        assert all(a.end == b.start for a, b in pairwise(parts))
        assert max(p.length for p in parts) - min(p.length for p in parts) <= 1


class TestEvery:
    def test_takes_the_middle_of_each_step(self, tmp_path: Path) -> None:
        keyframes, _ = select(Every, write_video(tmp_path / "a.mp4", numbered(110), fps=25), step="2s")
        assert [k.at for k in keyframes] == [1000, 3200]
        assert spans(keyframes) == [(0, 2000), (2000, 4400)]
        assert all(k.sharpness > 0 for k in keyframes)

    @pytest.mark.parametrize(
        ("text", "step"),
        [("2s", 2000), ("500ms", 500), ("1.5", 1500), (1.5, 1500), (2, 2000), ("1m", 60_000), ("0.5 s", 500)],
    )
    def test_reads_times(self, text: Any, step: int) -> None:
        options = Every.Options(step=text)
        assert Every(options).step == step
        assert Every(Every.Options(**options.model_dump())).step == step  # and again from what was stored

    @pytest.mark.parametrize("text", ["", "soon", "-2s", "0", "2h", "1e3", "0.1ms"])
    def test_refuses_what_is_no_time(self, text: str) -> None:
        with pytest.raises(ValidationError, match="is no time; write 2s"):
            Every.Options(step=text)

    @given(step=st.integers(1, 5000), length=st.integers(1, 20_000))
    def test_steps_tile_the_span(self, step: int, length: int) -> None:
        steps = Every(Every.Options(step=f"{step}ms")).stretches(Span(0, length))
        assert steps[0].start == 0 and steps[-1].end == length
        assert all(a.end == b.start and a.length == step for a, b in pairwise(steps))
        assert steps[-1].length < 1.5 * step + 1 and (len(steps) == 1 or steps[-1].length >= step // 2)


class TestShots:
    def test_a_long_take_is_looked_at_every_few_seconds(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", scene(1, 250, speed=3), fps=10)
        keyframes, said = select(Shots, path, longest_take=4000, near=None)
        assert {k.shot.span for k in keyframes} == {Span(0, 25_000)}
        ats = [0, *(k.at for k in keyframes), 25_000]
        assert max(b - a for a, b in pairwise(ats)) <= 6000
        assert len(keyframes) == 7
        assert said == ["frames seen: 250; shots: 1; keyframes kept: 7; near-duplicates dropped: 0; blank: 0"]

    def test_looks_taken_on_the_way_show_their_frames(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", scene(1, 200, (320, 180), speed=3), fps=10)
        frames = {frame.at: frame.pixels() for frame in decode(probe(path))}
        worker, seen = Shots(Shots.Options(longest_take=4000, near=None)), 0
        for keyframe in worker.select(probe(path)):
            assert np.abs(keyframe.pixels().astype(int) - frames[keyframe.at]).mean() < 6
            assert round(keyframe.at / 100) == keyframe.frame
            seen += 1
        assert seen >= 5

    def test_what_stands_still_is_kept_once(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", scene(1, 250, speed=0), fps=10)
        keyframes, said = select(Shots, path, longest_take=4000)
        assert len(keyframes) == 1
        assert said == ["frames seen: 250; shots: 1; keyframes kept: 1; near-duplicates dropped: 6; blank: 0"]

    def test_a_shot_like_the_one_before_keeps_its_place_in_the_count(self, tmp_path: Path) -> None:
        frames = [*scene(1, 25, speed=0), *scene(2, 25, speed=0)]
        flash = [255 - frame for frame in scene(1, 25, speed=0)]
        path = write_video(tmp_path / "a.mp4", [*frames[:25], *flash, *frames[25:]], fps=25)
        assert [k.shot.index for k in select(Shots, path, near=0)[0]] == [0, 1, 2]
        twice = [*frames[:25], *[f // 2 + 100 for f in frames[:25]], *frames[25:]]  # the same at another brightness
        path = write_video(tmp_path / "b.mp4", twice, fps=25)
        keyframes, said = select(Shots, path, near=10)
        assert [(k.index, k.shot.index) for k in keyframes] == [(0, 0), (1, 2)]
        assert (
            spans(keyframes) == [(0, 1000), (2000, 3000)]
            and "shots: 3; keyframes kept: 2; near-duplicates dropped: 1; blank: 0" in said[0]
        )

    def test_a_blank_shot_gets_no_keyframe(self, tmp_path: Path) -> None:
        blank = [np.full((180, 320, 3), 20, np.uint8)] * 30
        bars = [frame.copy() for frame in blank]
        for frame in bars:
            frame[:20] = frame[-20:] = 255  # bars of a wide picture show nothing either
        path = write_video(tmp_path / "a.mp4", [*scene(1, 30), *blank, *scene(2, 30), *bars], fps=25)
        keyframes, said = select(Shots, path)
        assert [keyframe.shot.index for keyframe in keyframes] == [0, 2]
        assert said[0].endswith("blank: 2")
        assert len(select(Shots, path, blank=0, near=None)[0]) == 4

    def test_a_video_that_shows_nothing_keeps_one(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", [np.full((180, 320, 3), 20, np.uint8)] * 50, fps=25)
        keyframes, _ = select(Shots, path)
        assert spans(keyframes) == [(0, 2000)]

    def test_the_sharpest_frame_of_the_middle_half_is_chosen(self, tmp_path: Path) -> None:
        import cv2

        clear, blurred = texture(1), cv2.GaussianBlur(texture(1), (0, 0), 3)
        for sharp in (9, 14):
            frames = [clear if i in (1, sharp, 23) else blurred for i in range(25)]
            path = write_video(tmp_path / "a.mp4", frames, fps=25, options={"crf": "12"})
            assert [k.frame for k in select(Shots, path, threshold=1000)[0]] == [sharp]

    def test_a_blank_fade_in_is_not_chosen(self, tmp_path: Path) -> None:
        picture = texture(1)
        frames = [np.zeros_like(picture)] * 15 + [(picture * (i / 10)).astype(np.uint8) for i in range(10)]
        path = write_video(tmp_path / "a.mp4", frames, fps=25)
        (only,), _ = select(Shots, path, threshold=1000)
        assert only.frame in (17, 18)  # the end of the middle half, where the picture has come up furthest

    def test_a_picture_that_is_shown_on_needs_no_second_look(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mkv", numbered(4), times=[0, 100, 40_000, 40_100])
        keyframes, _ = select(Shots, path, near=None, threshold=1000, blank=0)
        assert len(keyframes) == 2 and keyframes[-1].at >= 40_000

    def test_few_frames_are_held_however_long_the_take(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", scene(1, 900, speed=2), fps=30)
        held = []
        for keyframe in Shots(Shots.Options(longest_take=3000, near=None)).select(probe(path)):
            held.append(sum(isinstance(thing, Frame) and thing.path == path for thing in gc.get_objects()))
            assert keyframe.index == len(held) - 1
        assert len(held) == 10 and max(held) <= 16 + 8

    def test_nothing_is_left_on_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import tempfile

        path = write_video(tmp_path / "a.mp4", scene(1, 200, speed=2), fps=10)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
        (tmp_path / "scratch").mkdir()
        running = Shots(Shots.Options(longest_take=2000, near=None)).select(probe(path))
        next(iter(running))
        assert list((tmp_path / "scratch").rglob("*.jpg"))
        running.close()  # type: ignore[attr-defined]
        assert not list((tmp_path / "scratch").iterdir())

    @given(
        lengths=st.lists(st.integers(20, 3000), min_size=1, max_size=60),
        longest=st.integers(100, 5000),
        end=st.integers(1, 9000),
    )
    def test_no_frame_is_far_from_a_look(self, lengths: list[int], longest: int, end: int) -> None:
        frame = next(iter(decode(probe(self.tiny))))
        take, ats, looks = Take(0, longest), [0], []
        for length in lengths:
            ats.append(ats[-1] + length)
        for at in ats:
            looks += list(take.ended(at))
            take.add(Frame(frame.path, at, None, frame.raw, frame.size), float(at % 7))
        looks += list(take.rest(ats[-1] + end))
        chosen = [look.at for look in looks]
        assert chosen == sorted(set(chosen)) and set(chosen) <= set(ats)
        shown = [at for at in ats if not any(abs(look - at) <= 2 * longest for look in chosen)]
        assert not shown

    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _tiny(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.tiny = write_video(tmp_path_factory.mktemp("tiny") / "a.mp4", scenes([1]))
