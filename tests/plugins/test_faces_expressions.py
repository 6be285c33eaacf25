"""Expressions: off unless asked for; the network that ships; DeepFace as a backend, by a module that stands in for it.

The answers of the stand-in were recorded from DeepFace 0.0.103 with small networks in the place of its own.
"""

import io
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_faces import DARK, PALE, STREET, drawn, filmed, loaded, scene, seen
from vdesc import MissingExtra, ModelError, SettingsError
from vdesc.crew import blamed
from vdesc.media import frames_at, probe
from vdesc.registry import create
from vdesc.testing import assert_contract, video
from vdesc_faces import Faces
from vdesc_faces.detector import Detector
from vdesc_faces.expressions import LABELS, Mini

FRAMES = filmed([scene((200, 60, drawn(size=200)))] * 3, [scene((200, 60, drawn(DARK, size=200)))])


class Scripted:
    """An expression backend that says what it is told, one answer a face."""

    def __init__(self, *answers: tuple[str, float]):
        self.answers, self.calls = list(answers), 0

    def read(self, pixels: np.ndarray, faces: list) -> list[tuple[str, float]]:
        self.calls += 1
        return [self.answers.pop(0) for _ in faces]


def expressed(plugin: Faces, frames=FRAMES) -> list[tuple[str, int, int, float, str]]:
    found = plugin.observe(video(4000), frames)
    return [
        (e.value, e.span.start, e.span.end, e.confidence, e.details["face"]) for e in found if e.kind == "expression"
    ]


# --- what is told ---


def test_expressions_are_off_unless_asked_for():
    assert create(Faces).options.expressions == ""
    assert {e.kind for e in loaded().observe(video(4000), FRAMES)} == {"face"}


def test_an_expression_lasts_as_long_as_the_face_keeps_it():
    plugin = loaded()
    plugin._expressions = Scripted(("happy", 0.9), ("happy", 0.95), ("sad", 0.8), ("happy", 0.71))
    assert expressed(plugin) == [
        ("happy", 0, 2000, 0.95, "person 1"),
        ("sad", 2000, 3000, 0.8, "person 1"),
        ("happy", 3000, 4000, 0.71, "person 2"),
    ]


def test_what_is_not_sure_is_not_told():
    plugin = loaded(expression_threshold=0.8)
    plugin._expressions = Scripted(("happy", 0.9), ("happy", 0.79), ("happy", 0.9), ("neutral", 0.2))
    assert [(label, start, end) for label, start, end, *_ in expressed(plugin)] == [
        ("happy", 0, 1000),
        ("happy", 2000, 3000),
    ]


def test_a_face_too_small_to_read_is_a_face_without_expression():
    plugin = loaded()
    plugin._expressions = Scripted()
    frames = filmed([scene((30, 20, drawn(size=40)), width=240, height=135)])
    assert seen(plugin, frames) == [("person 1", 0, 1000, [0])]
    assert plugin._expressions.calls == 0


def test_a_backend_that_fails_at_a_picture_leaves_that_one_out():
    plugin = loaded()
    plugin._expressions = Scripted(("happy", 0.9))
    assert seen(plugin, FRAMES) == [("person 1", 0, 1000, [0])]
    assert [finding.level for finding in plugin.findings] == ["warning"]


# --- the network that ships ---


def test_the_shipped_network_gives_one_chance_a_face():
    pixels = FRAMES[0].pixels()
    (face,) = Detector(640, 0.8).faces(pixels)
    mini = Mini()
    (label, chance) = mini.read(pixels, [face])[0]
    assert label in LABELS and 1 / 7 < chance <= 1
    assert mini.read(pixels, [face] * 3) == [(label, pytest.approx(chance, abs=1e-5))] * 3


def test_the_shipped_network_is_given_grey_faces_in_minus_one_to_one():
    given: list[np.ndarray] = []
    mini = Mini()
    (face,) = Detector(640, 0.8).faces(FRAMES[0].pixels())
    mini._net = SimpleNamespace(setInput=given.append, forward=lambda: np.full((1, 7), 1 / 7))
    for colour in ((255, 0, 0), (0, 0, 0), (255, 255, 255)):
        mini.read(np.full_like(FRAMES[0].pixels(), colour), [face])
    assert {(array.shape, array.dtype.name) for array in given} == {((1, 1, 64, 64), "float32")}
    assert [array.mean() for array in given] == pytest.approx([2 * 0.299 - 1, -1, 1], abs=4e-3)


def test_the_shipped_network_is_the_published_one():
    """Golden: what the published network said to a ramp of grey, run by Keras 3.15."""
    ramp = np.tile(np.round(np.linspace(0, 255, 64)).astype(np.uint8), (64, 1))
    assert Mini().chances(ramp).tolist() == pytest.approx(
        [0.17800, 0.00002, 0.06606, 0.05427, 0.03099, 0.10493, 0.56572], abs=1e-4
    )


def test_the_man_of_the_example_clip_has_some_expression():
    clip = probe(STREET)
    plugin = loaded(expressions="mini", expression_threshold=0)
    (frame,) = frames_at(clip, [1200])
    found = plugin.observe(video(1000), filmed([frame.pixels()]))
    assert [e.kind for e in found] == ["face", "expression"] and found[1].value in LABELS
    assert found[1].details["face"] == "person 1" and len(found[1].details["seen"]) == 1


def test_it_keeps_the_contract_with_expressions():
    assert_contract(Faces, expressions="mini", expression_threshold=0)


@pytest.mark.shared
def test_a_smile_a_gape_and_a_calm_face_are_named(shared: Path):
    """Three COCO photos: a smiling girl, a child with its mouth wide open, a man who looks up."""
    plugin = loaded(expressions="mini", expression_threshold=0.6)
    with zipfile.ZipFile(shared / "coco_small" / "images.zip") as photos:
        names = {Path(name).stem[-6:]: name for name in photos.namelist()}
        for number, expression in (("562150", "happy"), ("368212", "surprise"), ("256353", "neutral")):
            with Image.open(io.BytesIO(photos.read(names[number]))) as photo:
                found = plugin.observe(video(1000), filmed([np.asarray(photo.convert("RGB"))]))
            assert expression in {e.value for e in found if e.kind == "expression"}, number


# --- DeepFace ---


AREA = {"x": 0, "y": 0, "w": 224, "h": 224}


class StandIn(ModuleType):
    """`deepface` with `DeepFace`, whose functions answer as those of 0.0.103 do, and keep what they were asked."""

    def __init__(self) -> None:
        super().__init__("deepface")
        self.built, self.asked, self.DeepFace = [], [], self

    def build_model(self, model_name: str, task: str = "facial_recognition") -> object:
        self.built.append((model_name, task))
        return object()

    def represent(self, img_path, model_name="VGG-Face", enforce_detection=True, detector_backend="opencv", align=True):
        self.asked.append((img_path, enforce_detection, detector_backend, align))
        rows = [
            [{"embedding": (crop.mean((0, 1)) - 110).tolist(), "facial_area": AREA, "face_confidence": 0}]
            for crop in img_path
        ]
        return rows if len(rows) > 1 else rows[0]

    def analyze(
        self, img_path, actions=(), enforce_detection=True, detector_backend="opencv", align=True, silent=False
    ):
        self.asked.append((img_path, enforce_detection, detector_backend, align))
        chances = dict.fromkeys(LABELS, np.float64(1.0)) | {"surprise": np.float64(94.0)}
        told = {"emotion": chances, "dominant_emotion": "surprise", "region": AREA, "face_confidence": 0.0}
        return [[told] for _ in img_path]


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    module = StandIn()
    monkeypatch.setitem(sys.modules, "deepface", module)
    return module


def test_deepface_tells_people_apart_on_faces_that_were_found_here(stand_in: StandIn):
    pale, dark = drawn(PALE, 200), drawn(DARK, 200)
    frames = filmed([scene((20, 60, pale), (400, 60, dark))], [scene(), scene((200, 60, dark))])
    plugin = loaded(identity="deepface", identity_model="Facenet512")
    assert plugin._identity.threshold == pytest.approx(0.7)
    assert [label for label, *_ in seen(plugin, frames)] == ["person 1", "person 2", "person 2"]
    assert stand_in.built == [("Facenet512", "facial_recognition")]
    assert [len(crops) for crops, *_ in stand_in.asked] == [2, 1]  # never asked of the picture without a face
    for crops, *rest in stand_in.asked:
        assert rest == [False, "skip", False] and {crop.shape for crop in crops} == {(224, 224, 3)}
    first, second = stand_in.asked[0][0]
    assert first[112, 112, 2] > first[112, 112, 0] and first.mean() > second.mean()  # BGR, from left to right


def test_deepface_reads_expressions_on_faces_that_were_found_here(stand_in: StandIn):
    plugin = loaded(expressions="deepface")
    assert expressed(plugin) == [
        ("surprise", 0, 3000, pytest.approx(0.94), "person 1"),
        ("surprise", 3000, 4000, pytest.approx(0.94), "person 2"),
    ]
    assert stand_in.built == [("Emotion", "facial_attribute")]
    stand_in.asked.clear()
    assert expressed(plugin, filmed([scene()])) == [] and stand_in.asked == []


def test_it_keeps_the_contract_with_deepface(stand_in: StandIn):
    assert_contract(Faces, identity="deepface", expressions="deepface")


def test_without_deepface_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "deepface", None)
    for options in ({"identity": "deepface"}, {"expressions": "deepface"}):
        plugin = create(Faces, **options)
        named = pytest.raises(MissingExtra, match=r"faces needs the package deepface: pip install 'vdesc\[faces\]'")
        with named, blamed(plugin, "could not be loaded"):
            plugin.load("cpu")


def test_a_model_that_deepface_cannot_fetch_gets_a_sentence(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch):
    def offline(self, *_: object, **__: object) -> None:
        raise ValueError("An exception occurred while downloading facenet512_weights.pth\nmore")

    monkeypatch.setattr(StandIn, "build_model", offline)
    with pytest.raises(
        ModelError, match=r"faces: DeepFace cannot make its model Facenet512 ready \(An exception .*pth\):"
    ) as e:
        create(Faces, identity="deepface").load("cpu")
    assert "\n" not in str(e.value)


def test_a_model_that_deepface_does_not_have_gets_a_sentence(stand_in: StandIn):
    with pytest.raises(
        SettingsError, match=r"faces: DeepFace has no identity_model 'Facenet521' \(did you mean 'Facenet512'"
    ):
        create(Faces, identity="deepface", identity_model="Facenet521").load("cpu")
