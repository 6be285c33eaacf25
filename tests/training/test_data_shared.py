"""The readers on real data."""

from functools import partial, update_wrapper
from pathlib import Path

import pytest
from data_samples import read, rejects
from vdesc_training import readers
from vdesc_training.building import Choices
from vdesc_training.splits import Shares

pytestmark = pytest.mark.shared
NONE = Choices(Shares(), "uniform:4")


@pytest.mark.slow
def test_flickr8k_with_its_split(shared: Path, tmp_path: Path):
    items, report = read(readers.flickr8k, shared / "flickr8k", to=tmp_path)
    assert report.items == {"train": 6000, "val": 1000, "test": 1000}
    assert report.captions == {"train": 30000, "val": 5000, "test": 5000}
    assert rejects(report) == {"in no known split": 91}
    assert all((tmp_path / item.images[0]).is_file() for item in items.values())


def test_a_part_of_flickr8k(shared: Path, tmp_path: Path):
    """The photos of one split: the others are missing, and are counted."""
    sources = [shared / "flickr8k" / name for name in ("captions.csv.gz", "split_test.txt", "split_val.txt", "val.zip")]
    _, report = read(readers.flickr8k, *sources, to=tmp_path)
    assert report.items == {"train": 0, "val": 1000, "test": 0} and report.captions["val"] == 5000
    assert rejects(report) == {"in no known split": 6091, "missing photo": 1000}


def test_coco_photos_at_their_real_aspect(shared: Path, tmp_path: Path):
    items, report = read(readers.csv, shared / "coco_small", to=tmp_path)
    assert report.items == {"train": 91, "val": 87, "test": 0} and sum(report.captions.values()) == 890
    assert not report.rejects and all(len(item.captions) == 5 for item in items.values())


def test_coco_captions_as_words(shared: Path, tmp_path: Path):
    path = shared / "coco_small/captions_val2017.json.gz"
    items, report = read(readers.text, path, to=tmp_path / "words", choices=NONE)
    assert len(items) == 25_014 and not report.rejects
    items, report = read(readers.coco, path, to=tmp_path / "coco", choices=NONE)
    assert len(items) == 5000 and sum(report.captions.values()) == 25_014


def test_msvd_with_the_clips_that_are_there(shared: Path, tmp_path: Path):
    items, report = read(readers.msvd, shared / "msvd", to=tmp_path, choices=NONE)
    assert {id: len(item.images) for id, item in items.items()} == {
        "3qqEKTPxLNs_1_15": 4, "UXs3eq68ZjE_250_255": 4, "WTf5EgVY5uU_124_128": 4,
    }  # fmt: skip
    assert rejects(report) == {"missing video": 1967}


def test_msvds_standard_split(shared: Path, tmp_path: Path):
    _, report = read(readers.msvd, shared / "msvd/captions.csv.gz", to=tmp_path)
    assert report.items == {"train": 1200, "val": 100, "test": 670}
    assert report.captions == {"train": 48_774, "val": 4_290, "test": 27_763}


def test_activitynet_with_its_times(shared: Path, tmp_path: Path):
    folder = shared / "activitynet"
    _, report = read(readers.activitynet, *sorted(folder.glob("*_?.json.gz")), folder / "train.json.gz", to=tmp_path)
    assert report.items == {"train": 37_417, "val": 34_301, "test": 0}
    assert rejects(report) == {"no stretch of time": 4}
    items, _ = read(readers.activitynet, folder, to=tmp_path / "clips", choices=NONE)
    assert len(items) == 8 and {item.video for item in items.values()} == {"v_GGSY1Qvo990", "v_ZNVhz7ctTq0"}
    assert all(item.images for item in items.values())


def test_charades_as_words(shared: Path, tmp_path: Path):
    reader = update_wrapper(partial(readers.text, columns=("script",)), readers.text)
    items, report = read(reader, *sorted((shared / "charades").glob("*.csv.gz")), to=tmp_path, choices=NONE)
    assert len(items) == 9848 and not report.rejects
