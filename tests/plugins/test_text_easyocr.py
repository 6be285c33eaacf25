"""ocr with EasyOCR's real classes and made-up weights: its Reader is made, and reads, if only nonsense."""

import hashlib
import os
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_text_samples import easyocr_files, keyframes, paper, write
from vdesc import Evidence, MissingExtra, ModelError, SettingsError, Span
from vdesc.crew import blamed
from vdesc.registry import create
from vdesc.testing import assert_contract, video
from vdesc_text import EasyOcr, easy

pytestmark = pytest.mark.skipif(find_spec("easyocr") is None, reason="easyocr is not installed")
NAMES = {"craft_mlt_25k.pth", "english_g2.pth"}


def entries() -> tuple[dict[str, Any], ...]:
    """What EasyOCR knows of its detector's and recogniser's files."""
    from easyocr import config

    return config.detection_models["craft"], config.recognition_models["gen2"]["english_g2"]


@pytest.fixture(scope="module", autouse=True)
def sums() -> Iterator[None]:
    """EasyOCR expects its own files again afterwards. Till then networks are quick to make: no weights are drawn."""
    import torch

    before, threads = [entry["md5sum"] for entry in entries()], torch.get_num_threads()
    torch.set_num_threads(1)  # tests share the machine
    with pytest.MonkeyPatch.context() as patch:
        for draw in ("kaiming_uniform_", "uniform_", "xavier_uniform_"):
            patch.setattr(torch.nn.init, draw, lambda tensor, *args, **kwargs: tensor.data.zero_())
        yield
    torch.set_num_threads(threads)
    for entry, md5sum in zip(entries(), before, strict=True):
        entry["md5sum"] = md5sum


@pytest.fixture(scope="module")
def files(sums: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return easyocr_files(tmp_path_factory.mktemp("easyocr"))


@pytest.fixture(scope="module")
def reader(files: Path) -> EasyOcr:
    plugin = create(EasyOcr, folder=str(files), confidence=0)
    plugin.load("cpu")
    return plugin


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("EasyOCR asked the network")

    monkeypatch.setattr("easyocr.easyocr.download_and_unzip", refuse)


def loaded(**options: Any) -> EasyOcr:
    plugin = create(EasyOcr, **options)
    plugin.load("cpu")
    return plugin


def copied(files: Path, folder: Path, without: str = "") -> Path:
    """A folder with links to the files."""
    folder.mkdir(exist_ok=True)
    for name in NAMES - {without}:
        (folder / name).symlink_to(files / name)
    return folder


def observed(reader: EasyOcr, *pictures: np.ndarray) -> list[Evidence]:
    return reader.observe(video(2000 * len(pictures)), keyframes(pictures))


def test_it_keeps_the_contract(files: Path):
    assert_contract(EasyOcr, folder=str(files), confidence=0)


def test_what_its_networks_say_becomes_evidence(reader: EasyOcr):
    picture = write(paper((160, 60)), "a line", 80, 30, 30)
    (line,) = observed(reader, picture, picture)
    assert (line.kind, line.source, line.value, line.span) == ("text", "ocr", "a", Span(0, 4000))
    assert line.confidence > 0.9
    assert line.box and line.box.right - line.box.left > 0.9  # the detector takes the whole picture for one text
    assert line.details["role"] == "scene" and len(line.details["seen"]) == 2


def test_it_reads_what_easyocr_reads_of_the_same_file(reader: EasyOcr, tmp_path: Path):
    from PIL import Image

    picture = write(paper((160, 60)), "a line", 80, 30, 30)
    Image.fromarray(picture).save(tmp_path / "slide.png")
    ((corners, text, sure),) = reader.reader.readtext(str(tmp_path / "slide.png"))
    ((ours,),) = reader.read([picture])
    assert (ours.text, ours.confidence) == (text, pytest.approx(sure, abs=1e-4))
    assert (ours.left, ours.top, ours.right, ours.bottom) == (*corners[0], *corners[2])


@pytest.mark.parametrize("size", [(8, 8), (13, 17), (40, 333), (101, 33)])
def test_pictures_of_any_size_are_no_trouble(reader: EasyOcr, size: tuple[int, int]):
    reader.findings.clear()
    assert len(observed(reader, paper(size, 128))) <= 1
    assert not reader.findings


def test_it_is_quiet_and_leaves_the_process_as_it_was(files: Path, capfd: pytest.CaptureFixture[str]):
    paths = list(sys.path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        observed(loaded(folder=str(files), confidence=0), paper((64, 64)))
    assert capfd.readouterr() == ("", "")
    assert sys.path == paths and "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "easyocr", None)
    plugin = create(EasyOcr)
    sentence = r"ocr needs the package easyocr: pip install 'vdesc\[ocr\]'"
    with pytest.raises(MissingExtra, match=sentence), blamed(plugin, "could not be loaded"):
        plugin.load("cpu")


@pytest.mark.parametrize(("given", "taken"), [("ko,en", ("ko", "en")), ("[ko, en]", ("ko", "en")), (["en"], ("en",))])
def test_languages_are_a_list(given: Any, taken: tuple[str, ...]):
    assert create(EasyOcr, languages=given).options.languages == taken


def test_an_unknown_language_gets_the_nearest():
    with pytest.raises(SettingsError, match=r"ocr: EasyOCR reads no language 'ch_sin' \(did you mean 'ch_sim'"):
        loaded(languages=["en", "ch_sin"])
    with pytest.raises(SettingsError, match="languages"):
        create(EasyOcr, languages=[])


def test_languages_that_do_not_go_together_get_easyocrs_reason(files: Path):
    with pytest.raises(SettingsError, match="Japanese is only compatible with English"):
        loaded(languages=["ko", "ja"], folder=str(files))


def test_a_missing_folder_is_not_made(tmp_path: Path):
    with pytest.raises(ModelError, match=r"there is no folder .*none with EasyOCR's files: name the folder"):
        loaded(folder=str(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_missing_file_gets_a_sentence_that_says_how_to_get_it(name: str, files: Path, tmp_path: Path):
    folder = copied(files, tmp_path / "files", without=name)
    with pytest.raises(
        ModelError, match=rf"ocr: there is no .*{name}: unpack https://.*\.zip there, or .*ocr\.download=true"
    ):
        loaded(folder=str(folder))
    with pytest.raises(
        ModelError, match=rf"there is no .*{name} and it cannot be fetched now: run again where .* unpack https://"
    ):
        loaded(folder=str(folder), download=True)


@pytest.mark.parametrize("download", [False, True])
def test_a_wrong_file_is_named_and_not_deleted(download: bool, files: Path, tmp_path: Path):
    folder = copied(files, tmp_path / "files", without="english_g2.pth")
    (folder / "english_g2.pth").write_bytes(b"mine")
    with pytest.raises(ModelError, match=r"english_g2\.pth is not the file that EasyOCR expects .*MD5"):
        loaded(folder=str(folder), download=download)
    assert (folder / "english_g2.pth").read_bytes() == b"mine"


def test_files_are_fetched_where_that_is_wished(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fetched = []

    def fetch(url: str, name: str, folder: str, verbose: bool) -> None:
        fetched.append(name)
        (Path(folder) / name).symlink_to(files / name)

    monkeypatch.setattr("easyocr.easyocr.download_and_unzip", fetch)
    monkeypatch.setattr(easy, "reachable", lambda address: address.startswith("https://github.com/"))
    plugin = loaded(folder=str(tmp_path / "new"), download=True, confidence=0)
    assert fetched == ["craft_mlt_25k.pth", "english_g2.pth"]
    assert len(observed(plugin, paper((64, 64)))) == 1


def test_a_download_that_breaks_off_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fetch(url: str, name: str, folder: str, verbose: bool) -> None:
        (Path(folder) / name).write_bytes(b"half")

    monkeypatch.setattr("easyocr.easyocr.download_and_unzip", fetch)
    monkeypatch.setattr(easy, "reachable", lambda address: True)
    with pytest.raises(ModelError, match=r"the download of craft_mlt_25k\.pth failed .*: run again"):
        loaded(folder=str(tmp_path), download=True)
    assert not list(tmp_path.iterdir())


class Harm:
    """Unpickling it would make a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_a_file_with_code_is_not_run(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Even where its sum is the one that EasyOCR expects."""
    import torch

    folder = copied(files, tmp_path / "files", without="english_g2.pth")
    path = folder / "english_g2.pth"
    torch.save({"module.x": Harm(tmp_path / "harm")}, path)
    monkeypatch.setitem(entries()[1], "md5sum", hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match=r"the files in .* cannot be read \(one holds more than weights\): fetch"):
        loaded(folder=str(folder))
    assert not (tmp_path / "harm").exists()


def test_weights_of_another_shape_get_a_sentence(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The recogniser's file in the place of the detector's, with the right sum."""
    folder = copied(files, tmp_path / "files", without="craft_mlt_25k.pth")
    (folder / "craft_mlt_25k.pth").write_bytes((files / "english_g2.pth").read_bytes())
    md5sum = hashlib.md5((files / "english_g2.pth").read_bytes()).hexdigest()
    monkeypatch.setitem(entries()[0], "md5sum", md5sum)
    with pytest.raises(ModelError, match=r"the files in .* cannot be read .*CRAFT"):
        loaded(folder=str(folder))
