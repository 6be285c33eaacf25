"""AI-Hub 71849: labels with `annotation.description_kr`, videos by stem; what is wrong is left out with its reason."""

from pathlib import Path
from typing import Any

import pytest
from data_samples import Choices, as_json, read, rejects, text, video
from vdesc import InputError
from vdesc_training import readers
from vdesc_training.splits import Shares

CHOICES = Choices(Shares(0, 0), "uniform:2")


def label(path: Path, words: Any) -> Path:
    return as_json(path, {"video": {"name": path.stem}, "annotation": {"description_kr": words, "description_en": "x"}})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    for split, name, words in (("Training", "a", "남자가 걷는다."), ("01.Validation", "b", "개가  달린다.")):
        label(top / split / "labels" / f"{name}.json", words)
        video(top / split / "videos" / f"{name}.mp4", 1)
    return top


def test_labels_meet_their_videos_and_folders_name_the_split(source: Path, tmp_path: Path):
    items, report = read(readers.aihub, source, to=tmp_path / "table", choices=CHOICES)
    assert {key: (item.split, item.captions, item.video) for key, item in items.items()} == {
        "a": ("train", ("남자가 걷는다.",), "a"),
        "b": ("val", ("개가 달린다.",), "b"),
    }
    assert all(len(item.images) == 2 for item in items.values()) and not report.rejects


def test_a_folder_that_is_a_split_itself_names_it(source: Path, tmp_path: Path):
    items, _ = read(readers.aihub, source / "01.Validation", to=tmp_path / "table", choices=CHOICES)
    assert [item.split for item in items.values()] == ["val"]


def test_bad_labels_are_left_out_each_with_its_reason(source: Path, tmp_path: Path):
    labels = source / "Training" / "labels"
    label(labels / "lost.json", "영상이 없다.")
    label(labels / "silent.json", "  ")
    as_json(labels / "none.json", {"annotation": {"caption": {"korean": "x"}}})
    as_json(labels / "other.json", {"description_kr": "x"})
    as_json(labels / "list.json", [1])
    label(labels / "number.json", 3)
    text(labels / "torn.json", '{"annotation": {"descr')
    for name in ("silent", "none", "other", "torn"):
        video(source / "Training" / "videos" / f"{name}.mp4", 1)
    text(source / "Training" / "videos" / "broken.mp4", "no video")
    label(labels / "broken.json", "깨졌다.")
    items, report = read(readers.aihub, source, to=tmp_path / "table", choices=CHOICES)
    assert set(items) == {"a", "b"}
    assert rejects(report) == {"missing video": 1, "no caption": 2, "malformed label": 4, "broken video": 1}
    assert report.rejects["missing video"].examples == ["lost"]
    assert set(report.rejects["malformed label"].examples) == {"other.json", "list.json", "number.json", "torn.json"}


def test_labels_without_any_video_are_not_words_alone(source: Path, tmp_path: Path):
    for path in source.rglob("*.mp4"):
        path.unlink()
    with pytest.raises(InputError, match=r"nothing to put into .*missing video"):
        read(readers.aihub, source, to=tmp_path / "table")


def test_no_labels_is_a_sentence(tmp_path: Path):
    video(tmp_path / "source" / "a.mp4", 1)
    with pytest.raises(InputError, match=r"no labels \(\*.json\) in"):
        read(readers.aihub, tmp_path / "source", to=tmp_path / "table")
