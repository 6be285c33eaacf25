"""listen: the sound of a video, each sample at its time, whatever the container and the form of the track."""

from itertools import pairwise
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import scene, write_video
from PIL import Image
from sound_samples import beeps, onsets, write_sound
from vdesc import Audio, AudioTrack, Cache, MediaError, SettingsError, Span, audio, listen
from vdesc.audio import RATE
from vdesc.container import Container
from vdesc.media import probe

TIMES = [100, 400, 731, 1500]


def heard(path: Path, **given: int) -> list[int]:
    """The times of the beeps in a file."""
    sound = listen(probe(path), **given)
    assert sound
    return onsets(sound.samples(Span(0, sound.span.end)))


def near(found: list[int], wanted: list[int], within: int = 2) -> bool:
    return len(found) == len(wanted) and all(abs(a - b) <= within for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize(("ending", "codec"), [("mkv", "pcm_s16le"), ("mp4", "aac")])
def test_beeps_come_at_their_times_at_every_rate(tmp_path: Path, ending: str, codec: str, rate: int) -> None:
    path = write_sound(tmp_path / f"a.{ending}", [beeps(TIMES, 2000, rate)], rate=rate, codec=codec, picture=2)
    assert near(heard(path), TIMES)


@pytest.mark.parametrize("layout", ["mono", "stereo", "3.0", "quad", "5.1", "7.1", "7 channels", "hexadecagonal"])
def test_all_channels_are_mixed_without_clipping(tmp_path: Path, layout: str) -> None:
    sound = listen(probe(write_sound(tmp_path / "a.mkv", [beeps(TIMES, 2000)], layout=layout, picture=2)))
    samples = sound.samples(sound.span)
    assert near(onsets(samples), TIMES)
    assert 0.6 < np.abs(samples).max() < 0.8


def test_the_voice_in_the_centre_of_five_channels_is_heard(tmp_path: Path) -> None:
    channels = np.zeros((96000, 6), np.float32)
    channels[:, 2], channels[:, 3] = beeps(TIMES, 2000), 0.9  # FL FR FC LFE BL BR: the bass has no place in speech
    sound = listen(probe(write_sound(tmp_path / "a.mkv", [channels], layout="5.1", picture=2)))
    samples = sound.samples(sound.span)
    assert near(onsets(samples), TIMES) and np.abs(samples).max() > 0.15
    assert np.abs(samples[: 80 * 16]).max() < 0.001


CODECS = [
    ("mkv", "pcm_u8"), ("mkv", "pcm_s24le"), ("mkv", "pcm_f32le"), ("mkv", "flac"), ("mkv", "libopus"), ("mkv", "ac3"),
    ("mkv", "libmp3lame"), ("mkv", "mp2"), ("avi", "pcm_s16le"), ("ts", "aac"), ("ts", "mp2"), ("mov", "pcm_s16be"),
    ("mp4", "alac"), ("mp4", "libmp3lame"), ("mpg", "mp2"),
]  # fmt: skip


@pytest.mark.parametrize(("ending", "codec"), CODECS)
def test_every_codec_and_sample_format(tmp_path: Path, ending: str, codec: str) -> None:
    path = write_sound(tmp_path / f"a.{ending}", [beeps(TIMES, 2000)], codec=codec, picture=2)
    assert near(heard(path), TIMES)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "mov", "ts"])
@pytest.mark.parametrize(("picture", "sound"), [(0, 700), (360, 0), (360, 360), (1000, 1320)])
def test_time_begins_at_the_first_picture(tmp_path: Path, ending: str, picture: int, sound: int) -> None:
    path = write_sound(
        tmp_path / f"a.{ending}", [beeps(TIMES, 2000)], codec="aac", picture=2, picture_at=picture, sound_at=sound
    )
    shifted = [at + sound - picture for at in TIMES]
    assert near(heard(path), [at for at in shifted if at >= 0])
    assert abs(listen(probe(path)).span.start - max(0, sound - picture)) < 25


def test_pictures_in_another_order_than_they_are_stored_begin_no_later(tmp_path: Path) -> None:
    pieces = {}
    for ending in ("mp4", "mkv", "ts", "avi"):
        path = write_video(tmp_path / f"a.{ending}", scene(0, 30), sound="eng", options={"bf": "3"})
        pieces[ending] = listen(probe(path)).span
    assert all(span.start <= 1 and abs(span.end - 1000) < 40 for span in pieces.values()), pieces


@pytest.mark.parametrize(("ending", "codec"), [("mkv", "pcm_s16le"), ("mp4", "aac"), ("ts", "mp2")])
def test_missing_packets_become_silence(tmp_path: Path, ending: str, codec: str) -> None:
    path = write_sound(tmp_path / f"a.{ending}", [beeps(TIMES, 2000)], codec=codec, picture=2, skip=range(12, 28))
    assert near(heard(path), [100, 731, 1500])


def test_a_gap_in_the_timestamps_becomes_silence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mkv", [beeps(TIMES, 2000)], picture=2, stamps={30: 200})
    assert near(heard(path), [100, 400, 931, 1700])


def test_what_overlaps_is_dropped_and_what_follows_is_on_time(tmp_path: Path) -> None:
    early = {20: -20, 40: -20, 60: -20}
    path = write_sound(tmp_path / "a.mkv", [beeps(TIMES, 2000)], picture=2, stamps=early)
    assert near(heard(path), [100, 400, 711, 1440])
    assert listen(probe(path)).span.end == 1940


def test_sound_lasts_until_the_gap_and_to_its_last_sample(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(44175) * 2 * np.pi * 2000 / 44100).astype(np.float32)
    path = write_sound(tmp_path / "a.mkv", [tone], rate=44100, stamps={20: 300})
    sound, gap = listen(probe(path)), 20 * 1024 / 44.1
    before = sound.samples(Span(int(gap) - 3, int(gap)))
    assert all(np.abs(part).max() > 0.3 for part in np.split(before, 6)), "no sample is left in the resampler"
    assert np.abs(sound.samples(Span(int(gap) + 2, int(gap) + 298))).max() < 0.01
    assert sound.span.end == 1302, "44175 samples are 1001.7 ms, and the file tells whole milliseconds"


def test_clocks_that_drift_stay_within_milliseconds(tmp_path: Path) -> None:
    times = list(range(100, 5900, 500))
    late = dict.fromkeys(range(5, 280, 5), 1)  # one millisecond in a hundred: 55 in the end
    path = write_sound(tmp_path / "a.mkv", [beeps(times, 6000)], picture=6, stamps=late)
    shown = [at + sum(ms for index, ms in late.items() if index * 1024 / 48 <= at) for at in times]
    assert near(heard(path), shown, within=16)


def test_timestamps_that_jump_beyond_the_end_of_the_video_are_not_believed(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.ts", [beeps(TIMES, 2000)], codec="mp2", picture=2, stamps={25: 2_000_000})
    sound = listen(probe(path))
    assert sound.path.stat().st_size < 100_000 and near(heard(path), [100, 400])
    assert sound.trouble.startswith("damaged packets or frames of sound passed over: ")


def test_recordings_joined_end_to_end_go_on_though_rate_channels_and_clock_change(tmp_path: Path) -> None:
    one = write_sound(tmp_path / "1.ts", [beeps(TIMES, 2000)], codec="mp2", picture=2)
    two = write_sound(
        tmp_path / "2.ts", [beeps(TIMES, 2000, 44100)], codec="mp2", rate=44100, layout="stereo", picture=2
    )
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    found = heard(joined)
    assert near(found[:4], TIMES) and near(found[4:], [at + 2010 for at in TIMES], within=15)


def test_sound_longer_and_shorter_than_the_picture(tmp_path: Path) -> None:
    longer = listen(probe(write_sound(tmp_path / "a.mkv", [beeps(TIMES, 2000)], picture=1)))
    assert longer.span == Span(0, 2000) and near(onsets(longer.samples(longer.span)), TIMES)
    shorter = listen(probe(write_sound(tmp_path / "b.mkv", [beeps(TIMES, 2000)], picture=3)))
    assert shorter.span == Span(0, 2000)
    assert not shorter.samples(Span(2000, 3000)).any() and len(shorter.samples(Span(1900, 3000))) == 1100 * 16


def test_tracks_are_told_apart_and_a_wrong_number_is_a_sentence(tmp_path: Path) -> None:
    sounds = [beeps([100], 1000), beeps([300, 600], 1000)]
    path = write_sound(tmp_path / "a.mkv", sounds, languages=["eng", "kor"])
    assert heard(path) == heard(path, track=0) == [100]
    assert heard(path, track=1) == [300, 600]
    assert listen(probe(path), track=1).track.language == "ko"
    for wrong in (2, -1):
        with pytest.raises(
            SettingsError, match=rf"a.mkv has 2 audio tracks, counted from 0: there is no track {wrong}"
        ):
            listen(probe(path), track=wrong)


def test_what_has_no_sound_gives_none(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    assert listen(probe(tmp_path / "photo.png")) is None
    assert listen(probe(write_video(tmp_path / "a.mp4", scene(0, 3)))) is None
    assert listen(probe(write_sound(tmp_path / "b.mkv", [np.zeros(0, np.float32)]))) is None, "a track without packets"
    early = write_sound(tmp_path / "c.mkv", [beeps([10], 100)], picture_at=400)
    assert listen(probe(early)) is None, "all of it before the first picture"
    late = write_sound(tmp_path / "d.mkv", [beeps([10], 100)], sound_at=4000)
    assert listen(probe(late)) is None, "all of it after the last"


def test_a_codec_that_nothing_here_knows_is_a_sentence(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mkv", [beeps([100], 300)])
    path.write_bytes(path.read_bytes().replace(b"A_PCM/INT/LIT", b"A_PCX/INT/LIT"))
    video = probe(path)
    assert video.audio == (AudioTrack(1, "unknown", 0, 0),)
    with pytest.raises(
        MediaError, match=r"nothing of audio track 0 \(unknown\) of .*a.mkv can be decoded: name another"
    ):
        listen(video)


def _sound(folder: Path, samples: np.ndarray, start: int = 0) -> Audio:
    """A track whose sound begins `start` milliseconds after the first picture."""
    path = folder / "sound.s16"
    path.write_bytes(np.concatenate([np.zeros(start * 16, "<i2"), samples.astype("<i2")]).tobytes())
    return Audio(AudioTrack(1, "aac", 1, 48000), Span(start, start + len(samples) // 16), path)


SAMPLES = np.random.default_rng(0).integers(-32768, 32768, 500 * 16)


@given(st.lists(st.integers(-200, 900), min_size=2, max_size=8), st.integers(0, 100))
def test_windows_that_touch_make_up_the_whole(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], start: int
) -> None:
    sound, cuts = _sound(tmp_path_factory.mktemp("a"), SAMPLES, start), sorted(cuts)
    windows = [sound.samples(Span(a, b)) for a, b in pairwise(cuts)]
    whole = np.zeros(2000 * 16, np.float32)
    whole[(500 + start) * 16 :][: len(SAMPLES)] = SAMPLES / 32768
    assert all(window.dtype == np.float32 for window in windows)
    np.testing.assert_array_equal(np.concatenate(windows), whole[(cuts[0] + 500) * 16 : (cuts[-1] + 500) * 16])


@given(st.integers(1, 700), st.integers(0, 100))
def test_blocks_make_up_the_track(tmp_path_factory: pytest.TempPathFactory, length: int, start: int) -> None:
    sound = _sound(tmp_path_factory.mktemp("a"), SAMPLES, start)
    blocks = list(sound.blocks(length))
    assert [at for at, _ in blocks] == list(range(start, start + 500, length))
    assert all(len(samples) == length * 16 for _, samples in blocks[:-1])
    np.testing.assert_array_equal(
        np.concatenate([samples for _, samples in blocks]), (SAMPLES / 32768).astype(np.float32)
    )


def test_a_track_is_decoded_once_and_again_where_the_cache_was_harmed(tmp_path: Path, monkeypatch) -> None:
    path = write_sound(tmp_path / "a.mkv", [beeps(TIMES, 2000), beeps([5], 2000)], picture=2)
    decoded: list[int] = []
    real = Container.sound
    monkeypatch.setattr(Container, "sound", lambda self, index: decoded.append(index) or real(self, index))
    cache, video = Cache(tmp_path / "cache"), probe(path)
    threads = [Thread(target=listen, args=(video, cache)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sound = listen(video, cache)
    assert decoded == [1] and sound.path.is_relative_to(tmp_path / "cache" / "audio")
    assert listen(video, cache, 1) is not None and decoded == [1, 2]
    sound.path.write_bytes(b"x")
    assert near(onsets(listen(video, cache).samples(sound.span)), TIMES) and decoded == [1, 2, 1]
    assert {use.part: use.files for use in cache.usage()}["audio"] == 4


def test_nothing_is_left_where_decoding_breaks_off(tmp_path: Path, monkeypatch) -> None:
    video, cache = probe(write_sound(tmp_path / "a.mkv", [beeps(TIMES, 2000)])), Cache(tmp_path / "cache")

    def broken(self: Container, index: int):
        yield None, next(real(self, index))[1]
        raise KeyboardInterrupt

    real = Container.sound
    monkeypatch.setattr(Container, "sound", broken)
    with pytest.raises(KeyboardInterrupt):
        listen(video, cache)
    assert not list((tmp_path / "cache" / "audio").iterdir())


def test_without_a_cache_the_samples_go_when_the_program_ends(tmp_path: Path) -> None:
    video = probe(write_sound(tmp_path / "a.mkv", [beeps(TIMES, 2000)]))
    first, again = listen(video), listen(video)
    assert first.path == again.path and audio._passing().root in first.path.parents
    assert RATE == 16000


@pytest.mark.shared
def test_real_tracks(shared: Path) -> None:
    video = probe(shared / "clips" / "nasa_13013.mp4")
    first, second = listen(video, track=0), listen(video, track=1)
    assert (first.track.rate, second.track.rate, first.span, second.span) == (
        8000,
        16000,
        Span(0, 13056),
        Span(0, 13056),
    )
    a, b = (sound.samples(Span(1000, 12000)) for sound in (first, second))
    shift = np.argmax(np.correlate(a[32000:96000], b[31840:96160], "valid")) - 160
    assert abs(shift) <= 16, "the same speech lies at the same time in both"
    music = listen(probe(shared / "clips" / "big_buck_bunny_480p_30s.mp4"))
    assert music.track.channels == 6 and 0.05 < np.abs(music.samples(music.span)).max() <= 1
