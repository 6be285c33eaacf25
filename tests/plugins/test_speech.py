"""What both Whispers share: chunks to the recogniser, words back to their place in the video, what is not believed.

The recogniser is a fake that says what a test wants; who speaks when is real where speech is, else said by the test.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_samples import damage, scene, write_video
from PIL import Image
from sound_samples import beeps, write_sound
from vdesc import Cache, SettingsError, Span
from vdesc.media import probe
from vdesc.registry import create
from vdesc.transcript import Word
from vdesc_speech import listener
from vdesc_speech.hearing import Heard, without_loops
from vdesc_speech.listener import Listener


class Ear(Listener):
    """Hears a fixed sentence in each chunk, a word every half second, and remembers what it was given."""

    name = "ear"
    extra = "asr"
    knows: Mapping[str, str] = {"en": "english", "ko": "korean", "de": "german"}
    said = " Good morning. How are you?"
    logprob, no_speech, late = -0.1, 0.01, 0

    def load(self, device: str) -> None:
        super().load(device)
        self.given: list[list[int]] = []
        self.asked: list[int] = []
        self.language_given = ""

    def languages(self) -> Mapping[str, str]:
        return self.knows

    def detect(self, samples: np.ndarray) -> Mapping[str, float]:
        self.asked.append(len(samples))
        return [{"ko": 0.45, "de": 0.2}, {"ko": 0.4, "de": 0.3}, {"ko": 0.2, "de": 0.48}][len(self.asked) - 1]

    def hear(self, sounds: Sequence[np.ndarray], language: str) -> Sequence[Heard]:
        self.given.append([len(samples) for samples in sounds])
        self.language_given = language
        words = [" " + word for word in self.said.split()]
        times = [(self.late + i * 500, self.late + i * 500 + 400) for i in range(len(words))]
        heard = tuple(Word(w, Span(a, b), 0.75) for w, (a, b) in zip(words, times, strict=True))
        return [Heard(heard, self.logprob, self.no_speech) for _ in sounds]


@pytest.fixture
def ear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An ear that is told by the test who speaks when."""

    def make(*spans: tuple[int, int], **options: object) -> Ear:
        monkeypatch.setattr(listener, "odds", lambda network, audio: [])
        monkeypatch.setattr(listener, "spoken", lambda likely, window: tuple(Span(*span) for span in spans))
        made = create(Ear, **options)
        made.cache = Cache(tmp_path / "cache")
        made.load("cpu")
        return made

    return make


@pytest.fixture
def video(tmp_path: Path):
    return probe(write_sound(tmp_path / "talk.mkv", [beeps([500], 90_000, 8000)], rate=8000, picture=90, fps=5))


def notes(plugin: Listener) -> list[str]:
    return [finding.message for finding in plugin.findings]


def test_sentences_become_evidence_at_their_place_with_words_and_confidence(ear, video) -> None:
    one = ear((10_000, 14_000), language="ko")
    first, second = one.observe(video, ())
    assert (first.kind, first.value, first.span, first.source) == (
        "speech",
        "Good morning.",
        Span(10_000, 10_900),
        "ear",
    )
    assert (second.value, second.span) == ("How are you?", Span(11_000, 12_400))
    assert first.confidence == pytest.approx(np.exp(-0.1))
    assert first.details == {
        "language": "ko", "track": 0, "words": [[10_000, 10_400, "Good", 0.75], [10_500, 10_900, "morning.", 0.75]],
    }  # fmt: skip
    assert notes(one) == []


def test_words_over_a_gap_lie_on_both_sides_of_it(ear, video) -> None:
    found = list(ear((1000, 2300), (20_000, 21_300)).observe(video, ()))
    assert [(e.value, e.span) for e in found] == [
        ("Good morning.", Span(1000, 1900)),
        ("How", Span(2000, 2300)),
        ("are you?", Span(20_200, 21_100)),
    ]


def test_chunks_come_in_batches_of_the_size_that_was_asked_for(ear, video) -> None:
    spans = [(i * 20_000, i * 20_000 + 16_000 + i) for i in range(4)]
    one = ear(*spans, batch=3)
    found = list(one.observe(video, ()))
    assert one.given == [[16_000 * 16, 16_001 * 16, 16_002 * 16], [16_003 * 16]]
    assert [e.span.start for e in found] == [at for i in range(4) for at in (i * 20_000, i * 20_000 + 1000)]


def test_the_language_is_told_from_the_first_chunks_together(ear, video) -> None:
    one = ear(*[(i * 20_000, i * 20_000 + 19_000) for i in range(4)])
    found = list(one.observe(video, ()))
    assert len(one.asked) == 3 and one.language_given == "ko" == found[0].details["language"]
    sure = ear((0, 1000), (30_000, 59_500))
    sure.detect = lambda samples: sure.asked.append(1) or {"de": 0.9}
    assert next(iter(sure.observe(video, ()))).details["language"] == "de" and len(sure.asked) == 1


@pytest.mark.parametrize("named", ["ko", "KO", "Korean", "ko-KR", "ko_KR"])
def test_a_language_that_is_given_is_not_detected(ear, video, named: str) -> None:
    one = ear((0, 3000), language=named)
    assert next(iter(one.observe(video, ()))).details["language"] == "ko" and one.asked == []


def test_an_unknown_language_is_a_sentence_with_the_nearest(ear) -> None:
    with pytest.raises(SettingsError, match=r"ear knows no language 'koreen' \(did you mean 'korean'\?\)"):
        ear(language="koreen")
    with pytest.raises(SettingsError, match=r"knows no language 'xx' \(use a code such as en, de or ko\)"):
        ear(language="xx")


def test_an_english_model_is_asked_for_nothing_else(ear, video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ear, "knows", {"en": "english"})
    one = ear((0, 3000))
    assert next(iter(one.observe(video, ()))).details["language"] == "en" and one.asked == []
    with pytest.raises(SettingsError, match=r"knows no language 'ko' \(its model knows English only\)"):
        ear(language="ko")


def test_what_is_invented_is_left_out_and_counted_in_one_note(ear, video) -> None:
    silent = ear((0, 3000), (30_000, 33_000))
    silent.no_speech, silent.logprob = 0.9, -1.5
    assert list(silent.observe(video, ())) == []
    assert notes(silent) == ["left out as likely invented: chunks without speech (1)"]
    for no_speech, logprob in ((0.9, -0.5), (0.3, -1.5)):
        unsure = ear((0, 3000))
        unsure.no_speech, unsure.logprob = no_speech, logprob
        assert len(list(unsure.observe(video, ()))) == 2, "either alone is no reason"

    looping = ear((0, 29_000), (30_000, 59_000))
    looping.said = "Hello there. " + "Thank you. " * 12
    assert [e.value for e in looping.observe(video, ())] == ["Hello there.", "Thank you."] * 2
    assert notes(looping) == ["left out as likely invented: words said over and over (44)"]

    late = ear((0, 3000))
    late.late = 4500
    assert list(late.observe(video, ())) == []
    assert notes(late) == ["left out as likely invented: words after the end of the sound (5)"]


def test_silence_gives_nothing_and_says_so(ear, video) -> None:
    one = ear()
    assert list(one.observe(video, ())) == [] and notes(one) == ["nobody speaks"] and one.given == []


def test_no_sound_is_said_once_and_a_photo_needs_no_word(ear, tmp_path: Path) -> None:
    one = ear((0, 3000))
    assert list(one.observe(probe(write_video(tmp_path / "mute.mp4", scene(0, 5))), ())) == []
    assert notes(one) == ["the video has no sound: there is no speech to find"]
    Image.new("RGB", (9, 9)).save(tmp_path / "photo.png")
    other = ear((0, 3000))
    assert list(other.observe(probe(tmp_path / "photo.png"), ())) == [] and notes(other) == []


def test_sound_without_a_picture_is_left_out_and_said(ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sound(tmp_path / "a.mkv", [beeps([1], 9000, 8000)], rate=8000, picture=2)
    one = ear()
    monkeypatch.setattr(listener, "spoken", lambda likely, window: (window,))
    assert [e.span.end <= 2000 for e in one.observe(probe(path), ())] == [True, True]
    assert notes(one) == ["the sound lasts 7 s longer than the picture: what is said then is left out"]


def test_the_track_is_the_one_asked_for_and_a_wrong_one_is_a_sentence(ear, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mkv", [beeps([1], 3000), beeps([2], 3000)], picture=3)
    assert next(iter(ear((0, 3000), track=1).observe(probe(path), ()))).details["track"] == 1
    with pytest.raises(SettingsError, match=r"a.mkv has 2 audio tracks, counted from 0: there is no track 2"):
        list(ear((0, 3000), track=2).observe(probe(path), ()))


def test_damaged_sound_is_heard_as_far_as_it_goes_with_a_warning(ear, tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.mkv", [beeps(range(0, 6000, 60), 6000)], codec="flac", picture=6)
    one = ear((0, 3000))
    assert len(list(one.observe(probe(damage(path, 0.4, 0.6)), ()))) == 2
    (finding,) = one.findings
    assert finding.level == "warning" and "damaged packets or frames of sound passed over" in finding.message


def words(*texts: str) -> list[Word]:
    return [Word(f" {text}", Span(i * 100, i * 100 + 90)) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no no no", "no no no"),
        ("No. " * 11, ("No. " * 11).strip()),
        ("no " * 12, "no"),
        ("so thank you for watching thank you for watching thank you for watching", "so thank you for watching"),
        ("a b a b a b a b a b", "a b a b a b a b a b"),
        ("x " + "a b " * 6 + "y", "x a b y"),
        ("one two three four five six seven eight nine ten", "one two three four five six seven eight nine ten"),
        ("Ha" * 30, "Ha"),
        ("Donaudampfschifffahrtsgesellschaftskapitän", "Donaudampfschifffahrtsgesellschaftskapitän"),
    ],
)
def test_loops_are_said_once_and_chants_are_kept(said: str, kept: str) -> None:
    found = without_loops(words(*said.split()))
    assert " ".join(word.text.strip() for word in found) == kept


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=60))
def test_loops_aside_words_keep_their_order_and_times(texts: list[str]) -> None:
    given_, kept = words(*texts), without_loops(words(*texts))
    assert all(word in given_ for word in kept)
    assert all(a.span.start < b.span.start for a, b in pairwise(kept))
    assert set(texts) == {word.text.strip() for word in kept}
    assert without_loops(kept) == kept or len(kept) < len(given_)


@pytest.mark.shared
def test_real_speech_reaches_the_recogniser_whole_and_at_its_time(shared: Path, tmp_path: Path) -> None:
    video = probe(shared / "clips" / "nasa_13013.mp4")
    one = create(Ear, language="en")
    one.cache = Cache(tmp_path / "cache")
    one.load("cpu")
    found = list(one.observe(video, ()))
    (samples,) = one.given[0]
    assert 10_500 < samples / 16 < 13_013, "13 seconds, of which more than four fifths are speech"
    assert found and 300 < found[0].span.start < 700
    assert all(video.span.start <= e.span.start <= e.span.end <= video.span.end for e in found)


@pytest.mark.shared
def test_music_of_a_film_reaches_no_recogniser(shared: Path, tmp_path: Path) -> None:
    one = create(Ear)
    one.cache = Cache(tmp_path / "cache")
    one.load("cpu")
    assert list(one.observe(probe(shared / "clips" / "big_buck_bunny_480p_30s.mp4"), ())) == []
    assert notes(one) == ["nobody speaks"]
