"""The networks of rapidocr: its own, others by language or file, missing and wrong ones."""

import sys
from pathlib import Path
from typing import Any

import pytest
from test_text_samples import keyframes, paper, write
from vdesc import MissingExtra, ModelError, SettingsError
from vdesc.crew import blamed
from vdesc.registry import create
from vdesc.testing import video
from vdesc_text import RapidOcr, networks, reader

SMALL = (640, 360)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("rapidocr asked the network")

    monkeypatch.setattr(requests, "get", refuse)


def shipped(task: str) -> Path:
    return Path(networks._shipped(task)[f"{task}.model_path"])


def says(plugin: RapidOcr, text: str) -> str:
    """What the plugin reads of a text."""
    (line,) = plugin.observe(video(2000), keyframes([write(paper(SMALL), text, 320, 180, 40)]))
    return line.value


def loaded(**options: Any) -> RapidOcr:
    plugin = create(RapidOcr, **options)
    plugin.load("cpu")
    return plugin


def test_networks_of_ones_own_take_the_place_of_both():
    plugin = loaded(side=640, detector=str(shipped("Det")), recognizer=str(shipped("Rec")))
    assert says(plugin, "my own network") == "my own network"
    assert len(plugin.fingerprint().split()) == 3


@pytest.mark.shared
def test_a_network_without_characters_takes_them_from_a_file(shared: Path, tmp_path: Path):
    """Older PP-OCR networks: lines of 32 pixels, characters in a file of their own."""
    weights = shared / "weights" / "ocr"
    plugin = loaded(
        side=640,
        detector=str(weights / "en_PP-OCRv3_det_infer.onnx"),
        recognizer=str(weights / "en_number_mobile_v2.0_rec_infer.onnx"),
        characters=str(weights / "en_dict.txt"),
    )
    assert says(plugin, "Community project") == "Community project"
    short = tmp_path / "short.txt"
    short.write_text("a\nb\nc\nd\n")
    with pytest.raises(ModelError, match=r"tells 97 characters apart, its list has 6"):
        loaded(recognizer=plugin.options.recognizer, characters=str(short))


@pytest.mark.parametrize("option", ["detector", "recognizer"])
def test_a_network_that_is_missing_or_wrong_gets_a_sentence(option: str, tmp_path: Path):
    with pytest.raises(ModelError, match=r"there is no model file .*missing.onnx"):
        loaded(**{option: str(tmp_path / "missing.onnx")})
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ModelError, match=r"text\.onnx is no ONNX network"):
        loaded(**{option: str(tmp_path / "text.onnx")})


def test_a_network_for_another_task_gets_a_sentence(tmp_path: Path):
    with pytest.raises(ModelError, match=r"is no text detector of PP-OCR"):
        loaded(detector=str(shipped("Rec")))
    with pytest.raises(ModelError, match=r"is no text recogniser|holds no list of its characters"):
        loaded(recognizer=str(shipped("Det")))
    bare = tmp_path / "bare.onnx"
    bare.write_bytes(shipped("Rec").read_bytes().replace(b"\x09character", b"\x09something"))
    with pytest.raises(ModelError, match=r"bare\.onnx holds no list of its characters"):
        loaded(recognizer=str(bare))
    with pytest.raises(ModelError, match=r"the characters in .*none.txt cannot be read"):
        loaded(recognizer=str(bare), characters=str(tmp_path / "none.txt"))
    with pytest.raises(SettingsError, match=r"characters belong to a recogniser of your own"):
        loaded(characters=str(tmp_path / "none.txt"))


@pytest.mark.parametrize("language", ["fr", "ja", "japan", "en", "ch", "zh", ""])
def test_what_the_package_reads_fetches_nothing(language: str, tmp_path: Path):
    options = RapidOcr.Options(language=language)
    chosen = networks.parameters(options, tmp_path / "none", "cpu")
    assert Path(chosen["Rec.model_path"]) == shipped("Rec")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("language", ["korean", "ko", "Arabic", "th", "ru"])
def test_a_language_that_must_be_fetched_fails_at_once_without_a_network(language: str):
    with pytest.raises(ModelError, match=f"the recogniser for '{language}' is not on disk and cannot be fetched now"):
        loaded(language=language)


def test_an_unknown_language_gets_the_nearest():
    with pytest.raises(SettingsError, match=r"no network reads the language 'koreen' \(did you mean 'korean'"):
        loaded(language="koreen")


def test_a_fetched_recogniser_is_used_when_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from rapidocr.utils.download_file import DownloadFile
    from vdesc.files import digest

    data, asked = shipped("Rec").read_bytes(), []
    entry = {"model_dir": "https://example.invalid/ko.onnx", "SHA256": digest(shipped("Rec"))}
    monkeypatch.setattr(networks, "_model", lambda *args: entry)
    monkeypatch.setattr(networks, "_shipped", lambda task: {})
    monkeypatch.setattr(networks, "reachable", lambda address: True)

    def fetch(whole: bytes) -> None:
        monkeypatch.setattr(
            DownloadFile, "run", lambda given: asked.append(1) or Path(given.save_path).write_bytes(whole)
        )

    options = RapidOcr.Options(language="korean")
    fetch(b"cut off")
    with pytest.raises(ModelError, match=r"is not the expected file: run again"):
        networks.parameters(options, tmp_path, "cpu")
    assert not (tmp_path / "ko.onnx").exists()
    fetch(data)
    for _ in range(2):
        assert networks.parameters(options, tmp_path, "cpu")["Rec.model_path"] == str(tmp_path / "ko.onnx")
    assert len(asked) == 2
    (tmp_path / "ko.onnx").write_bytes(b"damaged")
    networks.parameters(options, tmp_path, "cpu")
    assert len(asked) == 3


def test_a_download_that_breaks_off_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import requests

    def broken(*args: Any, **kwargs: Any) -> None:
        raise requests.ConnectionError("gone")

    monkeypatch.setattr(requests, "get", broken)
    monkeypatch.setattr(networks, "reachable", lambda address: True)
    with pytest.raises(ModelError, match=r"the download of http.* failed"):
        networks.parameters(RapidOcr.Options(language="korean"), tmp_path, "cpu")


def test_a_package_without_its_networks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import rapidocr

    monkeypatch.setattr(rapidocr, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ModelError, match=r"its package lacks the network .*\.onnx: install rapidocr again"):
        loaded()


def test_cuda_is_used_where_onnx_runtime_can(monkeypatch: pytest.MonkeyPatch):
    import onnxruntime

    assert networks._device("cuda:1") == {} or "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    chosen = networks._device("cuda:1")
    assert chosen["EngineConfig.onnxruntime.cuda_ep_cfg.device_id"] == 1
    assert networks._device("cpu") == networks._device("mps") == {}


def test_results_are_kept_apart_by_the_librarys_version(monkeypatch: pytest.MonkeyPatch):
    before = create(RapidOcr).fingerprint()
    monkeypatch.setattr(reader, "version", lambda package: "99")
    assert before != create(RapidOcr).fingerprint() == "99"


@pytest.mark.parametrize("package", ["rapidocr", "onnxruntime"])
def test_a_missing_package_is_named_with_its_extra(package: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, package, None)
    plugin = create(RapidOcr)
    sentence = rf"rapidocr needs the package {package}: pip install 'vdesc\[evidence\]'"
    with pytest.raises(MissingExtra, match=sentence), blamed(plugin, "could not be loaded"):
        plugin.load("cpu")
