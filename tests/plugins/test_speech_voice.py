"""Voice activity: spans from Silero's odds, chunks from spans, times back in the video; real speech."""

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from silero_vad.sequence_vad import SileroVADSequence
from vdesc import Audio, AudioTrack, MissingExtra, Span
from vdesc_speech import voice
from vdesc_speech.voice import FRAME, LONGEST, Chunk, chunks, detector, odds, spoken


def frames(*parts: tuple[int, float]) -> list[float]:
    """Odds of so many milliseconds each."""
    return [share for length, share in parts for _ in range(length // FRAME)]


def track(folder: Path, samples: np.ndarray, start: int = 0) -> Audio:
    path = folder / "track.s16"
    silence = np.zeros(16 * start, np.int16)
    path.write_bytes(np.concatenate([silence, (samples * 32767).clip(-32768, 32767).astype(np.int16)]).tobytes())
    return Audio(AudioTrack(1, "flac", 1, 16000), Span(start, start + len(samples) // 16), path)


def span(start: int, end: int) -> Span:
    return Span(start, end)


def test_speech_begins_sure_and_goes_on_unsure_and_is_padded() -> None:
    likely = frames((3200, 0.0), (320, 0.4), (640, 0.9), (640, 0.4), (320, 0.1), (640, 0.9), (3200, 0.1))
    window = Span(1000, 1000 + len(likely) * FRAME)
    assert spoken(likely, window) == (span(4320, 6960),), "0.4 begins nothing; 320 ms are no pause"


def test_pauses_part_spans_and_clicks_are_none() -> None:
    likely = frames((960, 0.0), (960, 0.9), (960, 0.0), (960, 0.9), (960, 0.0), (192, 0.9), (3200, 0.0))
    assert spoken(likely, Span(0, len(likely) * FRAME)) == (span(760, 2120), span(2680, 4040))


def test_spans_stay_in_their_window() -> None:
    likely = frames((1600, 0.9), (1600, 0.0), (1600, 0.9))
    assert spoken(likely, Span(0, len(likely) * FRAME)) == (span(0, 1800), span(3000, 4800))
    assert spoken(likely, Span(0, 1000)) == (span(0, 1000),), "sound after the picture's end"
    assert spoken(likely, Span(5000, 5000)) == () == spoken([], Span(0, 0))


def test_long_speech_is_cut_where_a_pause_is_likeliest() -> None:
    likely = frames((20_000, 0.95), (192, 0.4), (15_008, 0.95), (2016, 0.95), (640, 0.0))
    first, second = spoken(likely, Span(0, len(likely) * FRAME))
    assert first.start == 0 and first.end == second.start and abs(first.end - 20_096) <= 64


@given(st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.6, 0.95]), max_size=40), st.integers(1, 200), st.integers(0, 5000))
def test_spans_and_chunks_keep_their_rules(levels: list[float], repeat: int, start: int) -> None:
    likely = np.repeat(np.array(levels, np.float32), repeat)
    window = Span(start, start + len(likely) * FRAME - (7 if len(likely) else 0))
    spans = spoken(likely, window)
    assert all(window.start <= s.start < s.end <= window.end and s.length <= LONGEST for s in spans)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    packed = list(chunks(spans))
    assert [s for chunk in packed for s in chunk.spans] == list(spans)
    assert all(chunk.length <= LONGEST for chunk in packed)
    assert all(a.length + b.spans[0].length > LONGEST for a, b in pairwise(packed)), "no chunk has room left"


@given(st.lists(st.integers(1, 5000), min_size=2, max_size=12), st.data())
def test_a_time_in_a_chunk_is_the_time_of_its_sample(lengths: list[int], data: st.DataObject) -> None:
    edges = np.cumsum(lengths).tolist()
    chunk = Chunk(tuple(Span(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False)))
    heard = [at for s in chunk.spans for at in range(s.start, s.end)]
    assert len(heard) == chunk.length
    at = data.draw(st.integers(0, chunk.length - 1))
    assert chunk.place(at, at) == Span(heard[at], heard[at])
    placed = chunk.place(at, min(at + 3000, chunk.length))
    assert any(s.start <= placed.start <= placed.end <= s.end for s in chunk.spans), "a word lies in one span"
    assert chunk.place(chunk.length + 1500, chunk.length + 1500) is None
    late = chunk.place(chunk.length + 10, chunk.length + 800)
    assert late == Span(chunk.spans[-1].end, chunk.spans[-1].end)


def test_the_samples_of_a_chunk_are_those_of_its_spans(tmp_path: Path) -> None:
    audio = track(tmp_path, np.linspace(-1, 1, 16 * 1000, dtype=np.float32), start=100)
    chunk = Chunk((Span(150, 200), Span(900, 1200)))
    samples = chunk.samples(audio)
    assert samples.shape == (16 * 350,)
    np.testing.assert_array_equal(samples[: 16 * 50], audio.samples(Span(150, 200)))
    assert not samples[16 * 250 :].any(), "nothing is heard after the track's end"


def test_silence_noise_and_tones_are_no_speech(tmp_path: Path) -> None:
    network, random = detector("test", "asr"), np.random.default_rng(0)
    seconds = np.arange(16000 * 6) / 16000
    for samples in (0 * seconds, 0.1 * random.standard_normal(seconds.shape), 0.3 * np.sin(2 * np.pi * 440 * seconds)):
        audio = track(tmp_path, samples)
        assert spoken(odds(network, audio), audio.span) == ()


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = track(tmp_path, 0.2 * np.random.default_rng(1).standard_normal(16000 * 5 + 77), start=40)
    network = detector("test", "asr")
    whole = odds(network, audio)
    assert len(whole) == -(-audio.span.length // FRAME)
    monkeypatch.setattr(voice, "_BLOCK", 7 * FRAME)
    np.testing.assert_allclose(odds(network, audio), whole, atol=1e-5)
    reference = SileroVADSequence(network._model_path).audio_forward(audio.samples(audio.span))
    np.testing.assert_allclose(reference, whole, atol=1e-5)


def test_a_missing_package_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"whisper needs the package silero-vad: pip install 'vdesc\[asr\]'"):
        detector("whisper", "asr")


def _read(path: Path) -> np.ndarray:
    resampler = av.AudioResampler("s16", "mono", 16000)
    with av.open(str(path)) as file:
        frames = [*file.decode(audio=0), None]
        pieces = [piece.to_ndarray()[0] for frame in frames for piece in resampler.resample(frame)]
    return np.concatenate(pieces).astype(np.float32) / 32768


@pytest.mark.shared
def test_real_speech_is_found_between_silence_music_and_noise(shared: Path, tmp_path: Path) -> None:
    music = _read(shared / "clips" / "big_buck_bunny_480p_30s.mp4")
    noise = 0.05 * np.random.default_rng(0).standard_normal(16000 * 4).astype(np.float32)
    between = [np.zeros(48000, np.float32), music[80000:176000], noise, music[240000:432000], 0.02 * noise[:16000]]
    readings = [*sorted((shared / "speech" / "ljspeech").glob("*.flac"))[:9], shared / "speech" / "jfk.flac"]
    sound, truth = [], []
    for i, path in enumerate(readings):
        speech, filler = _read(path), between[i % 5]
        loud = np.sqrt(np.convolve(speech**2, np.ones(800) / 800, "same")) > 0.01
        truth += [np.zeros(len(filler), bool), np.zeros(len(speech), bool)]
        truth[-1][np.flatnonzero(loud)[0] : np.flatnonzero(loud)[-1]] = True
        sound += [filler, speech]
    audio, said = track(tmp_path, np.concatenate([*sound, music])), np.concatenate([*truth, np.zeros(len(music), bool)])
    found = np.zeros(len(said), bool)
    for part in spoken(odds(detector("test", "asr"), audio), audio.span):
        found[part.start * 16 : part.end * 16] = True
    assert (said & found).sum() / said.sum() > 0.97
    assert (said & found).sum() / found.sum() > 0.90, "of the rest most is padding"
    assert not found[16000 - len(music) :].any(), "nobody speaks in half a minute of music"
