"""How a table's pictures reach training: upright, varied by chance, mirrored only where the captions stay true."""

import random
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from training_samples import MODEL
from vdesc_clipgpt.model import ClipGPTConfig, ClipGPTModel
from vdesc_clipgpt.training.batches import Photos, Stored
from vdesc_training.captioning import slots_of
from vdesc_training.features import FeatureStore, FeatureWriter
from vdesc_training.lessons import opened
from vdesc_training.sides import sided
from vdesc_training.table import Item

ORIENTATION = 0x0112
T = Image.Transpose
UNDO = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_90, 7: T.TRANSVERSE,
        8: T.ROTATE_270}  # fmt: skip
"""How a camera that noted an orientation held the picture."""


@pytest.fixture(scope="module")
def model() -> ClipGPTModel:
    return ClipGPTModel(ClipGPTConfig(**MODEL))


@pytest.fixture
def scene(tmp_path: Path) -> Image.Image:
    """A photo 48 x 32 that is red on the left and blue on the right, as `scene.png` of the table too."""
    image = Image.new("RGB", (48, 32), "blue")
    image.paste("red", (0, 0, 24, 32))
    image.paste("white", (10, 8, 20, 20))
    image.save(tmp_path / "scene.png")
    return image


@pytest.mark.parametrize(
    "caption",
    ["A man on the Left", "the right-hand side", "the leftmost dog", "it turns clockwise", "counter-clockwise",
     "to the right.", "왼쪽에 개가 있다", "그의 오른손", "맨오른쪽 사람", "차가 우회전한다"],
)  # fmt: skip
def test_a_caption_that_tells_left_from_right_is_known(caption: str):
    assert sided(["a dog", caption])


@pytest.mark.parametrize("caption", ["a bright cleft", "an upright man", "떠오른 해", "산을 오른다", ""])
def test_other_captions_may_be_mirrored(caption: str):
    assert not sided([caption])


def mirrored(photos: Photos, *captions: str) -> int:
    """How many of 40 varied pictures have the blue on the left."""
    item, chance = Item("a", ("scene.png",), "train", captions), random.Random(0)
    views = [photos.varied(item, chance) for _ in range(40)]
    return sum(int(view[0, :, 0].mean() < view[0, :, -1].mean()) for view in views)


def test_half_of_the_views_are_mirrored_but_none_that_a_caption_forbids(
    tmp_path: Path, scene: Image.Image, model: ClipGPTModel
):
    photos = Photos(tmp_path, model, smallest_crop=0.9)
    assert 10 < mirrored(photos, "red and blue", "two colours") < 30
    assert mirrored(photos, "red and blue", "red is on the left") == 0
    item = Item("a", ("scene.png",), "train", ("red is on the left",))
    assert len({photos.varied(item, random.Random(i)).sum().item() for i in range(5)}) == 5, "they are cropped still"


def test_stored_views_of_such_an_item_are_left_alone_since_some_are_mirrored(tmp_path: Path):
    rows = torch.arange(6.0)[:, None, None]
    with FeatureWriter(tmp_path, "clip", {"views": 6}) as writer:
        writer.put("a", rows)
    stored = Stored(FeatureStore(tmp_path, "clip"), 1)
    seen = {
        said: {stored.varied(Item("a", (), "train", (said,)), random.Random(i)).item() for i in range(40)}
        for said in ("two colours", "blue is on the right")
    }
    assert seen == {"two colours": {0, 1, 2, 3, 4, 5}, "blue is on the right": {0}}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_upright_as_their_camera_says(
    tmp_path: Path, scene: Image.Image, model: ClipGPTModel, orientation: int
):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    undo = UNDO.get(orientation)
    raw = scene if undo is None else scene.transpose(undo)
    raw.save(tmp_path / "turned.jpg", quality=95, exif=exif)
    assert np.abs(np.asarray(opened(tmp_path / "turned.jpg"), int) - np.asarray(scene, int)).mean() < 12
    plain = Photos(tmp_path, model).plain(Item("a", ("turned.jpg",), "train", ("x",)))
    assert plain[0, :, 0].min() > plain[0, :, -1].max() + 3, "red is on the left of what the encoder sees"
    (slot,) = slots_of(tmp_path, [Item("a", ("turned.jpg",), "test", ("x",))])
    assert np.array_equal(slot.keyframes[0].pixels(), np.asarray(opened(tmp_path / "turned.jpg"))), "eval sees the same"


def test_a_photo_without_the_tag_is_read_as_it_always_was(tmp_path: Path, scene: Image.Image):
    """Features that were made before the tag was heeded stay those of the picture."""
    scene.resize((97, 61)).save(tmp_path / "plain.jpg")
    scene.convert("L").save(tmp_path / "grey.png")
    for name in ("plain.jpg", "grey.png"):
        with Image.open(tmp_path / name) as image:
            assert np.array_equal(np.asarray(opened(tmp_path / name)), np.asarray(image.convert("RGB")))


def test_a_photo_with_damaged_notes_is_turned_and_read_all_the_same(tmp_path: Path, scene: Image.Image):
    """Pillow fails at a text where a number should be, after it has turned the photo."""
    notes = [b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00", b"\x01\x28\x00\x02\x00\x00\x00\x02x\x00\x00\x00"]
    exif = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02" + b"".join(notes) + bytes(4)
    scene.transpose(T.ROTATE_90).save(tmp_path / "odd.jpg", exif=exif)
    with Image.open(tmp_path / "odd.jpg") as image, pytest.raises(struct.error):
        ImageOps.exif_transpose(image)
    assert opened(tmp_path / "odd.jpg").size == (48, 32)
