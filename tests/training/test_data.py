"""The making of a table: captions, pictures and splits in order, and whatever is bad left out, counted and named."""

import gzip
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from data_samples import TRAIN, photo, read, rejects, text, video
from vdesc.errors import InputError, OutputError, PluginError, SettingsError
from vdesc_training import readers
from vdesc_training.building import Choices
from vdesc_training.splits import SPLITS, Shares, known
from vdesc_training.table import Item, read_table, write_table


def table(tmp_path: Path) -> Path:
    return tmp_path / "table"


def test_a_table_comes_back_as_it_was_written(tmp_path: Path):
    items = [
        Item("a", ("a.jpg",), "train", ("Ein Hund läuft.", "두 사람")),
        Item("b@0-5", ("b/0.jpg", "b/1.jpg"), "val", ("x",), "b", (0, 5)),
        Item("c", (), "test", ("words",)),
    ]
    assert write_table(tmp_path, items) == 3
    assert list(read_table(tmp_path)) == items
    assert [item.id for item in read_table(tmp_path, "val")] == ["b@0-5"]


def test_no_table_and_a_damaged_one_get_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"no caption table in .*vdesc data"):
        list(read_table(tmp_path))
    write_table(tmp_path, [Item("a", (), "train", ("x",))])
    with (tmp_path / "captions.jsonl").open("a") as file:
        file.write('{"id": "b"}\n')
    with pytest.raises(InputError, match="line 2 of"):
        list(read_table(tmp_path))


def test_an_old_table_stays_until_the_new_one_is_whole(tmp_path: Path):
    text(tmp_path / "a.csv", "image,caption\nx.jpg,hello\n")
    photo(tmp_path / "x.jpg")
    read(readers.csv, tmp_path / "a.csv", to=table(tmp_path))
    (tmp_path / "x.jpg").unlink()
    with pytest.raises(InputError, match=r"nothing to put into .*: missing photo \(1 times, first x\)"):
        read(readers.csv, tmp_path / "a.csv", to=table(tmp_path))
    assert [item.id for item in read_table(table(tmp_path))] == ["x"]
    assert not list(table(tmp_path).glob(".captions*"))


def test_captions_are_tidied_and_empty_ones_left_out(tmp_path: Path):
    for name in "abc":
        photo(tmp_path / f"{name}.jpg")
    text(tmp_path / "a.csv", 'image,caption\na.jpg,"  two\n dogs "\na.jpg,\na.jpg,run\nb.jpg, \nc.jpg,cat\n')
    items, report = read(readers.csv, tmp_path / "a.csv", to=table(tmp_path))
    assert {id: item.captions for id, item in items.items()} == {"a": ("two dogs", "run"), "c": ("cat",)}
    assert rejects(report) == {"empty caption": 2, "no caption": 1}


def test_missing_and_broken_photos_are_left_out(tmp_path: Path):
    photo(tmp_path / "whole.jpg")
    cut = photo(tmp_path / "cut.jpg", size=(400, 300))
    cut.write_bytes(cut.read_bytes()[:-2000])
    text(tmp_path / "text.jpg", "no photo")
    text(tmp_path / "empty.png", "")
    names = ["whole.jpg", "cut.jpg", "text.jpg", "empty.png", "missing.jpg", "a" * 300 + ".jpg", "nul\0.jpg"]
    text(tmp_path / "a.jsonl", "".join(json.dumps({"image": name, "caption": "x"}) + "\n" for name in names))
    items, report = read(readers.jsonl, tmp_path / "a.jsonl", to=table(tmp_path))
    assert list(items) == ["whole"]
    assert rejects(report) == {"broken photo": 3, "missing photo": 3}
    assert report.rejects["broken photo"].examples == ["cut", "text", "empty"]
    assert [path.name for path in (table(tmp_path) / "images").iterdir()] == ["whole.jpg"]


def test_the_report_lies_beside_the_table(tmp_path: Path):
    photo(tmp_path / "a.jpg")
    text(tmp_path / "a.csv", "image,caption,split\na.jpg,one,train\na.jpg,two,train\nb.jpg,x,val\n")
    read(readers.csv, tmp_path / "a.csv", to=table(tmp_path))
    report = json.loads((table(tmp_path) / "report.json").read_text())
    assert report["reader"] == "csv" and report["items"] == {"train": 1, "val": 0, "test": 0}
    assert report["captions"]["train"] == 2
    assert report["rejects"] == {"missing photo": {"count": 1, "examples": ["b"]}}


def test_rows_of_one_photo_become_one_item_and_an_id_shows_one_thing(tmp_path: Path):
    for name in ("a.jpg", "b.jpg", "sub/a.jpg"):
        photo(tmp_path / name)
    rows = [
        {"image": "a.jpg", "caption": "one"},
        {"image": "sub/a.jpg", "caption": "another photo"},
        {"id": "a", "image": "b.jpg", "caption": "an id that is taken"},
        {"image": "a.jpg", "captions": ["two", "three"]},
        {"image": "a.jpg", "caption": "other split", "split": "test"},
    ]
    text(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    items, report = read(readers.jsonl, tmp_path / "a.jsonl", to=table(tmp_path))
    assert {id: item.captions for id, item in items.items()} == {
        "a": ("one", "two", "three"), "sub/a": ("another photo",),
    }  # fmt: skip
    assert items["sub/a"].images == ("images/sub/a.jpg",)
    assert rejects(report) == {"duplicate id": 1, "in two splits": 1}


def test_photos_are_found_by_path_name_or_stem_and_never_guessed(tmp_path: Path):
    for name in ("x/a.jpg", "y/a.jpg", "x/b.webp", "x/c.jpg"):
        photo(tmp_path / "photos" / name)
    names = ["x/a.jpg", "b.jpg", "deep/c.jpg", "a.jpg", "d.jpg"]
    text(tmp_path / "a.csv", "image,caption\n" + "".join(f"{name},x\n" for name in names))
    items, report = read(readers.csv, tmp_path / "a.csv", tmp_path / "photos", to=table(tmp_path))
    assert {id: item.images[0] for id, item in items.items()} == {
        "x/a": "images/x/a.jpg", "b": "images/b.webp", "deep/c": "images/deep/c.jpg",
    }  # fmt: skip
    assert rejects(report) == {"ambiguous photo": 1, "missing photo": 1}


def test_a_table_is_movable_and_whole_without_its_source(tmp_path: Path):
    source = tmp_path / "source"
    photo(source / "a.jpg")
    text(source / "captions.csv", "image,caption\n../source/a.jpg,x\n")
    read(readers.csv, source, to=table(tmp_path))
    shutil.rmtree(source)
    moved = table(tmp_path).rename(tmp_path / "moved")
    (item,) = read_table(moved)
    assert (moved / item.images[0]).is_file() and ".." not in item.images[0]


def test_photos_come_out_of_zips_even_of_a_mac(tmp_path: Path):
    photo(tmp_path / "a.jpg")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(tmp_path / "a.jpg", "Images/a.jpg")
        archive.writestr("__MACOSX/Images/._a.jpg", b"\x00")
        archive.writestr("Images/b.jpg", b"broken")
    text(tmp_path / "list.csv", "image,caption\nImages/a.jpg,x\nb.jpg,y\n")
    (tmp_path / "a.jpg").unlink()
    items, report = read(readers.csv, tmp_path / "list.csv", tmp_path / "photos.zip", to=table(tmp_path))
    assert items["Images/a"].images == ("images/Images/a.jpg",) and rejects(report) == {"broken photo": 1}
    text(tmp_path / "photos.zip", "no zip")
    with pytest.raises(InputError, match="no zip or is damaged"):
        read(readers.csv, tmp_path / "list.csv", tmp_path / "photos.zip", to=table(tmp_path))


def test_a_second_run_gives_the_same_table_and_leaves_photos_alone(tmp_path: Path):
    photo(tmp_path / "in/a.jpg")
    text(tmp_path / "in/a.txt", "x")
    before, _ = read(readers.folder, tmp_path / "in", to=tmp_path / "in/table")
    placed = tmp_path / "in/table/images/a.jpg"
    stamp = placed.stat().st_mtime_ns, placed.stat().st_ino
    after, _ = read(readers.folder, tmp_path / "in", to=tmp_path / "in/table")
    assert before == after and stamp == (placed.stat().st_mtime_ns, placed.stat().st_ino)


def test_a_full_disk_gets_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    photo(tmp_path / "a.jpg")
    text(tmp_path / "a.csv", "image,caption\na.jpg,x\n")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vdesc_training.photos._link", full)
    with pytest.raises(OutputError, match=r"a\.jpg: No space left on device"):
        read(readers.csv, tmp_path / "a.csv", to=table(tmp_path))


def test_a_split_is_by_photo_and_the_same_in_every_run():
    shares = Shares(0.1, 0.2)
    splits = [shares.split(f"photo{i}") for i in range(2000)]
    assert splits == [shares.split(f"photo{i}") for i in range(2000)]
    parts = [splits.count(split) / 2000 for split in SPLITS]
    assert parts == pytest.approx([0.7, 0.1, 0.2], abs=0.03)
    assert {Shares(0, 1).split(str(i)) for i in range(50)} == {"test"}


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.1), (0.6, 0.5)])
def test_parts_that_make_no_whole_get_a_sentence(val: float, test: float):
    with pytest.raises(SettingsError, match="no parts of a whole"):
        Shares(val, test)


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("restval", "train"), ("train2017", "train"), ("Dev", "val"), ("validate", "val"),
     ("val2014", "val"), ("testing", "test"), ("none", None), ("", None)],
)  # fmt: skip
def test_the_names_of_splits(name: str, split: str | None):
    assert known(name) == split


def test_no_split_divides_by_photo_and_says_so(tmp_path: Path):
    for i in range(30):
        photo(tmp_path / f"{i}.png")
    rows = "".join(f"{i}.png,first\n{i}.png,second\n" for i in range(30))
    text(tmp_path / "a.csv", "image,caption\n" + rows)
    items, report = read(readers.csv, tmp_path / "a.csv", to=table(tmp_path), choices=Choices(Shares(0.3, 0.3)))
    assert all(len(item.captions) == 2 for item in items.values())
    assert {item.split for item in items.values()} == set(SPLITS)
    assert any("no split in the source: 40 / 30 / 30 %" in note for note in report.notes)


def test_one_item_works_and_empty_splits_are_named(tmp_path: Path):
    photo(tmp_path / "a.jpg")
    text(tmp_path / "a.csv", "image,caption\na.jpg,x\n")
    items, report = read(readers.csv, tmp_path / "a.csv", to=table(tmp_path), choices=TRAIN)
    assert items["a"].split == "train" and "no item is in val or test" in report.notes


def test_a_split_that_nobody_knows_is_no_split(tmp_path: Path):
    photo(tmp_path / "a.jpg"), photo(tmp_path / "b.jpg")
    text(tmp_path / "a.csv", "image,caption,split\na.jpg,x,holdout\nb.jpg,y,dev\n")
    items, report = read(readers.csv, tmp_path / "a.csv", to=table(tmp_path))
    assert items["b"].split == "val" and rejects(report) == {"in no known split": 1}


def test_words_alone_are_divided_by_what_they_say(tmp_path: Path):
    text(tmp_path / "a.txt", "".join(f"Sentence {i}\n" for i in range(40)))
    with gzip.open(tmp_path / "b.txt.gz", "wt") as file:
        file.write("".join(f"sentence {i}\n\n" for i in range(40)))
    items, report = read(
        readers.text, tmp_path / "a.txt", tmp_path / "b.txt.gz", to=table(tmp_path), choices=Choices(Shares(0.3, 0.2))
    )
    assert len(items) == 80 and rejects(report) == {"empty caption": 40}
    said: dict[str, set[str]] = {}
    for item in items.values():
        assert item.images == ()
        said.setdefault(item.captions[0].lower(), set()).add(item.split)
    assert all(len(splits) == 1 for splits in said.values()) and len(set.union(*said.values())) == 3


def test_videos_get_the_engines_keyframes(tmp_path: Path):
    video(tmp_path / "a.mp4")
    text(tmp_path / "captions.csv", "video,caption\na.mp4,it pans\na.mp4,again\nb.mp4,gone\n")
    items, report = read(
        readers.csv, tmp_path / "captions.csv", to=table(tmp_path), choices=Choices(Shares(0, 0), "uniform:4")
    )
    assert items["a"].images == tuple(f"frames/uniform-4/a/{at:08}.jpg" for at in (200, 700, 1200, 1700))
    assert items["a"].video == "a" and items["a"].captions == ("it pans", "again")
    assert all((table(tmp_path) / name).is_file() for name in items["a"].images)
    assert rejects(report) == {"missing video": 1}


def test_a_broken_video_is_left_out_and_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import vdesc_training.frames as frames

    video(tmp_path / "a.mp4")
    text(tmp_path / "b.mp4", "no video")
    rows = [{"video": name, "caption": "x", "span": [0, at]} for name in ("a.mp4", "b.mp4") for at in (500, 900)]
    text(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    real, looked = frames.probe, []
    monkeypatch.setattr(frames, "probe", lambda path: looked.append(path.name) or real(path))
    items, report = read(readers.jsonl, tmp_path / "a.jsonl", to=table(tmp_path))
    assert list(items) == ["a@0-500", "a@0-900"] and rejects(report) == {"broken video": 2}
    assert looked == ["a.mp4", "b.mp4"]
    assert not (table(tmp_path) / "frames/uniform-28/b").exists()
    read(readers.jsonl, tmp_path / "a.jsonl", to=table(tmp_path))
    assert looked == ["a.mp4", "b.mp4", "b.mp4"]  # the frames of a are there already


def test_a_stretch_gets_the_keyframes_within_it_or_the_nearest(tmp_path: Path):
    video(tmp_path / "a.mp4")
    spans = [[400, 1300], [850, 900], [5000, 6000]]
    text(tmp_path / "a.jsonl", "".join(json.dumps({"video": "a.mp4", "caption": "x", "span": s}) + "\n" for s in spans))
    items, _ = read(readers.jsonl, tmp_path / "a.jsonl", to=table(tmp_path), choices=Choices(Shares(0, 0), "uniform:4"))
    shown = {id: [int(Path(name).stem) for name in item.images] for id, item in items.items()}
    assert shown == {"a@400-1300": [700, 1200], "a@850-900": [700], "a@5000-6000": [1700]}


def test_frames_of_a_killed_run_are_made_again(tmp_path: Path):
    video(tmp_path / "a.mp4")
    text(tmp_path / "captions.csv", "video,caption\na.mp4,x\n")
    half = table(tmp_path) / "frames/uniform-28/.a.partial"
    text(half / "99999999.jpg", "half")
    items, _ = read(readers.csv, tmp_path / "captions.csv", to=table(tmp_path))
    assert len(items["a"].images) == 20 and not half.exists()  # it has only 20 frames


def test_an_unknown_keyframer_gets_a_sentence(tmp_path: Path):
    video(tmp_path / "a.mp4")
    text(tmp_path / "captions.csv", "video,caption\na.mp4,x\n")
    with pytest.raises(PluginError, match="did you mean 'uniform'"):
        read(readers.csv, tmp_path / "captions.csv", to=table(tmp_path), choices=Choices(Shares(), "uniforn:4"))


def test_wrong_sources_get_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"there is no .*nothing"):
        read(readers.csv, tmp_path / "nothing", to=table(tmp_path))
    with pytest.raises(SettingsError, match="cannot hold the table as well"):
        read(readers.csv, tmp_path, to=tmp_path)
    with pytest.raises(InputError, match=r"no captions\.csv or .*give the file itself"):
        read(readers.csv, tmp_path, to=table(tmp_path))
    text(tmp_path / "a.csv", "image,caption\n")
    with pytest.raises(InputError, match="the sources hold no captions"):
        read(readers.csv, tmp_path / "a.csv", to=table(tmp_path))
