"""The faces observer: what is a face, where, and for how long; on drawn faces, and on real ones of the example clip."""

import csv
import io
import zipfile
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vdesc import Keyframe, Picture, Shot, Span
from vdesc.media import frames_at, probe
from vdesc.registry import create
from vdesc.testing import assert_contract, picture, stored, video
from vdesc_faces import Faces
from vdesc_faces.cropping import cut
from vdesc_faces.detector import Detector

STREET = Path(__file__).parents[2] / "examples" / "street.mp4"
PALE, DARK = (224, 172, 140), (120, 80, 60)


def drawn(skin: tuple[int, int, int] = PALE, size: int = 120, tilt: float = 0) -> np.ndarray:
    """A face of paint that the detector takes for one, RGB uint8 (size, size, 3); `tilt` in degrees."""
    canvas, middle, unit = np.full((size, size, 3), (90, 110, 100), np.uint8), size / 2, size / 200
    darker = tuple(int(tone * 0.8) for tone in skin)

    def oval(x: float, y: float, wide: float, high: float, colour: tuple[int, ...], end: int = 360) -> None:
        centre, axes = (round(middle + x * unit), round(middle + y * unit)), (round(wide * unit), round(high * unit))
        cv2.ellipse(
            canvas, centre, axes, 0, 180 if end == 180 else 0, 360, colour, 3 if end == 180 else -1, cv2.LINE_AA
        )

    oval(0, -10, 62, 80, (60, 40, 30))
    oval(0, 8, 52, 70, skin)
    for x in (-22, 22):
        oval(x, -8, 12, 6, (250, 250, 250))
        oval(x, -8, 6, 6, (50, 35, 30))
        oval(x, -22, 14, 4, (60, 40, 30), 180)
    oval(0, 12, 6, 16, darker)
    oval(0, 42, 20, 7, (170, 70, 70))
    turn = cv2.getRotationMatrix2D((middle, middle), -tilt, 1)
    return cv2.warpAffine(
        cv2.GaussianBlur(canvas, (0, 0), 2 * unit), turn, (size, size), borderMode=cv2.BORDER_REPLICATE
    )


@dataclass(frozen=True, slots=True, eq=False)
class Held(Picture):
    """A picture in memory."""

    array: np.ndarray

    def pixels(self) -> np.ndarray:
        return self.array


def scene(*faces: tuple[int, int, np.ndarray], width: int = 640, height: int = 360) -> np.ndarray:
    """A picture with faces at (left, top)."""
    pixels = np.full((height, width, 3), (90, 110, 100), np.uint8)
    for left, top, face in faces:
        pixels[top : top + len(face), left : left + len(face)] = face
    return pixels


def filmed(*shots: list[np.ndarray]) -> tuple[Keyframe, ...]:
    """Keyframes one second apart, in shots."""
    frames: list[Keyframe] = []
    for index, pictures in enumerate(shots):
        start = len(frames) * 1000
        shot = Shot(index, Span(start, start + len(pictures) * 1000))
        for pixels in pictures:
            number = len(frames)
            frames.append(Keyframe(number, number * 1000 + 500, shot, Held(Path("held.png"), pixels), 1.0, number))
    return tuple(frames)


def loaded(**options: object) -> Faces:
    plugin = create(Faces, **options)
    plugin.load("cpu")
    return plugin


def seen(plugin: Faces, frames: tuple[Keyframe, ...]) -> list[tuple[str, int, int, list[int]]]:
    """What the observer says: label, start, end, keyframes."""
    found = plugin.observe(video(max(len(frames), 1) * 1000), frames)
    return [
        (e.value, e.span.start, e.span.end, [s["keyframe"] for s in e.details["seen"]])
        for e in found
        if e.kind == "face"
    ]


@pytest.fixture(scope="module")
def plain() -> Faces:
    return loaded()


def test_a_face_is_found_where_it_is(plain: Faces):
    (face,) = plain.observe(video(1000), filmed([scene((200, 100, drawn()))]))
    assert (face.kind, face.value, face.source) == ("face", "person 1", "faces")
    assert face.confidence > 0.8 and face.span == Span(0, 1000)
    assert 200 < face.box.left * 640 < face.box.right * 640 < 320
    assert 100 < face.box.top * 360 < face.box.bottom * 360 < 220
    (sighting,) = face.details["seen"]
    assert sighting["keyframe"] == 0 and sighting["box"] == pytest.approx(
        [face.box.left, face.box.top, face.box.right, face.box.bottom], abs=1e-4
    )


@pytest.mark.parametrize("size", [(360, 1280), (1280, 360), (90, 160)])
def test_pictures_of_any_shape_keep_their_aspect(plain: Faces, size: tuple[int, int]):
    height, width = size
    side = min(size) // 2
    (face,) = plain.observe(video(1000), filmed([scene((10, 10, drawn(size=side)), width=width, height=height)]))
    wide, high = (face.box.right - face.box.left) * width, (face.box.bottom - face.box.top) * height
    assert 1 < high / wide < 1.6
    assert face.box.left * width == pytest.approx(10 + side * 0.25, abs=side * 0.1)


def test_where_no_face_is_there_is_no_evidence(plain: Faces):
    still = [picture(number, 320, 180).pixels() for number in range(6)]
    noise = np.random.default_rng(0).integers(0, 256, (180, 320, 3), np.uint8)
    assert seen(plain, filmed([*still, noise], [np.zeros((180, 320, 3), np.uint8)])) == []
    assert seen(plain, ()) == []


@pytest.mark.parametrize("shape", [(8, 8), (1, 1), (2, 4000), (4000, 2), (31, 33)])
def test_odd_pictures_are_looked_at_without_a_word(plain: Faces, shape: tuple[int, int]):
    for pixels in (
        np.full((*shape, 3), 128, np.uint8),
        np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8),
    ):
        assert seen(plain, filmed([pixels])) == []
    assert plain.findings == []


def test_grey_pictures_do(plain: Faces):
    grey = np.repeat(scene((200, 100, drawn())).mean(-1, keepdims=True), 3, axis=2).astype(np.uint8)
    assert len(seen(plain, filmed([grey]))) == 1


def test_the_threshold_is_what_it_says():
    frames = filmed([scene((200, 100, drawn()))])
    score = loaded().observe(video(1000), frames)[0].confidence
    assert len(loaded(threshold=score - 0.01).observe(video(1000), frames)) == 1
    assert loaded(threshold=min(1.0, score + 0.01)).observe(video(1000), frames) == []


def test_within_a_shot_a_face_that_moves_a_little_keeps_its_label(plain: Faces):
    frames = filmed(
        [scene((x, 100, drawn()), (450, 100, drawn(DARK))) for x in (20, 105, 190)]
    )  # more than its width apart
    assert seen(plain, frames) == [("person 1", 0, 3000, [0, 1, 2]), ("person 2", 0, 3000, [0, 1, 2])]


def test_a_face_that_turns_away_for_one_keyframe_is_the_same(plain: Faces):
    here, gone = scene((200, 100, drawn())), scene()
    assert seen(plain, filmed([here, gone, here])) == [("person 1", 0, 3000, [0, 2])]
    assert [label for label, *_ in seen(plain, filmed([here, gone, gone, here]))] == ["person 1", "person 2"]


def test_without_identity_a_label_holds_within_its_shot_only(plain: Faces):
    here = scene((200, 100, drawn()))
    assert seen(plain, filmed([here, here], [here])) == [("person 1", 0, 2000, [0, 1]), ("person 2", 2000, 3000, [2])]


def test_far_apart_in_a_picture_is_not_the_same_person(plain: Faces):
    frames = filmed([scene((0, 100, drawn())), scene((500, 100, drawn()))])
    assert [label for label, *_ in seen(plain, frames)] == ["person 1", "person 2"]


def test_people_are_counted_from_left_to_right(plain: Faces):
    frames = filmed([scene((430, 60, drawn(size=200)), (30, 200, drawn()))])
    boxes = {e.value: e.box.left for e in plain.observe(video(1000), frames)}
    assert boxes["person 1"] < boxes["person 2"]


def test_a_picture_that_cannot_be_read_is_left_out_and_told_once(tmp_path: Path):
    plugin = loaded()
    frames = list(stored(filmed([scene((200, 100, drawn()))] * 4), tmp_path))
    for number in (1, 2):
        frames[number].image.path.write_bytes(b"no picture")
    assert seen(plugin, tuple(frames)) == [("person 1", 0, 1000, [0]), ("person 2", 3000, 4000, [3])]
    (told,) = plugin.findings
    assert told.level == "warning" and told.message.startswith(
        "left out 2 keyframes that could not be looked at, the first at 1500 ms: "
    )


def test_the_two_faces_of_the_example_clip():
    clip = probe(STREET)
    shots = (Shot(0, Span(0, 3300)), Shot(1, Span(3300, clip.span.end)))
    times = [(0, 0), (1200, 0), (1240, 0), (4800, 1), (8000, 1)]
    frames = tuple(
        Keyframe(i, frame.at, shots[shot], frame)
        for i, (frame, (_, shot)) in enumerate(zip(frames_at(clip, [at for at, _ in times]), times, strict=True))
    )
    found = loaded().observe(clip, frames)
    assert [(e.value, [s["keyframe"] for s in e.details["seen"]]) for e in found] == [
        ("person 1", [1, 2]),
        ("person 2", [3]),
    ]
    man, cyclist = found
    assert man.box.bottom < 0.4 and 0.63 < cyclist.box.left < 0.67


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 255))
@settings(max_examples=15)
def test_boxes_lie_in_the_picture(height: int, width: int, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    for face in Detector(320, 0.3).faces(pixels):
        assert 0 <= face.box.left < face.box.right <= 1 and 0 <= face.box.top < face.box.bottom <= 1
        assert 0.3 <= face.confidence <= 1 and len(face.points) == 5


@pytest.mark.parametrize("tilt", [-30, -15, 0, 20])
def test_a_face_is_cut_upright(tilt: float):
    pixels = scene((200, 100, drawn(size=200, tilt=tilt)))
    (face,) = Detector(640, 0.5).faces(pixels)
    level = Detector(320, 0.5).faces(cv2.copyMakeBorder(cut(pixels, face, 112), *[60] * 4, cv2.BORDER_REPLICATE))
    (right, left), *_ = [face.points[:2] for face in level]
    assert abs(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0]))) < 6


def test_a_large_face_is_cut_small_without_moire():
    (face,) = Detector(640, 0.5).faces(scene((60, 20, drawn(size=320))))
    stripes = np.zeros((360, 640, 3), np.uint8)
    stripes[:, ::2] = 255
    assert cut(stripes, face, 24).std() < 30


@pytest.mark.parametrize("side", [8, 64, 300])
def test_a_cut_face_at_the_edge_has_its_size(side: int):
    pixels = scene((200, 100, drawn(size=200)))[:, 240:]
    face = Detector(640, 0.3).faces(pixels)[0]
    off = replace(face, points=tuple((x - 1, y + 1) for x, y in face.points))
    assert cut(pixels, face, side).shape == cut(pixels, off, side).shape == (side, side, 3)


def test_it_keeps_the_contract():
    assert_contract(Faces)


@pytest.mark.shared
def test_real_photos_have_faces_where_people_are(shared: Path):
    """178 COCO photos: those found lie in a person's box, but for two (a toy man, and a man on a screen)."""
    people = defaultdict(list)
    for row in csv.DictReader((shared / "coco_small" / "boxes.csv").open()):
        if row["category"] == "person":
            people[row["image"]].append([float(row[key]) for key in "xywh"])
    detector, inside, outside = Detector(640, 0.8), 0, []
    with zipfile.ZipFile(shared / "coco_small" / "images.zip") as photos:
        for name in sorted(name for name in photos.namelist() if name.endswith(".jpg")):
            pixels = cv2.imdecode(np.frombuffer(io.BytesIO(photos.read(name)).getvalue(), np.uint8), 1)[:, :, ::-1]
            for face in detector.faces(np.ascontiguousarray(pixels)):
                x = (face.box.left + face.box.right) / 2 * pixels.shape[1]
                y = (face.box.top + face.box.bottom) / 2 * pixels.shape[0]
                boxes = people[Path(name).name]
                if any(left - 4 <= x <= left + w + 4 and top - 4 <= y <= top + h + 4 for left, top, w, h in boxes):
                    inside += 1
                else:
                    outside.append(Path(name).name)
    assert inside >= 50 and len(outside) <= 3, outside


@pytest.mark.shared
def test_slides_show_nobody(shared: Path):
    clip = probe(shared / "clips" / "laion400m_talk_slides.mp4")
    detector = Detector(640, 0.8)
    assert [detector.faces(frame.pixels()) for frame in frames_at(clip, range(0, clip.span.end, 15_000))] == [[]] * 9
