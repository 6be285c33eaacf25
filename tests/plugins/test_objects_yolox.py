"""The yolox observer: what its network is shown and what is made of its answers, on the network that ships."""

import csv
import re
import sys
import threading
import zipfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from object_models import NANO, constant, film, freed, shown
from PIL import Image
from vdesc import InputError, Keyframe, MissingExtra, ModelError, SettingsError, Span
from vdesc.media import probe, save_picture
from vdesc.registry import create
from vdesc.testing import assert_contract
from vdesc_keyframes import Uniform
from vdesc_objects import Yolox
from vdesc_objects.network import GREY, decode, fit, grid, nms

STREET = Path(__file__).resolve().parents[2] / "examples" / "street.mp4"
SMALL = (32, 64)
CELLS = 4 * 8 + 2 * 4 + 1 * 2


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keyframe, ...]:
    """Six keyframes of the clip in `examples`, on disk."""
    folder = tmp_path_factory.mktemp("street")
    frames = [*create(Uniform, "6").select(probe(STREET))]
    return shown([save_picture(frame.image, folder / f"{i}.jpg").path for i, frame in enumerate(frames)], folder)


@pytest.fixture
def yolox() -> Callable[..., Yolox]:
    def ready(**options: Any) -> Yolox:
        plugin = create(Yolox, **options)
        plugin.load("cpu")
        return plugin

    return ready


def found(plugin: Yolox, keyframes: Any) -> list[tuple[str, int, float]]:
    return [(e.value, one["keyframe"], one["confidence"])
            for e in plugin.observe(film(keyframes), keyframes) for one in e.details["seen"]]  # fmt: skip


def rows(*boxes: tuple[int, list[float]], classes: int = 2) -> np.ndarray:
    """A network's answer for a picture of 64 x 32: nothing but in some cells."""
    made = np.zeros((1, CELLS, 5 + classes), np.float32)
    for cell, values in boxes:
        made[0, cell] = values
    return made


# The network's input and output


def test_a_picture_is_fitted_at_the_top_left_in_bgr_unscaled():
    picture = np.full((10, 40, 3), (10, 20, 30), np.uint8)
    (fitted,) = fit(picture, SMALL)
    assert fitted.dtype == np.float32 and fitted.shape == (3, *SMALL)
    assert (fitted[:, :16, :] == np.array([30, 20, 10]).reshape(3, 1, 1)).all(), "10 x 40 grows to 16 x 64"
    assert (fitted[:, 16:, :] == GREY).all()


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (1, 500), (500, 1), (2, 3000), (417, 416)])
def test_a_picture_of_any_shape_fits(shape: tuple[int, int]):
    fitted = fit(np.zeros((*shape, 3), np.uint8), SMALL)
    assert fitted.shape == (1, 3, *SMALL) and (fitted == 0).any()


def test_the_grid_goes_row_by_row_finest_stride_first():
    corners, strides = grid(SMALL)
    assert corners.shape == (CELLS, 2) and strides.shape == (CELLS, 1)
    assert corners[:3].tolist() == [[0, 0], [1, 0], [2, 0]] and corners[8].tolist() == [0, 1]
    assert strides[:32].tolist() == [[8]] * 32 and strides[32:40].tolist() == [[16]] * 8
    assert corners[-2:].tolist() == [[0, 0], [1, 0]] and strides[-1] == 32


@given(st.integers(0, CELLS - 1), *(st.floats(-1, 2) for _ in range(2)), *(st.floats(-3, 3) for _ in range(2)))
def test_boxes_are_decoded_as_they_are_encoded(cell: int, x: float, y: float, wide: float, high: float):
    corners, strides = grid(SMALL)
    left, top, right, bottom = decode(np.array([[x, y, wide, high]]), corners[[cell]], strides[[cell]])[0]
    stride = strides[cell, 0]
    assert ((left + right) / 2 / stride - corners[cell, 0], (top + bottom) / 2 / stride - corners[cell, 1]) == (
        pytest.approx((x, y))
    )
    assert (np.log((right - left) / stride), np.log((bottom - top) / stride)) == pytest.approx((wide, high))


PLACES = st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 10), st.integers(1, 10))


@given(st.lists(st.tuples(PLACES, st.integers(0, 2), st.integers(0, 5)), max_size=15), st.floats(0.05, 0.95))
def test_nms_is_what_its_definition_says(drawn: list[tuple[tuple[int, ...], int, int]], iou: float):
    """The surest box stays, those of its class that overlap it too much go, and so on: by brute force."""

    def overlap(i: int, j: int) -> float:
        (x, y, wide, high), (x2, y2, wide2, high2) = drawn[i][0], drawn[j][0]
        shared = max(0, min(x + wide, x2 + wide2) - max(x, x2)) * max(0, min(y + high, y2 + high2) - max(y, y2))
        return shared / (wide * high + wide2 * high2 - shared) if drawn[i][1] == drawn[j][1] else 0.0

    assume(all(abs(overlap(i, j) - iou) > 1e-6 for i in range(len(drawn)) for j in range(i)))
    left, expected = sorted(range(len(drawn)), key=lambda i: -drawn[i][2]), []
    while left:
        best = left.pop(0)
        expected.append(best)
        left = [i for i in left if overlap(best, i) <= iou]
    boxes = np.array([[x, y, x + wide, y + high] for (x, y, wide, high), _, _ in drawn]).reshape(-1, 4) / 30
    labels, sure = np.array([d[1] for d in drawn], np.int64), np.array([d[2] / 5 for d in drawn])
    assert nms(boxes, sure, labels, iou).tolist() == expected


def test_an_answer_becomes_boxes_in_shares_of_the_picture(yolox, tmp_path: Path):
    """Stride 8, cell (3, 2), half a cell in: centre (28, 20), 16 x 8; the picture is twice as large as the input."""
    answer = rows((2 * 8 + 3, [0.5, 0.5, np.log(2), 0, 0.9, 0.2, 0.8]))
    model = constant(tmp_path / "net.onnx", answer)
    (tmp_path / "labels.txt").write_text("cat\n\n dog \n")
    plugin = yolox(model=str(model), labels=str(tmp_path / "labels.txt"))
    keyframes = shown([np.zeros((64, 128, 3), np.uint8)], tmp_path)
    (dog,) = plugin.observe(film(keyframes), keyframes)
    assert (dog.value, dog.confidence) == ("dog", pytest.approx(0.72)) and dog.span == Span(0, 1000)
    assert dog.box and (dog.box.left, dog.box.top, dog.box.right, dog.box.bottom) == pytest.approx(
        (40 / 128, 32 / 64, 72 / 128, 48 / 64)
    )


def test_boxes_are_cut_at_the_picture_and_those_beside_it_are_dropped(yolox, tmp_path: Path):
    """In a picture of 64 x 16 the lower half of the network's input is padding."""
    everywhere, padding = [0.5, 0.5, 5, 5, 0.9, 0.9, 0], [0.5, 0.5, 0, 0, 0.9, 0.9, 0]
    model = constant(tmp_path / "net.onnx", rows((0, everywhere), (3 * 8, padding)))
    (tmp_path / "labels.txt").write_text("cat\ndog")
    keyframes = shown([np.zeros((16, 64, 3), np.uint8)], tmp_path)
    plugin = yolox(model=str(model), labels=str(tmp_path / "labels.txt"))
    (cat,) = plugin.observe(film(keyframes), keyframes)
    assert [one["box"] for one in cat.details["seen"]] == [[0, 0, 1, 1]]


def test_numbers_that_are_none_are_no_objects(yolox, tmp_path: Path):
    wild = [[np.nan] * 7, [0, 0, 999, 999, 0.9, 0.9, 0], [np.inf, 0, 0, 0, 0.9, 0.9, 0], [0, 0, 0, 0, 9, 9, 0]]
    model = constant(tmp_path / "net.onnx", rows(*enumerate(wild)))
    (tmp_path / "labels.txt").write_text("cat\ndog")
    plugin = yolox(model=str(model), labels=str(tmp_path / "labels.txt"))
    keyframes = shown([np.zeros((32, 64, 3), np.uint8)], tmp_path)
    for e in plugin.observe(film(keyframes), keyframes):
        assert 0 <= e.confidence <= 1
        assert all(0 <= side <= 1 for one in e.details["seen"] for side in one["box"])


def test_confidence_and_overlap_decide_what_is_seen(yolox, tmp_path: Path):
    box = [0.5, 0.5, 2, 1]
    answer = rows((9, [*box, 1, 0.9, 0]), (10, [*box, 1, 0.6, 0]), (11, [*box, 1, 0, 0.5]))
    model, labels = constant(tmp_path / "net.onnx", answer), tmp_path / "labels.txt"
    labels.write_text("cat\ndog")
    keyframes = shown([np.zeros((32, 64, 3), np.uint8)], tmp_path)
    files = dict(model=str(model), labels=str(labels))
    seen = [("cat", 0, 0.9), ("cat", 0, 0.6), ("dog", 0, 0.5)]
    assert found(yolox(**files, iou=0.9), keyframes) == seen
    assert found(yolox(**files, iou=0.5), keyframes) == [seen[0], seen[2]]
    assert found(yolox(**files, iou=0.9, confidence=0.55), keyframes) == seen[:2]


# The plugin on the network that ships


def test_it_keeps_the_contract():
    assert_contract(Yolox)


def test_it_sees_the_cars_and_the_bicycle_of_the_street(yolox, street):
    plugin = yolox()
    evidence = plugin.observe(film(street), street)
    assert {"car", "bicycle"} <= {e.value for e in evidence}
    cars = max((e for e in evidence if e.value == "car"), key=lambda e: e.details["count"])
    assert cars.details["count"] >= 2 and cars.confidence > 0.5 and plugin.findings == []


def test_keyframes_side_by_side_are_seen_as_alone(yolox, street):
    plugin = yolox(confidence=0.2)
    together = found(plugin, street)
    alone = [(value, i, sure) for i, frame in enumerate(street) for value, _, sure in found(plugin, [frame])]
    assert sorted(together) == sorted(alone) and len(alone) > 8
    assert plugin.observe(film(street), street) == plugin.observe(film(street), street)


def test_a_free_batch_axis_is_used_and_changes_nothing(yolox, street, tmp_path: Path):
    plugin, single = yolox(model=str(freed(tmp_path / "free.onnx")), batch=4), yolox()
    assert (plugin.network.batch, single.network.batch) == (0, 1)
    taken, run = [], plugin.network._run
    plugin.network._run = lambda fitted: taken.append(len(fitted)) or run(fitted)
    apart, batched = found(single, street), found(plugin, street)
    assert sorted(taken) == [2, 4]
    assert [row[:2] for row in apart] == [row[:2] for row in batched]
    assert [row[2] for row in apart] == pytest.approx([row[2] for row in batched], abs=1e-3)


def test_few_pictures_are_held_at_once_and_threads_end(yolox, street, monkeypatch: pytest.MonkeyPatch):
    import vdesc_objects.yolox as module

    held, most, lock = 0, 0, threading.Lock()

    def watched(keyframes: Any, some: Any) -> Any:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        yield from read(keyframes, some)
        with lock:
            held -= 1

    read = module.read
    monkeypatch.setattr(module, "read", watched)
    monkeypatch.setattr(module, "MOST_AT_ONCE", 2)
    before, plugin = threading.active_count(), yolox()
    found(plugin, shown([frame.image.path for frame in street] * 4, Path()))
    assert 1 <= most <= 2 and held == 0 and threading.active_count() == before


def test_a_picture_that_cannot_be_read_is_passed_over_and_told_once(yolox, street, tmp_path: Path):
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "half.jpg").write_bytes(street[0].image.path.read_bytes()[:5000])
    bad = [tmp_path / "gone.jpg", tmp_path / "text.jpg", tmp_path / "half.jpg"]
    mixed = shown([*bad, *(frame.image.path for frame in street)], tmp_path)
    plugin = yolox()
    assert [(value, sure) for value, _, sure in found(plugin, mixed)] == [
        (value, sure) for value, _, sure in found(yolox(), street)
    ]
    assert [finding.message for finding in plugin.findings] == ["3 keyframes could not be read and were passed over"]


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16"])
def test_odd_pictures_are_looked_at(mode: str, yolox, street, tmp_path: Path):
    with Image.open(street[3].image.path) as image:
        odd = image.convert("L").convert("I") if mode == "I;16" else image.convert(mode)
        path = tmp_path / ("odd.tif" if mode == "CMYK" else "odd.png")
        (Image.fromarray(np.asarray(odd).astype(np.uint16)) if mode == "I;16" else odd).save(path)
    plugin = yolox(confidence=0.1)
    found(plugin, shown([path], tmp_path))
    assert plugin.findings == []


def test_tiny_pictures_are_looked_at(yolox, tmp_path: Path):
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 256, (*size, 3), np.uint8) for size in ((8, 8), (1, 1), (1, 700), (700, 1))]
    plugin = yolox(confidence=0.01)
    for value, _, sure in found(plugin, shown(pictures, tmp_path)):
        assert value in plugin.labels and 0.01 <= sure <= 1


def test_no_keyframes_no_evidence(yolox):
    assert yolox().observe(film([]), []) == []


def test_its_files_are_part_of_what_results_depend_on(tmp_path: Path):
    labels = tmp_path / "labels.txt"
    labels.write_text("cat")
    assert create(Yolox).fingerprint() == ""
    before = create(Yolox, labels=str(labels)).fingerprint()
    labels.write_text("dog")
    assert "" != before != create(Yolox, labels=str(labels)).fingerprint() != ""
    assert create(Yolox, model=str(NANO)).fingerprint()


# What can be wrong


def test_without_onnx_runtime_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, yolox):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        MissingExtra, match=re.escape("yolox needs the package onnxruntime: pip install 'vdesc[evidence]'")
    ):
        yolox()


def test_a_model_that_is_not_there(yolox, tmp_path: Path):
    with pytest.raises(ModelError, match=r"yolox: there is no model file .*gone\.onnx: check the path"):
        yolox(model=str(tmp_path / "gone.onnx"))


@pytest.mark.parametrize("data", [b"", b"not a network\n", NANO.read_bytes()[:100_000]])
def test_a_file_that_is_no_network(data: bytes, yolox, tmp_path: Path):
    (tmp_path / "net.onnx").write_bytes(data)
    with pytest.raises(ModelError, match=r"yolox: .*net\.onnx is no ONNX network that can be read"):
        yolox(model=str(tmp_path / "net.onnx"))


@pytest.mark.parametrize(
    ("taken", "given", "reason"),
    [
        ((1, 3, 32, 64), (1, 84, CELLS), "it gives (1, 84, 42), not 42 boxes"),
        ((1, 3, 32, 64), (1, CELLS, 5), "not 42 boxes of at least 6 numbers"),
        ((1, 3, 32, 64), (1, 1000), "it gives (1, 1000)"),
        ((1, 3, 224, 224), (1, CELLS, 7), "not 1029 boxes"),
        ((1, 1, 32, 64), (1, CELLS, 7), "it takes tensor(float) [1, 1, 32, 64]"),
        ((4, 3, 32, 64), (4, CELLS, 7), "it takes tensor(float) [4, 3, 32, 64]"),
        ((1, 3, "h", "w"), (1, CELLS, 7), "it takes tensor(float) [1, 3, 'h', 'w']"),
        ((1, 3, 30, 60), (1, CELLS, 7), "it takes tensor(float) [1, 3, 30, 60]"),
        ((1, 15600), (1, 521), "it takes tensor(float) [1, 15600]"),
    ],
)
def test_a_network_of_another_kind(taken, given, reason: str, yolox, tmp_path: Path):
    model = constant(tmp_path / "net.onnx", np.zeros(given), taken)
    with pytest.raises(ModelError, match=re.escape(reason)) as error:
        yolox(model=str(model))
    assert str(error.value).startswith(f"yolox: {model} is no YOLOX network: ") and "\n" not in str(error.value)


def test_labels_of_another_length_than_the_network(yolox, tmp_path: Path):
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    with pytest.raises(
        ModelError, match=r"tells 80 kinds of object but there are 2 labels: .*--set yolox\.labels=FILE"
    ):
        yolox(labels=str(tmp_path / "labels.txt"))
    model = constant(tmp_path / "net.onnx", rows())
    with pytest.raises(ModelError, match="tells 2 kinds of object but there are 80 labels"):
        yolox(model=str(model))


def test_labels_that_cannot_be_read(yolox, tmp_path: Path):
    (tmp_path / "labels.bin").write_bytes(b"\xff\xfe\x00")
    for name in ("gone.txt", "labels.bin"):
        with pytest.raises(InputError, match=r"yolox: the labels in .* cannot be read"):
            yolox(labels=str(tmp_path / name))


@pytest.mark.parametrize("options", [{"confidence": 1.5}, {"iou": -1}, {"batch": 0}, {"treshold": 1}])
def test_wrong_options_are_a_sentence(options: dict[str, Any]):
    with pytest.raises(SettingsError, match=next(iter(options))):
        create(Yolox, **options)


# Real photos


def hits(truth: list[tuple[str, np.ndarray]], seen: list[tuple[str, np.ndarray]]) -> int:
    """How many of what is seen, surest first, lie over another true box of their label by at least half."""
    left, count = list(truth), 0
    for label, box in seen:
        for i, (true, other) in enumerate(left):
            sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
            shared = sides.clip(0).prod()
            union = (box[2:] - box[:2]).prod() + (other[2:] - other[:2]).prod() - shared
            if true == label and shared >= 0.5 * union:
                del left[i]
                count += 1
                break
    return count


def scored(plugin: Any, shared: Path, folder: Path, count: int) -> tuple[float, float]:
    """Precision and recall of what is seen on the first photos of coco_small."""
    with zipfile.ZipFile(shared / "coco_small" / "images.zip") as photos:
        names = sorted(name for name in photos.namelist() if name.endswith(".jpg"))[:count]
        photos.extractall(folder, names)
    truth = defaultdict(list)
    with (shared / "coco_small" / "boxes.csv").open() as file:
        for row in csv.DictReader(file):
            x, y, wide, high = (float(row[name]) for name in "xywh")
            truth[row["image"]].append((row["category"], np.array([x, y, x + wide, y + high])))
    keyframes = shown([folder / name for name in names], folder)
    seen = defaultdict(list)
    for e in plugin.observe(film(keyframes), keyframes):
        for one in e.details["seen"]:
            with Image.open(folder / names[one["keyframe"]]) as image:
                seen[names[one["keyframe"]]].append(
                    (one["confidence"], e.value, np.array(one["box"]) * [*image.size, *image.size])
                )
    right = sum(hits(truth[name], [pair[1:] for pair in sorted(seen[name], key=lambda s: -s[0])]) for name in names)
    return right / sum(map(len, seen.values())), right / sum(len(truth[name]) for name in names)


@pytest.mark.shared
def test_it_is_right_two_times_in_three_on_coco_photos(yolox, shared: Path, tmp_path: Path):
    precision, recall = scored(yolox(), shared, tmp_path, 50)
    assert 0.62 < precision < 0.72 and 0.32 < recall < 0.40
