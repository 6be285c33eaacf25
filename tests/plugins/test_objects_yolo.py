"""The yolo observer on random models of Ultralytics' own classes: what it sees, and what must not happen around it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from object_models import NANO, constant, film, shown
from test_objects_yolox import scored
from vdesc import Cache, Keyframe, MissingExtra, ModelError, SettingsError
from vdesc.crew import blamed
from vdesc.registry import create
from vdesc.testing import assert_contract
from vdesc_objects import Yolo, library

SEEN = 16
EXPORTED = {"names": "{0: 'cat', 1: 'dog'}", "task": "detect", "stride": "32", "imgsz": "[32, 64]", "batch": "1"}


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A yolov8n of random weights that is fairly sure of a dog in each of its coarsest cells, saved as people do."""
    folder = tmp_path_factory.mktemp("random")
    torch.manual_seed(0)
    with library.undisturbed(folder):
        from ultralytics import YOLO

        made = YOLO("yolov8n.yaml")
        made.model.names = {i: "dog" if i == SEEN else f"thing {i}" for i in range(80)}
        scores, heard = made.model.model[-1].cv3[2][-1], []
        with torch.no_grad():
            for layer in made.model.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    torch.nn.init.kaiming_normal_(layer.weight)
            scores.bias[SEEN] = 0
            with scores.register_forward_hook(lambda _, given, out: heard.append(out[:, SEEN].std())):
                made.model.eval()(torch.rand(4, 3, 64, 64))
            scores.weight[SEEN] /= heard[0]
            scores.bias[SEEN] = 1
        made.save(folder / "random.pt")
    return folder / "random.pt"


@pytest.fixture
def yolo() -> Callable[..., Yolo]:
    def ready(model: Path | str, **options: Any) -> Yolo:
        plugin = create(Yolo, model=str(model), **{"size": 64, **options})
        plugin.load("cpu")
        return plugin

    return ready


@pytest.fixture
def keyframes(tmp_path: Path) -> tuple[Keyframe, ...]:
    draw = np.random.default_rng(0)
    return shown([draw.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(7)], tmp_path)


def rows(plugin: Yolo, keyframes: Any) -> list[tuple[Any, ...]]:
    found = plugin.observe(film(keyframes), keyframes)
    seen = [(one["keyframe"], e.value, *one["box"], one["confidence"]) for e in found for one in e.details["seen"]]
    return sorted(seen, key=lambda row: (row[0], -row[-1], row[2:]))


def test_it_keeps_the_contract(random_model: Path):
    assert_contract(Yolo, model=str(random_model), size=64, confidence=0.1)


def test_it_sees_what_ultralytics_sees_frame_by_frame(yolo, random_model: Path, keyframes):
    plugin = yolo(random_model, batch=3, size=128, iou=0.9)
    theirs = []
    for at, frame in enumerate(keyframes):
        bgr = np.ascontiguousarray(frame.pixels()[..., ::-1])
        (result,) = plugin.model.predict(bgr, conf=0.3, iou=0.9, imgsz=128, verbose=False, device="cpu")
        theirs += [
            (at, result.names[int(label)], *box, sure)
            for box, label, sure in zip(
                result.boxes.xyxyn.tolist(), result.boxes.cls.tolist(), result.boxes.conf.tolist(), strict=True
            )
        ]
    ours = rows(plugin, keyframes)
    theirs.sort(key=lambda row: (row[0], -row[-1], row[2:]))
    assert len(ours) > 7 and [row[:2] for row in ours] == [row[:2] for row in theirs]
    assert {row[1] for row in ours} == {"dog"}
    assert np.allclose([row[2:] for row in ours], [row[2:] for row in theirs], atol=2e-3)
    assert len({row[-1] for row in ours}) > 7, "the pictures differ, and so do the answers"


def test_several_keyframes_of_a_shot_are_one_evidence(yolo, random_model: Path, keyframes):
    shot = shown([frame.image.path for frame in keyframes], Path(), [0] * 7)
    (dog,) = yolo(random_model).observe(film(shot), shot)
    assert (dog.kind, dog.value, dog.source) == ("object", "dog", "yolo")
    assert (dog.span.start, dog.span.end) == (0, 7000) and dog.details["count"] >= 1
    assert dog.confidence == pytest.approx(max(one["confidence"] for one in dog.details["seen"]), abs=1e-4)


def test_tiny_and_unreadable_pictures(yolo, random_model: Path, tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    pictures = [
        np.zeros((8, 8, 3), np.uint8),
        tmp_path / "text.png",
        np.zeros((1, 300, 3), np.uint8),
        tmp_path / "gone",
    ]
    plugin = yolo(random_model, batch=2, confidence=0.01)
    assert {row[0] for row in rows(plugin, shown(pictures, tmp_path))} <= {0, 2}
    assert [finding.message for finding in plugin.findings] == ["2 keyframes could not be read and were passed over"]
    assert plugin.observe(film([]), []) == []


# Around it


CHECK = """
import json, os, sys
import cv2, torch, vdesc
from pathlib import Path
from PIL import Image, UnidentifiedImageError
from vdesc.registry import create
from vdesc_objects import Yolo
sys.path.insert(0, sys.argv[2])
from object_models import film, shown
import numpy as np
torch.set_num_threads(3); cv2.setNumThreads(3)
state = lambda: [Image.open, torch.save, torch.get_num_threads(), cv2.getNumThreads(), dict(os.environ)]
before = state()
plugin = create(Yolo, model=sys.argv[1], size=64)
plugin.load("cpu")
frames = shown([np.zeros((32, 64, 3), np.uint8)], Path(os.environ["WORK"]))
plugin.observe(film(frames), frames)
after = state()
import ultralytics.utils as theirs
from ultralytics.utils.events import events
print(json.dumps({
    "same": [one == other for one, other in zip(before, after)],
    "switches": [theirs.AUTOINSTALL, theirs.ONLINE, theirs.VERBOSE, theirs.SAFE_LOAD, events.enabled],
    "settings": str(theirs.SETTINGS_FILE),
}))
"""


def test_nothing_else_in_the_process_or_the_home_folder_changes(random_model: Path, tmp_path: Path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("YOLO", "ULTRA", "XDG", "OMP"))
    }
    environment |= {"HOME": str(home), "WORK": str(work), "MPLCONFIGDIR": str(work)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(random_model), str(Path(__file__).parent)],
        env=environment, capture_output=True, text=True, cwd=work,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1, "it prints nothing of its own"
    told = json.loads(done.stdout)
    assert told["same"] == [True] * 5
    assert told["switches"] == [False, False, False, True, False]
    assert told["settings"].startswith(os.environ["VDESC_CACHE"])
    assert [*home.rglob("*")] == [] and [path.name for path in work.iterdir()] == ["0.png"]


def test_it_works_with_the_threads_that_ultralytics_chooses(yolo, random_model: Path, keyframes, monkeypatch):
    plugin, before, while_it_looks = yolo(random_model), torch.get_num_threads(), []
    monkeypatch.setattr(plugin, "threads", before + 1)
    look = plugin._found
    monkeypatch.setattr(plugin, "_found", lambda some: while_it_looks.append(torch.get_num_threads()) or look(some))
    plugin.observe(film(keyframes), keyframes)
    assert set(while_it_looks) == {before + 1} and torch.get_num_threads() == before


def test_what_a_block_changes_is_put_back_even_when_it_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from PIL import Image

    monkeypatch.setenv("KEPT", "before")
    before, opened, threads = dict(os.environ), Image.open, torch.get_num_threads()
    with pytest.raises(ValueError, match="stop"), library.undisturbed(tmp_path):
        assert os.environ["YOLO_AUTOINSTALL"] == "false" and os.environ["YOLO_CONFIG_DIR"] == str(tmp_path)
        os.environ["KEPT"], os.environ["NEW"], Image.open = "after", "1", None  # type: ignore[assignment]
        torch.set_num_threads(threads + 1)
        raise ValueError("stop")
    assert dict(os.environ) == before and Image.open is opened and torch.get_num_threads() == threads
    monkeypatch.setenv("YOLO_CONFIG_DIR", "mine")
    with library.undisturbed(tmp_path):
        assert os.environ["YOLO_CONFIG_DIR"] == "mine"


def test_the_licence_is_said_plainly():
    assert Yolo.notice.startswith("AGPL-3.0: ") and "source" in Yolo.notice


# Files that are not what they should be


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.marker}'",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_not_executed(zipped: bool, yolo, tmp_path: Path):
    path, marker = tmp_path / "evil.pt", tmp_path / "marker"
    torch.save({"model": Evil(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"yolo: .*evil\.pt cannot be read without running code from it"):
        yolo(path)
    assert not marker.exists()


class Own(torch.nn.Module):
    """A layer that nobody knows."""


def test_a_model_with_layers_of_its_own_is_refused(yolo, tmp_path: Path):
    torch.save({"model": Own()}, tmp_path / "own.pt")
    with pytest.raises(ModelError, match=r"own\.pt cannot be read without running code from it.*export it to ONNX"):
        yolo(tmp_path / "own.pt")


def test_a_library_that_cannot_read_safely_is_not_used(yolo, random_model: Path, monkeypatch: pytest.MonkeyPatch):
    import ultralytics.utils

    monkeypatch.setattr(ultralytics.utils, "SAFE_LOAD", False)
    with pytest.raises(
        ModelError, match=r"random\.pt could run code when it is read: .*ultralytics 8\.4\.70 and torch 2\.6"
    ):
        yolo(random_model)
    monkeypatch.undo()
    monkeypatch.delattr(torch.serialization, "get_unsafe_globals_in_checkpoint")
    with pytest.raises(ModelError, match="could run code when it is read"):
        yolo(random_model)


@pytest.mark.parametrize("data", [b"", b"not a model\n", b"PK\x03\x04 cut off"])
def test_a_pt_file_that_is_no_model(data: bytes, yolo, tmp_path: Path):
    (tmp_path / "bad.pt").write_bytes(data)
    with pytest.raises(ModelError, match=r"^yolo: .*bad\.pt .*is no model of Ultralytics") as error:
        yolo(tmp_path / "bad.pt")
    assert "\n" not in str(error.value)


def test_a_state_dict_is_no_model(yolo, tmp_path: Path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "state.pt")
    with pytest.raises(ModelError, match="is no model of Ultralytics"):
        yolo(tmp_path / "state.pt")


@pytest.mark.parametrize("name", ["model.pkl", "yolov8n.yaml", "model.engine"])
def test_files_of_other_kinds(name: str, yolo):
    with pytest.raises(ModelError, match=r"yolo: .* is neither a \.pt nor an \.onnx file: export the model to ONNX"):
        yolo(name)


@pytest.mark.parametrize("name", ["gone.pt", "gone.onnx"])
def test_a_path_that_is_not_there(name: str, yolo, tmp_path: Path):
    with pytest.raises(ModelError, match=f"yolo: there is no model file .*{name}: check the path"):
        yolo(tmp_path / name)


def test_without_a_model_it_says_how_to_name_one():
    with pytest.raises(SettingsError, match=r"yolo needs a model: --set yolo\.model=yolo11n\.pt"):
        create(Yolo).load("cpu")


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, random_model: Path):
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    plugin = create(Yolo, model=str(random_model))
    needed = re.escape("yolo needs the package ultralytics: pip install 'vdesc[yolo]'")
    with pytest.raises(MissingExtra, match=needed), blamed(plugin, "could not be loaded"):
        plugin.load("cpu")


# Models by name


def test_a_name_that_is_not_on_disk_without_a_network_is_a_sentence_at_once(yolo, monkeypatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ModelError, match=r"yolo: the model 'yolov8n\.pt' is not on disk and https://github\.com cannot"
    ):
        yolo("yolov8n")
    assert [*tmp_path.iterdir()] == []


def test_a_name_that_nobody_publishes(yolo):
    with pytest.raises(ModelError, match=r"publishes no model of that name: did you mean 'yolov8n"):
        yolo("yolov8nn.pt")
    with pytest.raises(ModelError, match=r"publishes no model of that name: check the name"):
        yolo("§§§.pt")


def test_a_name_is_fetched_once_and_kept_in_the_cache(yolo, random_model: Path, keyframes, monkeypatch, tmp_path: Path):
    import ultralytics.utils.downloads as downloads

    asked = []

    def fetch(path: Path | str) -> str:
        if not Path(path).is_file():  # it is also asked for files that are there
            asked.append(path)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(random_model.read_bytes())
        return str(path)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(library, "reachable", lambda address: True)
    monkeypatch.setattr(downloads, "attempt_download_asset", fetch)
    for _ in range(2):
        plugin = yolo("yolov8n.pt")
    assert asked == [Cache().root / "models" / "ultralytics" / "yolov8n.pt"]
    assert rows(plugin, keyframes) == rows(yolo(random_model), keyframes)
    assert plugin.fingerprint() == "" != yolo(random_model).fingerprint()


def test_a_download_that_breaks_off_is_a_sentence(yolo, monkeypatch):
    import ultralytics.utils.downloads as downloads

    def fail(path: Path) -> str:
        raise ConnectionError("cut off\nsomewhere")

    monkeypatch.setattr(library, "reachable", lambda address: True)
    monkeypatch.setattr(downloads, "attempt_download_asset", fail)
    with pytest.raises(ModelError, match=r"yolo: 'yolov8n\.pt' could not be fetched \(cut off\): try again"):
        yolo("yolov8n.pt")


# ONNX files


def answer(batch: int = 1, classes: int = 2, *boxes: tuple[int, list[float]]) -> np.ndarray:
    """An exported network's answer for 32 x 64 pixels: centre, size and class scores, a column a cell."""
    made = np.zeros((batch, 4 + classes, 42), np.float32)
    for cell, values in boxes:
        made[:, :, cell] = values
    return made


def test_an_exported_network_names_its_labels_and_boxes(yolo, tmp_path: Path):
    columns = answer(1, 2, (3, [28, 20, 16, 8, 0, 0.8]), (9, [10, 10, 4, 4, 0.6, 0]))
    model = constant(tmp_path / "net.onnx", columns, metadata=EXPORTED)
    keyframes = shown([np.zeros((64, 128, 3), np.uint8)] * 2, tmp_path, [0, 0])
    cat, dog = sorted(yolo(model).observe(film(keyframes), keyframes), key=lambda e: e.value)
    assert (cat.value, dog.value, dog.details["count"]) == ("cat", "dog", 1)
    assert dog.details["seen"][1] == {"keyframe": 1, "box": [0.3125, 0.5, 0.5625, 0.75], "confidence": 0.8}
    assert cat.confidence == pytest.approx(0.6)


def test_a_network_that_takes_a_fixed_number_gets_it(yolo, tmp_path: Path):
    columns = answer(4, 2, (3, [28, 20, 16, 8, 0, 0.8]))
    model = constant(tmp_path / "net.onnx", columns, (4, 3, 32, 64), EXPORTED | {"batch": "4"})
    keyframes = shown([np.zeros((32, 64, 3), np.uint8)] * 6, tmp_path)
    assert [row[0] for row in rows(yolo(model), keyframes)] == [*range(6)]


def test_a_network_that_is_not_ultralytics(yolo):
    with pytest.raises(ModelError, match=r"yolo: .*yolox_nano\.onnx was not exported by Ultralytics"):
        yolo(NANO)


def test_a_text_file_called_onnx(yolo, tmp_path: Path):
    (tmp_path / "net.onnx").write_text("not a network")
    with pytest.raises(ModelError, match=r"yolo: .*net\.onnx is no ONNX network that can be read"):
        yolo(tmp_path / "net.onnx")


def test_a_network_that_finds_no_boxes(yolo, tmp_path: Path):
    model = constant(tmp_path / "net.onnx", np.zeros((1, 2)), metadata=EXPORTED | {"task": "classify"})
    with pytest.raises(ModelError, match="is a model for 'classify', which finds no boxes"):
        yolo(model)


def test_a_network_whose_answer_does_not_fit(yolo, tmp_path: Path):
    model = constant(tmp_path / "net.onnx", np.zeros((1, 3)), metadata=EXPORTED)
    with pytest.raises(ModelError, match=r"yolo: .*net\.onnx cannot be run on a picture"):
        yolo(model)


@pytest.mark.shared
def test_a_real_network_on_coco_photos(yolo, shared: Path, tmp_path: Path):
    plugin = yolo(shared / "weights" / "detect" / "yolov8n_int8.onnx")
    precision, recall = scored(plugin, shared, tmp_path, 20)
    assert precision > 0.65 and recall > 0.35
