"""`fasterwhisper` and `whisper` with the libraries' real classes, on tiny models that say one sentence."""

import pickle
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sound_samples import beeps, write_sound
from speech_models import SENTENCE, ctranslate2_folder, whisper_checkpoint
from vdesc import Cache, MissingExtra, ModelError, SettingsError, Span
from vdesc.crew import blamed
from vdesc.files import digest
from vdesc.media import probe
from vdesc.registry import Registry, create
from vdesc.testing import assert_contract
from vdesc_speech import FasterWhisper, Whisper, listener

BOTH = pytest.mark.parametrize("plugin", [FasterWhisper, Whisper])


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[object, str]:
    """A model for each plugin; and for each with the key (plugin, "english") one that knows English only."""
    folder = tmp_path_factory.mktemp("models")
    return {
        FasterWhisper: str(ctranslate2_folder(folder / "ct2")),
        (FasterWhisper, "english"): str(ctranslate2_folder(folder / "ct2.en", english=True)),
        Whisper: str(whisper_checkpoint(folder / "some.pt")),
        (Whisper, "english"): str(whisper_checkpoint(folder / "some.en.pt", english=True)),
    }


@pytest.fixture(autouse=True)
def one_thread():
    """So small a model is slower on several, which wait for each other where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A video in which the test says that somebody speaks in three stretches, of two chunks."""
    spans = (Span(1000, 9000), Span(12_000, 20_000), Span(30_000, 50_000))
    monkeypatch.setattr(listener, "spoken", lambda likely, window: spans)
    return probe(write_sound(tmp_path / "talk.mkv", [beeps([500], 60_000, 8000)], rate=8000, picture=60, fps=2))


def loaded(plugin, tmp_path: Path, **options: object):
    made = create(plugin, **options)
    made.cache = Cache(tmp_path / "cache")
    made.load("cpu")
    return made


@BOTH
@pytest.mark.parametrize("beam", [1, 3])
def test_words_come_with_times_probabilities_and_the_language(plugin, beam: int, models, talk, tmp_path: Path) -> None:
    one = loaded(plugin, tmp_path, model=models[plugin], beam=beam)
    found = list(one.observe(talk, ()))
    assert " ".join(e.value for e in found) == " ".join([SENTENCE.strip()] * 2), "two chunks, each with the sentence"
    assert {e.details["language"] for e in found} == {"ko"} and {e.kind for e in found} == {"speech"}
    assert all(0.9 < e.confidence <= 1 and e.source == plugin.name for e in found)
    rows = [row for e in found for row in e.details["words"]]
    assert all(isinstance(row[0], int) and row[0] <= row[1] and 0 <= row[3] <= 1 for row in rows)
    assert all(a[0] <= b[0] for a, b in pairwise(rows))
    assert [row[2] for row in rows] == SENTENCE.split() * 2
    half = len(SENTENCE.split())
    assert all(1000 <= row[0] <= row[1] <= 20_000 and not 9000 < row[0] < 12_000 for row in rows[:half])
    assert all(30_000 <= row[0] <= row[1] <= 50_000 for row in rows[half:])
    assert one.findings == []


@BOTH
def test_batches_change_nothing_and_the_same_sound_gives_the_same_words(plugin, models, talk, tmp_path: Path) -> None:
    answers = [
        list(loaded(plugin, tmp_path, model=models[plugin], batch=batch, beam=1).observe(talk, ()))
        for batch in (1, 8, 8)
    ]
    assert answers[1] == answers[2]
    assert [(e.value, e.details) for e in answers[0]] == [(e.value, e.details) for e in answers[1]]


@BOTH
def test_a_language_can_be_given_and_an_unknown_one_is_a_sentence(plugin, models, talk, tmp_path: Path) -> None:
    found = list(loaded(plugin, tmp_path, model=models[plugin], language="de", beam=1).observe(talk, ()))
    assert found[0].details["language"] == "de"
    with pytest.raises(SettingsError, match=f"{plugin.name} knows no language 'eng' \\(did you mean 'en"):
        loaded(plugin, tmp_path, model=models[plugin], language="eng")
    if plugin is Whisper:
        assert loaded(plugin, tmp_path, model=models[plugin], language="german")._language == "de"


@BOTH
def test_models_that_know_english_only(plugin, models, talk, tmp_path: Path) -> None:
    found = list(loaded(plugin, tmp_path, model=models[plugin, "english"], beam=1).observe(talk, ()))
    assert found[0].details["language"] == "en" and found[0].value.startswith("Ask not")
    with pytest.raises(SettingsError, match=f"{plugin.name} knows no language 'ko' \\(its model knows English only\\)"):
        loaded(plugin, tmp_path, model=models[plugin, "english"], language="ko")


@BOTH
def test_the_contract_holds_on_a_video_without_sound(plugin, models) -> None:
    assert_contract(plugin, model=models[plugin])


@BOTH
def test_a_missing_library_is_named_with_its_extra(plugin, models, monkeypatch: pytest.MonkeyPatch) -> None:
    package = {FasterWhisper: "faster_whisper", Whisper: "whisper"}[plugin]
    monkeypatch.setitem(sys.modules, package, None)
    made = create(plugin, model=models[plugin])
    needed = f"{plugin.name} needs the package {package}: pip install 'vdesc\\[{plugin.extra}"
    with pytest.raises(MissingExtra, match=needed), blamed(made, "could not be loaded"):
        made.load("cpu")


@BOTH
def test_a_model_that_is_not_there_is_a_sentence_at_once(
    plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for model, sentence in (
        ("", f"{plugin.name} needs a model: --set {plugin.name}.model=small fetches one"),
        ("smal", f"{plugin.name}: there is no model 'smal' \\(did you mean 'small'\\?\\), and no such"),
        ("tiny", f"{plugin.name}: the model '.*tiny' is not on disk and .* cannot be reached"),
        (str(tmp_path), f"{plugin.name}: .* holds no "),
    ):
        with pytest.raises(ModelError, match=sentence):
            create(plugin, model=model).load("cpu")


def test_a_folder_that_is_none_of_ctranslate2_says_what_to_do(models, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").touch()
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match=r"holds no model.bin: convert it with ct2-transformers-converter"):
        create(FasterWhisper, model=str(tmp_path)).load("cpu")
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match=r"is no Whisper model of CTranslate2: "):
        create(FasterWhisper, model=str(tmp_path)).load("cpu")


def test_a_wrong_way_to_compute_is_a_sentence(models) -> None:
    with pytest.raises(SettingsError, match=r"cannot compute in 'int9' on this cpu \(did you mean 'int8'\?\)"):
        create(FasterWhisper, model=models[FasterWhisper], compute="int9").load("cpu")
    with pytest.raises(SettingsError, match="whisper cannot compute in 'float16' on a CPU: use float32"):
        create(Whisper, model=models[Whisper], compute="float16").load("cpu")
    create(FasterWhisper, model=models[FasterWhisper], compute="float32").load("cpu")


class Harmful:
    """What a checkpoint must not be able to do."""

    def __reduce__(self):
        return (Path.touch, (Path("harm-was-done"),))


def test_checkpoints_are_read_without_running_what_is_in_them(models, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"dims": Harmful(), "model_state_dict": {}}, tmp_path / "harm.pt")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Harmful(), 2))
    (tmp_path / "noise.pt").write_bytes(b"noise")
    kept = torch.load(models[Whisper], weights_only=True)
    torch.save(
        {"dims": kept["dims"] | {"n_mels": 128}, "model_state_dict": kept["model_state_dict"]}, tmp_path / "other.pt"
    )
    torch.save(kept["model_state_dict"], tmp_path / "bare.pt")
    for name in ("harm", "pickle", "noise", "other", "bare"):
        with pytest.raises(ModelError, match=rf"whisper: .*{name}.pt is no checkpoint of OpenAI's Whisper with dims"):
            create(Whisper, model=f"{name}.pt").load("cpu")
    assert not Path("harm-was-done").exists()


def test_a_folder_with_one_checkpoint_will_do(models, talk, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "base.pt").write_bytes(Path(models[Whisper]).read_bytes())  # of another size than the name says
    assert list(loaded(Whisper, tmp_path, model=str(folder), beam=1).observe(talk, ()))
    (folder / "b.pt").touch()
    with pytest.raises(ModelError, match=r"holds 2 checkpoints \(\*.pt\): name one of them"):
        create(Whisper, model=str(folder)).load("cpu")


@BOTH
def test_results_depend_on_the_weights(plugin, models) -> None:
    weights = Path(models[plugin]) / "model.bin" if plugin is FasterWhisper else Path(models[plugin])
    assert create(plugin, model=models[plugin]).fingerprint() == digest(weights)
    assert create(plugin, model="small").fingerprint() == "" == create(plugin).fingerprint()


def test_the_registry_takes_all_three_and_the_model_is_their_shorthand() -> None:
    import vdesc_speech

    registry = Registry()
    registry.register(vdesc_speech)
    names = {found.name for found in vdesc_speech.observers()}
    assert names == {"fasterwhisper", "whisper", "transcript"}
    assert create(FasterWhisper, "small").options.model == create(Whisper, "small").options.model == "small"


@given(st.binary(max_size=40))
def test_noise_is_no_checkpoint(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("noise") / "a.pt"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="is no checkpoint"):
        create(Whisper, model=str(path)).load("cpu")


@pytest.mark.shared
@BOTH
def test_real_speech_through_the_real_classes(plugin, models, shared: Path, tmp_path: Path) -> None:
    video = probe(shared / "clips" / "laion400m_talk_slides.mp4")
    one = loaded(plugin, tmp_path, model=models[plugin], beam=1)
    found = list(one.observe(video, ()))
    said = " ".join(e.value for e in found)
    assert (
        said.count("Ask not what your country can do for you.")
        == said.count("Ask what you can do for your country.")
        == 4
    )
    assert all(video.span.start <= e.span.start <= e.span.end <= video.span.end for e in found)
    assert (
        all(a.span.start <= b.span.start for a, b in pairwise(found))
        and np.isfinite([e.confidence for e in found]).all()
    )
