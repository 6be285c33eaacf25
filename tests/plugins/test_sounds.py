"""The sounds observer on made-up sounds that YAMNet knows, held against what LiteRT says to the published network."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_samples import damage
from sound_samples import write_sound
from vdesc import MediaError, MissingExtra, SettingsError, Span
from vdesc.media import probe, save_picture
from vdesc.registry import create
from vdesc.testing import assert_contract, picture, small_video
from vdesc_sounds import Sounds, observer
from vdesc_sounds import yamnet as yamnet_module
from vdesc_sounds.classes import names
from vdesc_sounds.events import Event
from vdesc_sounds.yamnet import HOP, PATCH, Yamnet, count, log_mel, mel_weights, patches

RATE = 16_000


def chords(seconds: float) -> np.ndarray:
    """Four plucked chords in turn, half a second each."""
    at = np.arange(int(RATE * seconds)) / RATE
    sound = np.zeros(len(at))
    turns = [(220, 277.2, 329.6), (174.6, 220, 261.6), (196, 246.9, 293.7), (164.8, 207.7, 246.9)]
    for i in range(int(np.ceil(seconds * 2))):
        here = (at >= i * 0.5) & (at < (i + 1) * 0.5)
        since = at[here] - i * 0.5
        root, third, fifth = turns[i % 4]
        for tone in (root / 2, root, third, fifth):
            for overtone in range(1, 6):
                sound[here] += np.exp(-since * 4) * np.sin(2 * np.pi * tone * overtone * since) / overtone**1.5
    return (0.3 * sound / np.abs(sound).max()).astype(np.float32)


def crackling(seconds: int, seed: int = 0) -> np.ndarray:
    """Bursts of noise of a few milliseconds, 150 a second."""
    draw = np.random.default_rng(seed)
    hits = np.zeros(RATE * seconds)
    where = draw.integers(0, len(hits), 150 * seconds)
    hits[where] = draw.uniform(0.2, 1, len(where))
    fading = np.exp(-np.arange(RATE * 0.03) / RATE / 0.006)
    sound = np.convolve(hits, fading)[: len(hits)] * draw.normal(size=len(hits))
    return (0.6 * sound / np.abs(sound).max()).astype(np.float32)


def noise(seconds: int) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=RATE * seconds) * 0.1).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(int(RATE * seconds), np.float32)


@pytest.fixture(scope="module")
def yamnet() -> Yamnet:
    return Yamnet("sounds", "evidence")


@pytest.fixture
def heard(tmp_path: Path) -> Callable[..., list[tuple[str, int, int]]]:
    """What the observer says of sounds: name, start, end."""

    def hear(*tracks: np.ndarray, plugin: Sounds | None = None, picture: float = 20.0, **how: object):
        clip = probe(write_sound(tmp_path / "clip.mkv", tracks, rate=RATE, picture=picture, fps=5, **how))
        return [(e.value, e.span.start, e.span.end) for e in (plugin or loaded()).observe(clip, ())]

    return hear


def loaded(**options: object) -> Sounds:
    plugin = create(Sounds, **options)
    plugin.load("cpu")
    return plugin


# --- the network, against LiteRT 2.3 on the published file ---


GOLDEN = {  # means over all patches
    "chords": (chords(6), {"Music": 0.941}, 0.03),
    "crackling": (crackling(4), {"Explosion": 0.893, "Fireworks": 0.860, "Firecracker": 0.254}, 0.1),
    "noise": (noise(4), {"Static": 0.475, "White noise": 0.472, "Noise": 0.353, "Waterfall": 0.258}, 0.08),
    "quiet": (quiet(2), {"Silence": 1.0, "Speech": 0.0}, 0.001),
}


@pytest.mark.parametrize("sound", GOLDEN)
def test_the_scores_are_those_of_the_published_network(yamnet: Yamnet, sound: str):
    samples, expected, tolerance = GOLDEN[sound]
    scores = yamnet.scores(samples).mean(0)
    assert {name: scores[names().index(name)] for name in expected} == pytest.approx(expected, abs=tolerance)
    assert names()[scores.argmax()] in expected


def test_a_patch_is_what_it_should_be(yamnet: Yamnet):
    scores = yamnet.scores(noise(3))
    assert scores.shape == (1 + (48_000 - 15_600) // 7_680, 521) and scores.dtype == np.float32
    assert scores.min() >= 0 and scores.max() <= 1
    frames = log_mel(noise(3))
    assert frames.shape == (298, 64) and frames.dtype == np.float32
    assert np.array_equal(patches(frames)[2], frames[96:192])
    assert yamnet.scores(noise(1)[: RATE * PATCH // 1000]).shape == (1, 521)


def test_a_tone_lies_in_its_mel_band():
    for hertz, band in ((200, 2), (440, 8), (1000, 20), (7000, 61)):
        tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)
        assert log_mel(tone).mean(0).argmax() == pytest.approx(band, abs=1)
    assert log_mel(quiet(1)) == pytest.approx(np.log(0.001))
    window = yamnet_module._window()
    assert len(window) == 400 and window[0] == 0 and window[1] == pytest.approx(window[399]) and window[200] == 1
    weights = mel_weights()
    assert weights.shape == (257, 64) and not weights[0].any() and not weights[241:].any() and weights.max() <= 1


@pytest.mark.parametrize(
    ("length", "patches"), [(0, 1), (1, 1), (975, 1), (976, 2), (1455, 2), (1456, 3), (3_600_000, 7499)]
)
def test_all_of_a_track_is_heard(length: int, patches: int):
    assert count(length) == patches
    assert (patches - 1) * HOP + PATCH >= length


# --- events in videos ---


def test_sounds_begin_and_end_where_they_do(heard):
    found = heard(np.concatenate([chords(6), quiet(5), crackling(4), quiet(5)]))
    (music, start, end), *others = found
    assert (music, start) == ("Music", 0) and end == pytest.approx(6000, abs=700)
    assert others and all(first == pytest.approx(11_000, abs=700) for _, first, _ in others)
    assert all(last == pytest.approx(15_000, abs=700) for *_, last in others)


def test_patches_meet_halfway_between_their_middles():
    heard, shown = Span(1000, 5000), Span(0, 4000)  # 8 patches, whose middles are at 1487, 1967, ... 4847
    assert count(heard.length) == 8
    edges = [observer._span(Event("Bell", patch, patch + 1, 1.0), heard, Span(0, 9000)) for patch in range(8)]
    assert [edge.start for edge in edges] == [1000, 1727, 2207, 2687, 3167, 3647, 4127, 4607]
    assert [edge.end for edge in edges] == [*(edge.start for edge in edges[1:]), 5000]
    assert observer._span(Event("Bell", 4, 8, 1.0), heard, shown) == Span(3167, 4000)
    assert observer._span(Event("Bell", 7, 8, 1.0), heard, shown).length == 0


def test_the_evidence_is_a_sound(tmp_path: Path):
    clip = probe(write_sound(tmp_path / "clip.mkv", [chords(4)], rate=RATE, picture=4))
    (found,) = loaded().observe(clip, ())
    assert (found.kind, found.value, found.source, found.box, found.details) == ("sound", "Music", "sounds", None, {})
    assert 0.7 < found.confidence <= 1 and found.span == Span(0, 4000)


def test_a_track_that_begins_late_is_heard_late(heard):
    ((name, start, end),) = heard(chords(4), sound_at=3000, picture=8)
    assert name == "Music" and start == pytest.approx(3000, abs=50) and end == pytest.approx(7000, abs=50)


def test_sound_behind_the_picture_ends_with_it(heard):
    assert heard(chords(6), picture=3) == [("Music", 0, 3000)]
    assert heard(np.concatenate([quiet(4), chords(4)]), picture=3) == []


@pytest.mark.parametrize("milliseconds", [1, 30, 500, 975, 976, 1400])
def test_short_tracks_are_heard(heard, milliseconds: int):
    plugin = loaded(shortest=0, threshold=0.2)
    for _, start, end in heard(noise(2)[: RATE * milliseconds // 1000], plugin=plugin, picture=2):
        assert 0 <= start < end <= 2000
    assert plugin.findings == []


def test_batches_change_nothing(heard, monkeypatch: pytest.MonkeyPatch):
    track = np.concatenate([noise(3), chords(9), crackling(3)])
    together = heard(track)
    monkeypatch.setattr(observer, "BATCH", 3)
    assert heard(track) == together and len(together) > 1


def test_a_pause_is_bridged_and_a_short_sound_left_out(heard):
    track = np.concatenate([chords(4), quiet(2), chords(4)])
    assert len(heard(track, plugin=loaded(gap=0, classes=["Music"]))) == 2
    assert len(heard(track, plugin=loaded(gap=2500, classes=["Music"]))) == 1
    assert heard(track, plugin=loaded(gap=0, shortest=8000, classes=["Music"])) == []


def test_only_the_classes_asked_for_are_told(heard):
    track = np.concatenate([chords(4), quiet(3), crackling(4)])
    assert {name for name, *_ in heard(track, plugin=loaded(classes=["music"]))} == {"Music"}
    assert heard(track, plugin=loaded(classes=("Applause", "Laughter"))) == []
    assert {name for name, *_ in heard(track, plugin=loaded(classes=["Silence"]))} == {"Silence"}
    assert "Silence" not in {name for name, *_ in heard(track)}


def test_the_general_name_is_left_out_where_a_better_one_is_there(heard):
    for classes, told in ((["Explosion"], "Explosion"), (["Explosion", "Fireworks"], "Fireworks")):
        assert {name for name, *_ in heard(crackling(4), plugin=loaded(classes=classes))} == {told}
    tones = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE * 5) / RATE).astype(np.float32)
    named = {name for name, *_ in heard(tones, plugin=loaded(most=9))}
    assert named >= {"Dial tone", "Busy signal"} and not named & {"Telephone", "Alarm"}
    assert len(heard(tones, plugin=loaded(most=1))) == 1


def test_the_track_that_is_asked_for_is_heard(heard):
    both = (chords(4), crackling(4))
    assert heard(*both, picture=4)[0][0] == "Music"
    assert "Music" not in {name for name, *_ in heard(*both, picture=4, plugin=loaded(track=1))}
    with pytest.raises(SettingsError, match="there is no track 2"):
        heard(*both, picture=4, plugin=loaded(track=2))


def test_no_sound_is_no_evidence_and_one_note(tmp_path: Path):
    plugin = loaded()
    for file in (small_video(tmp_path / "mute.mp4"), save_picture(picture(), tmp_path / "photo.jpg").path):
        plugin.findings.clear()
        assert plugin.observe(probe(file), ()) == []
        assert [(f.level, f.message) for f in plugin.findings] == [("note", "there is no sound")]


def test_damaged_sound_is_told_and_the_rest_heard(tmp_path: Path):
    file = write_sound(tmp_path / "clip.mp4", [chords(20)], rate=48_000, codec="aac", picture=0.2)
    plugin = loaded()
    found = plugin.observe(probe(damage(file, 0.4, 0.5)), ())
    assert found == [] or found[0].value == "Music"
    assert [finding.level for finding in plugin.findings] == ["warning"]


def test_sound_of_which_nothing_can_be_decoded_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise MediaError("nothing of audio track 0 (aac) of clip.mp4 can be decoded")

    monkeypatch.setattr("vdesc.listen", broken, raising=False)
    with pytest.raises(MediaError, match="nothing of audio track 0"):
        loaded().observe(probe(write_sound(tmp_path / "clip.mkv", [chords(1)], rate=RATE)), ())


def test_a_class_that_is_none_gets_a_sentence():
    with pytest.raises(SettingsError, match=r"sounds: .*there is no sound 'Aplause' \(did you mean 'Applause'\?\)"):
        create(Sounds, classes=["Aplause"])
    assert create(Sounds, classes=["applause", "CHILD SPEECH, KID SPEAKING"]).options.classes == (
        "Applause", "Child speech, kid speaking",
    )  # fmt: skip


def test_without_onnx_runtime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"sounds needs the package onnxruntime: pip install 'vdesc\[evidence\]'"):
        create(Sounds).load("cpu")


def test_it_keeps_the_contract():
    assert_contract(Sounds)
    assert_contract(Sounds, classes=["Music"], threshold=0.1)


@pytest.mark.shared
def test_real_speech_and_music_are_heard(shared: Path):
    clip = probe(shared / "clips" / "nasa_13013.mp4")
    speech, music = loaded().observe(clip, ())
    assert (speech.value, speech.span.start, music.value) == ("Speech", 0, "Music")
    assert speech.span.end == pytest.approx(12_200, abs=1000) and music.span.start == pytest.approx(11_300, abs=1000)
    bunny = loaded().observe(probe(shared / "clips" / "big_buck_bunny_480p_30s.mp4"), ())
    assert [e.value for e in bunny] == ["Bird", "Music", "Music"]


@pytest.mark.shared
def test_kennedy_is_heard_speaking_as_litert_hears_him(shared: Path, yamnet: Yamnet):
    import av

    with av.open(str(shared / "speech" / "jfk.flac")) as file:
        turned = av.AudioResampler("s16", "mono", RATE)
        pieces = [piece for frame in [*file.decode(audio=0), None] for piece in turned.resample(frame)]
    samples = np.concatenate([piece.to_ndarray()[0] for piece in pieces]).astype(np.float32) / 32768
    speech = yamnet.scores(samples)[:, 0]
    assert speech.mean() == pytest.approx(0.946, abs=0.02)  # LiteRT; the pause in the tenth patch is heard by both
    assert speech[9] < 0.2 and np.delete(speech, 9).min() > 0.8
