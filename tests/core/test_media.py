"""probe, decode, frames_at and save_picture on whole files of every sort."""

import gc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import number_of, numbered, scene, texture, write_video
from PIL import Image
from vdesc import AudioTrack, InputError, MediaError, Picture, Span
from vdesc.media import STILL, Frame, Photo, decode, frames_at, probe, save_picture


def places(path: Path) -> list[tuple[int, int]]:
    """The time and the place (read from the pixels) of every frame."""
    return [(frame.at, number_of(frame.pixels())) for frame in decode(probe(path))]


@pytest.mark.parametrize(
    ("ending", "start"),
    [
        ("mp4", 0),
        ("mkv", 0),
        ("mov", 0),
        ("avi", 0),
        ("ts", 0),
        ("mp4", 1480),
        ("mkv", 1480),
        ("mov", 1480),
        ("ts", 1480),
    ],
)
def test_times_start_at_the_first_frame_in_every_container(tmp_path: Path, ending: str, start: int) -> None:
    path = write_video(tmp_path / f"a.{ending}", numbered(30), fps=25, start=start)
    assert places(path) == [(40 * i, i) for i in range(30)]
    assert probe(path).span == Span(0, 1200)


def test_a_variable_frame_rate_keeps_each_frames_own_time(tmp_path: Path) -> None:
    times = [0, 7, 100, 101, 2000, 2033, 5017]
    path = write_video(tmp_path / "a.mkv", numbered(7), times=times)
    assert places(path) == [(at, i) for i, at in enumerate(times)]
    assert probe(path).span.end > 5017


def test_ntsc_times_are_rounded_not_summed_up(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(100), fps=Fraction(30000, 1001))
    assert [frame.at for frame in decode(probe(path))] == [(2002 * i + 30) // 60 for i in range(100)]
    assert probe(path).fps == Fraction(30000, 1001)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_turned_video_is_shown_upright(tmp_path: Path, turn: int) -> None:
    upright = np.zeros((96, 160, 3) if turn % 180 == 0 else (160, 96, 3), np.uint8)
    upright[:20, :20] = 255  # a mark in the top left corner
    coded = np.rot90(upright, turn // 90)  # what the camera stored: turned back against the clock
    video = probe(write_video(tmp_path / "a.mp4", [coded] * 3, rotation=turn))
    assert (video.width, video.height, video.rotation) == (*upright.shape[1::-1], turn)
    pixels = next(iter(decode(video))).pixels()
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).mean() < 6


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    video = probe(write_video(tmp_path / "a.mp4", scene(1, 3), aspect=Fraction(3, 2)))
    assert (video.width, video.height) == (240, 96)
    assert next(iter(decode(video))).pixels().shape == (96, 240, 3)


FORMATS = [
    ("mp4", "libx264", "yuv420p"), ("mp4", "libx264", "yuv420p10le"), ("mp4", "libx264", "yuv422p"),
    ("mp4", "libx264", "yuv444p"), ("mkv", "ffv1", "gray"), ("mp4", "libx264rgb", "rgb24"),
    ("mkv", "ffv1", "yuv422p10le"), ("avi", "mjpeg", "yuvj420p"), ("mkv", "ffv1", "bgr0"), ("gif", "gif", "rgb8"),
]  # fmt: skip


@pytest.mark.parametrize(("ending", "codec", "pix_fmt"), FORMATS)
def test_every_pixel_format_shows_the_picture_large_and_small(
    tmp_path: Path, ending: str, codec: str, pix_fmt: str
) -> None:
    picture = texture(3, (322, 182))
    path = write_video(tmp_path / f"a.{ending}", [picture] * 2, fps=10, codec=codec, pix_fmt=pix_fmt)
    frame = next(iter(decode(probe(path))))
    gray = pix_fmt == "gray"
    shown = np.repeat(picture @ [[0.299], [0.587], [0.114]], 3, 2) if gray else picture.astype(float)
    assert np.abs(frame.pixels() - shown).mean() < (30 if ending == "gif" else 12)
    assert frame.reduced(160) == (160, 90)
    small = frame.small(frame.reduced(160))
    assert small.shape == (90, 160, 3) and small.dtype == np.uint8
    assert np.abs(small[..., ::-1].mean((0, 1)) - shown.mean((0, 1))).max() < 12


@pytest.mark.parametrize("size", [(17, 33), (2, 2), (321, 239)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "a.mkv", scene(0, 2, size), codec="ffv1", pix_fmt="yuv444p")
    frame = next(iter(decode(probe(path))))
    assert frame.pixels().shape == (size[1], size[0], 3)
    assert frame.small(frame.reduced()).ndim == 3


def test_8k_frames_are_small_for_analysis_and_whole_when_asked(tmp_path: Path) -> None:
    wide = np.full((4320, 7680, 3), 90, np.uint8)
    video = probe(write_video(tmp_path / "a.mp4", [wide], codec="mjpeg", pix_fmt="yuvj420p"))
    frame = next(iter(decode(video)))
    assert frame.small(frame.reduced()).shape == (144, 256, 3)
    assert frame.pixels().shape == (4320, 7680, 3)
    assert 45e6 < frame.weight < 60e6


def test_one_frame(tmp_path: Path) -> None:
    video = probe(write_video(tmp_path / "a.mp4", numbered(1), fps=25))
    assert video.span == Span(0, 40)
    assert [frame.at for frame in decode(video)] == [0]


def test_a_stream_without_rate_or_timestamps(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", numbered(30), fps=25, options={"bf": "0"})
    video = probe(path)
    assert abs(video.span.end - 1200) <= 40
    assert [place for _, place in places(path)] == list(range(30))
    ats = [frame.at for frame in decode(video)]
    assert ats == sorted(set(ats))


def test_a_file_without_duration_is_measured_by_its_packets(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.flv", numbered(30), fps=25, codec="flv")
    data = bytearray(path.read_bytes())
    data[data.index(b"duration") + 9 :][:8] = bytes(8)
    path.write_bytes(data)
    assert abs(probe(path).span.end - 1200) <= 40


def test_names_with_spaces_quotes_and_letters_of_all_sorts(tmp_path: Path) -> None:
    for name in ["a b.mp4", 'it\'s "so".mp4', "видео 映画 é.mp4", "50%d.mp4", "http:x.mp4", "-y.mp4", "#1?.mp4"]:
        source = write_video(tmp_path / "plain.mp4", numbered(3))
        path = source.rename(tmp_path / name)
        assert len(places(path)) == 3, name


def test_audio_tracks_and_language(tmp_path: Path) -> None:
    video = probe(write_video(tmp_path / "a.mkv", numbered(30), fps=25, sound="ger"))
    assert video.audio == (AudioTrack(1, "aac", 1, 8000, "de"),)
    assert video.language == "de"
    assert video.span.end == 1200  # of the picture, though the sound differs


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    a = write_video(tmp_path / "a.mp4", numbered(3))
    b = tmp_path / "b.mp4"
    b.write_bytes(a.read_bytes())
    assert probe(a).digest == probe(b).digest != probe(write_video(tmp_path / "c.mp4", numbered(4))).digest


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("clips") / "long.mp4", numbered(110), fps=25, start=320, gop=11)


class TestFramesAt:
    @pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi"])
    def test_gives_the_frame_that_is_shown(self, tmp_path: Path, ending: str) -> None:
        video = probe(write_video(tmp_path / f"a.{ending}", numbered(100), fps=25, start=0 if ending == "avi" else 640))
        times = [0, 39, 40, 1999, 2000, 3960, 3999, 9999]
        shown = list(frames_at(video, times))
        assert [number_of(frame.pixels()) for frame in shown] == [0, 0, 1, 49, 50, 99, 99, 99]
        assert [frame.at for frame in shown][:5] == [0, 0, 40, 1960, 2000]

    def test_a_few_times_decode_little(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import vdesc.container

        video = probe(write_video(tmp_path / "a.mp4", numbered(110), fps=25, gop=10))
        made: list[int] = []
        plain = vdesc.container.Container.frames

        def counted(self, start=None):  # type: ignore[no-untyped-def]
            for pair in plain(self, start):
                made.append(pair[0])
                yield pair

        monkeypatch.setattr(vdesc.container.Container, "frames", counted)
        assert [frame.at for frame in frames_at(video, [4000, 2040])] == [2040, 4000]
        assert len(made) < 20

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(times=st.lists(st.integers(0, 4500), max_size=8))
    def test_seeking_gives_what_reading_gives(self, long_clip: Path, times: list[int]) -> None:
        video = probe(long_clip)
        all_frames = [frame.at for frame in decode(video)]
        expected = [max((at for at in all_frames if at <= time), default=0) for time in sorted(times)]
        assert [frame.at for frame in frames_at(video, times)] == expected
        assert all(number_of(frame.pixels()) * 40 == frame.at for frame in frames_at(video, times))


def test_a_pass_holds_no_frame(tmp_path: Path) -> None:
    path, most = write_video(tmp_path / "a.mp4", numbered(60)), 0
    for frame in decode(probe(path)):
        if frame.number in (5, 30, 55):
            most = max(most, sum(isinstance(thing, Frame) and thing.path == path for thing in gc.get_objects()))
    assert 1 <= most <= 2


def test_side_data_is_asked_of_one_frame_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyAV's side data and its frame hold each other: asked of each frame, an hour of video grew by hundreds of MB."""
    import vdesc.media

    asked, plain = [], vdesc.media._orientation
    monkeypatch.setattr(vdesc.media, "_orientation", lambda raw: asked.append(raw) or plain(raw))
    video = probe(write_video(tmp_path / "a.mp4", numbered(20)))
    asked.clear()
    assert sum(frame.pixels().size > 0 for frame in decode(video)) == 20
    assert len(asked) == 1


class TestPhotos:
    @pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp", "a.tiff", "a.gif"])
    def test_a_photo_is_a_still_of_one_frame(self, tmp_path: Path, name: str) -> None:
        picture = texture(1)
        Image.fromarray(picture).save(tmp_path / name)
        video = probe(tmp_path / name)
        assert (video.still, video.span, video.fps, video.width, video.height) == (True, STILL, None, 160, 96)
        (frame,) = decode(video)
        assert (frame.at, frame.number) == (0, 0)
        assert np.abs(frame.pixels().astype(int) - picture).mean() < 20
        assert [f.at for f in frames_at(video, [0, 2500])] == [0, 0]

    def test_exif_turns_it_upright(self, tmp_path: Path) -> None:
        image = Image.fromarray(texture(1))
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "a.jpg", exif=exif)
        video = probe(tmp_path / "a.jpg")
        assert (video.width, video.height) == (96, 160)
        expected = np.rot90(texture(1), -1)
        assert np.abs(next(iter(decode(video))).pixels().astype(int) - expected).mean() < 15

    @pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"])
    def test_every_mode_becomes_rgb(self, tmp_path: Path, mode: str) -> None:
        gray = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (16, 1))
        image = Image.fromarray(gray.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(gray).convert(mode)
        path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
        image.save(path)
        pixels = Photo(path).pixels()
        assert pixels.shape == (16, 64, 3) and pixels.dtype == np.uint8
        assert pixels[:, 48:].mean() > pixels[:, :16].mean() + 100

    def test_a_moving_gif_is_a_video(self, tmp_path: Path) -> None:
        frames = [Image.fromarray(texture(seed)) for seed in range(3)]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=200)
        video = probe(tmp_path / "a.gif")
        assert not video.still and video.span == Span(0, 600)
        assert [frame.at for frame in decode(video)] == [0, 200, 400]

    def test_a_photo_that_is_cut_off(self, tmp_path: Path) -> None:
        Image.fromarray(texture(1, (400, 400))).save(tmp_path / "a.jpg")
        (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:5000])
        with pytest.raises(MediaError, match=r"photo .*a\.jpg cannot be decoded"):
            probe(tmp_path / "a.jpg")


class TestSavePicture:
    def test_stores_the_frame_as_jpeg(self, tmp_path: Path) -> None:
        frame = next(iter(decode(probe(write_video(tmp_path / "a.mp4", scene(1, 2))))))
        stored = save_picture(frame, tmp_path / "frames" / "0.jpg")
        assert type(stored) is Picture and stored.path == tmp_path / "frames" / "0.jpg"
        assert Image.open(stored.path).format == "JPEG"
        assert np.abs(stored.pixels().astype(int) - frame.pixels()).mean() < 7
        assert [p.name for p in stored.path.parent.iterdir()] == ["0.jpg"]

    def test_a_jpeg_is_copied_as_it_is(self, tmp_path: Path) -> None:
        Image.fromarray(texture(1)).save(tmp_path / "a.jpg", quality=40)
        stored = save_picture(Picture(tmp_path / "a.jpg"), tmp_path / "b.jpg")
        assert stored.path.read_bytes() == (tmp_path / "a.jpg").read_bytes()

    def test_a_photo_is_stored_upright(self, tmp_path: Path) -> None:
        image = Image.fromarray(texture(1))
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / "a.jpg", exif=exif)
        assert save_picture(Photo(tmp_path / "a.jpg"), tmp_path / "b.jpg").pixels().shape == (160, 96, 3)

    def test_quality_acts(self, tmp_path: Path) -> None:
        Image.fromarray(texture(1)).save(tmp_path / "a.png")
        sizes = [
            save_picture(Photo(tmp_path / "a.png"), tmp_path / f"{q}.jpg", q).path.stat().st_size for q in (30, 95)
        ]
        assert sizes[0] * 2 < sizes[1]


def test_input_errors_are_of_their_kind(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        probe(tmp_path / "none.mp4")
    assert not isinstance(caught.value, MediaError)


def test_a_file_that_tells_no_frame_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", numbered(2), fps=25)
    data = path.read_bytes()
    assert b"\x23\xe3\x83" in data  # Matroska's DefaultDuration, here turned into an element that nobody knows
    path.write_bytes(data.replace(b"\x23\xe3\x83", b"\x23\xe3\x84"))
    video = probe(path)
    assert video.fps is None and video.span == Span(0, 80)
    assert [frame.at for frame in decode(video)] == [0, 40]
    assert [frame.at for frame in frames_at(video, [79])] == [40]
