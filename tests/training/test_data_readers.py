"""The readers: each format as its publishers give it, and the bad rows that it is known for."""

import gzip
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

import pytest
from data_samples import as_json, photo, read, rejects, text, video
from vdesc.errors import InputError
from vdesc_training import readers
from vdesc_training.building import Choices
from vdesc_training.splits import Shares
from vdesc_training.table import Item


def short(items: dict[str, Item]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {id: (item.split, item.captions) for id, item in items.items()}


# Lists of captions


@pytest.mark.parametrize("delimiter", [",", ";", "|", "\t"])
@pytest.mark.parametrize(("bom", "end"), [("", "\n"), ("\ufeff", "\r\n")])
def test_a_list_is_read_whatever_divides_it(tmp_path: Path, delimiter: str, bom: str, end: str):
    for name in ("a.jpg", "b.png"):
        photo(tmp_path / name)
    rows = [["Image", " Caption", "split "], ["a.jpg", " a dog ", "train"], ["b.png", "ein Hündchen", "test"]]
    text(tmp_path / "mine.csv", bom + end.join(delimiter.join(row) for row in rows) + end)
    items, report = read(readers.csv, tmp_path / "mine.csv", to=tmp_path / "table")
    assert short(items) == {"a": ("train", ("a dog",)), "b": ("test", ("ein Hündchen",))}
    assert not report.rejects


def test_quotes_protect_commas_and_new_lines(tmp_path: Path):
    photo(tmp_path / "a.jpg")
    text(tmp_path / "a.csv", 'image,caption\na.jpg,"a dog, a ""cat""\nand more"\n')
    items, _ = read(readers.csv, tmp_path / "a.csv", to=tmp_path / "table")
    assert items["a"].captions == ('a dog, a "cat" and more',)


def test_bad_rows_do_not_stop_the_others(tmp_path: Path):
    photo(tmp_path / "a.jpg")
    rows = [b"image,caption", b"a.jpg,one", b"a.jpg", b"a.jpg,two,three", b'a.jpg,"four" five', b"a.jpg,\xff\xfe", b"",
            b",no photo", b"a.jpg,six"]  # fmt: skip
    (tmp_path / "a.csv").write_bytes(b"\n".join(rows))
    items, report = read(readers.csv, tmp_path / "a.csv", to=tmp_path / "table")
    assert items["a"].captions == ("one", "six")
    assert rejects(report) == {"malformed row": 4, "not UTF-8": 1}
    assert report.rejects["malformed row"].examples[:2] == ["a.csv:3", "a.csv:4"]


@pytest.mark.parametrize("header", ["image:caption", "picture,words", "image", ""])
def test_a_list_without_the_columns_names_those_it_has(tmp_path: Path, header: str):
    text(tmp_path / "a.csv", header + "\na.jpg:x\n")
    with pytest.raises(InputError, match=f"a.csv has the columns '{header.split(',')[0]}'.*it needs image / .*caption"):
        read(readers.csv, tmp_path / "a.csv", to=tmp_path / "table")


def test_an_encoding_and_an_archive_that_cannot_be_read_get_a_sentence(tmp_path: Path):
    text(tmp_path / "a.csv", "image,caption\n", "utf-16")
    with pytest.raises(InputError, match="UTF-16: save it as UTF-8"):
        read(readers.csv, tmp_path / "a.csv", to=tmp_path / "table")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"image,caption\n" * 999)[:40])
    with pytest.raises(InputError, match=r"cannot read .*a\.csv\.gz"):
        read(readers.csv, tmp_path / "a.csv.gz", to=tmp_path / "table")


def test_a_token_file_is_known_by_its_lines(tmp_path: Path):
    photo(tmp_path / "a.jpg")
    text(tmp_path / "mine.token", "a.jpg#0\tA dog , a cat .\nbroken line\na.jpg#1\tTwo .\n")
    items, report = read(readers.csv, tmp_path / "mine.token", to=tmp_path / "table")
    assert items["a"].captions == ("A dog , a cat .", "Two .")
    assert report.rejects["malformed row"].examples == ["mine.token:2"]


def test_json_lines_hold_photos_videos_and_stretches(tmp_path: Path):
    photo(tmp_path / "a.jpg"), video(tmp_path / "b.mp4")
    text(
        tmp_path / "a.jsonl",
        '\ufeff{"image": "a.jpg", "captions": ["one", "two"], "split": "dev", "id": "../first"}\n'
        '{"video": "b.mp4", "caption": "three", "span": [500, 1500]}\n'
        '{"video": "b.mp4", "caption": "four", "span": [1500]}\n'
        '{"image": "a.jpg", "caption": 5}\n{"caption": "six"}\n[1]\nno json\n',
    )
    items, report = read(readers.jsonl, tmp_path / "a.jsonl", to=tmp_path / "table")
    assert short(items) == {"first": ("val", ("one", "two")), "b@500-1500": ("train", ("three",))}
    assert items["b@500-1500"].span == (500, 1500) and len(items["b@500-1500"].images) == 10
    assert rejects(report) == {"malformed row": 5}


def test_a_plain_folder_has_a_text_beside_each_picture(tmp_path: Path):
    source = tmp_path / "in"
    photo(source / "a.jpg"), photo(source / "sub/a.jpg"), photo(source / "b.png"), video(source / "c.mp4")
    photo(source / ".hidden/d.jpg")
    text(source / "a.txt", "\ufeffone\ntwo\n"), text(source / "sub/a.txt", "three"), text(source / "c.txt", "four\n\n")
    items, report = read(readers.folder, source, to=tmp_path / "table")
    assert {id: item.captions for id, item in items.items()} == {
        "a": ("one", "two"), "sub/a": ("three",), "c": ("four",),
    }  # fmt: skip
    assert len(items["c"].images) == 20 and rejects(report) == {"no caption": 1, "empty caption": 1}
    text(tmp_path / "none/a.txt", "x")
    with pytest.raises(InputError, match="no photos or videos"):
        read(readers.folder, tmp_path / "none", to=tmp_path / "other")


@pytest.mark.parametrize("name", ["captions.csv", "captions.jsonl"])
def test_a_plain_folder_may_have_one_list(tmp_path: Path, name: str):
    photo(tmp_path / "in/photos/a.jpg")
    content = "image,caption\na.jpg,one\n" if name.endswith("csv") else '{"image": "a.jpg", "caption": "one"}\n'
    text(tmp_path / "in" / name, content)
    items, _ = read(readers.folder, tmp_path / "in", to=tmp_path / "table")
    assert items["a"].captions == ("one",)


# Flickr


def test_flickr8k_as_its_publishers_give_it(tmp_path: Path):
    names = ["1_a.jpg", "2_b.jpg", "3_c.jpg", "4_d.jpg"]
    for name in names:
        photo(tmp_path / "Flicker8k_Dataset" / name)
    rows = [f"{name}#{i}\tCaption {i} of {name} .\n" for name in (*names, "1_a.jpg.1") for i in range(2)]
    text(tmp_path / "Flickr8k_text/Flickr8k.token.txt", "".join(rows))
    text(tmp_path / "Flickr8k_text/Flickr8k.lemma.token.txt", "1_a.jpg#0\tcaption be .\n")
    for split, name in zip(("train", "dev", "test"), names, strict=False):
        text(tmp_path / f"Flickr8k_text/Flickr_8k.{split}Images.txt", name + "\n")
    items, report = read(readers.flickr8k, tmp_path, to=tmp_path / "table")
    assert {id: (item.split, len(item.captions)) for id, item in items.items()} == {
        "1_a": ("train", 2), "2_b": ("val", 2), "3_c": ("test", 2),
    }  # fmt: skip
    assert items["1_a"].captions[0] == "Caption 0 of 1_a.jpg ."
    assert rejects(report) == {"in no known split": 2}


def test_flickr8k_of_kaggle_has_no_split(tmp_path: Path):
    photo(tmp_path / "Images/1_a.jpg")
    text(tmp_path / "captions.txt", 'image,caption\n1_a.jpg,"A dog , a cat ."\n')
    items, report = read(readers.flickr8k, tmp_path, to=tmp_path / "table")
    assert items["1_a"].captions == ("A dog , a cat .",) and any("no split" in note for note in report.notes)


def test_flickr30k_with_its_bars_and_its_bad_row(tmp_path: Path):
    """Row 19999 of `results.csv` lacks a bar; header and cells begin with spaces; quotes mean nothing."""
    for name in ("1000092795.jpg", "2199200615.jpg"):
        photo(tmp_path / "flickr30k_images" / name)
    rows = [
        "image_name| comment_number| comment",
        '1000092795.jpg| 0| Two young guys , "hanging out" in the yard .',
        '1000092795.jpg| 1| " An open quote .',
        *(f"2199200615.jpg| {i}| A dog runs {i} ." for i in range(4)),
        "2199200615.jpg| 4   A dog runs across the grass .",
    ]
    text(tmp_path / "results.csv", "\n".join(rows) + "\n")
    items, report = read(readers.flickr30k, tmp_path, to=tmp_path / "table")
    assert items["1000092795"].captions == ('Two young guys , "hanging out" in the yard .', '" An open quote .')
    assert len(items["2199200615"].captions) == 4
    assert report.rejects["malformed row"].examples == ["results.csv:8"]


def test_flickr30k_as_tokens(tmp_path: Path):
    photo(tmp_path / "a.jpg")
    text(tmp_path / "results_20130124.token", "a.jpg#0\tA dog .\n")
    assert read(readers.flickr30k, tmp_path, to=tmp_path / "table")[0]["a"].captions == ("A dog .",)


# COCO


def coco(names: dict[int, str]) -> dict[str, Any]:
    notes = [{"image_id": id, "id": 10 * id + i, "caption": f"caption {i}"} for id in names for i in range(2)]
    return {"images": [{"id": id, "file_name": name} for id, name in names.items()], "annotations": notes}


def test_coco_takes_its_split_from_the_names_of_its_files(tmp_path: Path):
    train, val = coco({1: "000001.jpg", 2: "000002.jpg"}), coco({3: "COCO_val2014_000003.jpg"})
    train["annotations"] += [{"image_id": 99, "caption": "x"}, {"image_id": 1}, None]
    photo(tmp_path / "in/train2017/000001.jpg"), photo(tmp_path / "in/val2017/COCO_val2014_000003.jpg")
    as_json(tmp_path / "in/annotations/captions_train2017.json", train)
    as_json(tmp_path / "in/annotations/captions_val2017.json", val)
    as_json(tmp_path / "in/annotations/instances_val2017.json", {"images": []})
    items, report = read(readers.coco, tmp_path / "in", to=tmp_path / "table")
    assert short(items) == {
        "000001": ("train", ("caption 0", "caption 1")),
        "COCO_val2014_000003": ("val", ("caption 0", "caption 1")),
    }
    assert rejects(report) == {"malformed row": 3, "missing photo": 1}


def test_coco_without_photos_is_words_alone_and_one_file_is_divided(tmp_path: Path):
    path = as_json(tmp_path / "captions_val2017.json", coco({i: f"{i:06}.jpg" for i in range(40)}))
    items, report = read(readers.coco, path, to=tmp_path / "table", choices=Choices(Shares(0.3, 0.3)))
    assert all(item.images == () and len(item.captions) == 2 for item in items.values())
    assert len({item.split for item in items.values()}) == 3
    assert "no pictures among the sources: the items are words alone" in report.notes


def test_karpathys_restval_is_trained_on(tmp_path: Path):
    said = [{"raw": " A dog. ", "tokens": ["a", "dog"]}, {"tokens": ["two", "cats"]}]
    images: list[Any] = [
        {"filename": f"{split}.jpg", "filepath": "val2014", "split": split, "sentences": said}
        for split in ("train", "restval", "val", "test")
    ]
    path = as_json(tmp_path / "dataset_coco.json", {"images": [*images, {"filename": "x.jpg"}], "dataset": "coco"})
    items, report = read(readers.karpathy, path, to=tmp_path / "table")
    assert {id: item.split for id, item in items.items()} == {
        "train": "train", "restval": "train", "val": "val", "test": "test",
    }  # fmt: skip
    assert items["val"].captions == ("A dog.", "two cats") and rejects(report) == {"malformed row": 1}


@pytest.mark.parametrize("reader", [readers.coco, readers.karpathy, readers.msrvtt])
def test_another_json_gets_a_sentence_that_names_what_it_holds(tmp_path: Path, reader: Any):
    with pytest.raises(InputError, match=r"a\.json holds licenses, info: it needs lists called"):
        read(reader, as_json(tmp_path / "a.json", {"licenses": [], "info": 1}), to=tmp_path / "table")
    with pytest.raises(InputError, match=r"a\.json is no JSON or is damaged"):
        read(reader, text(tmp_path / "a.json", '{"images": ['), to=tmp_path / "table")


# Videos


def test_msrvtt_with_its_split_and_its_videos(tmp_path: Path):
    rows = [{"video_id": f"video{i}", "id": i, "split": s, "start time": 0.0, "end time": 2.0}
            for i, s in enumerate(["train", "validate", "test"])]  # fmt: skip
    sentences: list[Any] = [{"sen_id": i, "video_id": f"video{i % 3}", "caption": f"caption {i}"} for i in range(6)]
    sentences += [{"sen_id": 7, "video_id": "video9", "caption": "of no video"}, {"sen_id": 8}]
    as_json(tmp_path / "in/train_val_videodatainfo.json", {"info": {}, "videos": rows, "sentences": sentences})
    video(tmp_path / "in/TrainValVideo/video0.mp4", 3), text(tmp_path / "in/TrainValVideo/video1.mp4", "broken")
    items, report = read(readers.msrvtt, tmp_path / "in", to=tmp_path / "table")
    assert short(items) == {"video0": ("train", ("caption 0", "caption 3"))}
    assert len(items["video0"].images) == 28
    assert rejects(report) == {"malformed row": 2, "broken video": 1, "missing video": 1}
    alone, _ = read(readers.msrvtt, tmp_path / "in/train_val_videodatainfo.json", to=tmp_path / "words")
    assert {id: item.split for id, item in alone.items()} == {"video0": "train", "video1": "val", "video2": "test"}
    assert all(item.images == () and item.video == id for id, item in alone.items())


def test_msvd_with_its_lists(tmp_path: Path):
    text(tmp_path / "AllVideoDescriptions.txt", "# a comment\n\n-4w_sP_5_15 a squirrel eats a nut\nno id here\n"
         "-4w_sP_5_15 a chipmunk eats\nUXs_1_2 a man\nzzz_3_4 a woman\nnew_5_6 nobody's\n")  # fmt: skip
    for split, name in (("train", "-4w_sP_5_15"), ("val", "UXs_1_2.avi"), ("test", "zzz_3_4")):
        text(tmp_path / f"{split}_list.txt", name + "\n")
    items, report = read(readers.msvd, tmp_path, to=tmp_path / "table")
    assert short(items) == {
        "-4w_sP_5_15": ("train", ("a squirrel eats a nut", "a chipmunk eats")),
        "UXs_1_2": ("val", ("a man",)), "zzz_3_4": ("test", ("a woman",)),
    }  # fmt: skip
    assert rejects(report) == {"malformed row": 1, "in no known split": 1}


def test_activitynet_has_a_timed_item_a_sentence(tmp_path: Path):
    as_json(tmp_path / "in/train.json", {
        "v_a": {"duration": 2.0, "timestamps": [[0, 1.0], [0.5, 2.0], [1.5, 1.5], [2.0, 1.0], ["x", 1]],
                "sentences": ["one", " two", "none", "back", "bad"]},
        "v_b": {"duration": 1.0, "timestamps": [[0, 1]], "sentences": []}, "v_c": None,
    })  # fmt: skip
    for part, sentence in (("val_1", "three"), ("val_2", "four")):
        told = {"duration": 2.0, "timestamps": [[0, 2.0]], "sentences": [sentence]}
        as_json(tmp_path / f"in/{part}.json", {"v_v": told})
    video(tmp_path / "in/clips/v_a.mp4"), video(tmp_path / "in/clips/v_v.mp4")
    items, report = read(readers.activitynet, tmp_path / "in", to=tmp_path / "table")
    assert short(items) == {
        "v_a@0-1000": ("train", ("one",)), "v_a@500-2000": ("train", ("two",)),
        "v_v@0-2000": ("val", ("three", "four")),
    }  # fmt: skip
    item = items["v_a@500-2000"]
    assert (item.video, item.span) == ("v_a", (500, 2000)) and len(item.images) == 15
    assert rejects(report) == {"no stretch of time": 2, "malformed row": 3}


def test_stretches_of_a_video_are_in_one_split(tmp_path: Path):
    told = {"timestamps": [[i, i + 1] for i in range(4)], "sentences": list("abcd")}
    path = as_json(tmp_path / "train.json", {f"v_{i}": told for i in range(30)})
    items, _ = read(readers.activitynet, path, to=tmp_path / "table", choices=Choices(Shares(0.3, 0.3)))
    splits = {(item.video, item.split) for item in items.values()}
    assert len(splits) == 30 and len({split for _, split in splits}) == 3


# Words


def test_words_come_from_texts_columns_and_cocos_json(tmp_path: Path):
    reader = update_wrapper(partial(readers.text, columns=("Script", "descriptions")), readers.text)
    sources = [text(tmp_path / "a.txt", "One.\n  Two. \n"), text(tmp_path / "b.csv", "id,script,descriptions\n1,s,d\n"),
               as_json(tmp_path / "c.json", coco({1: "x.jpg"}))]  # fmt: skip
    items, _ = read(reader, *sources, to=tmp_path / "table")
    assert [item.captions[0] for item in items.values()] == ["One.", "Two.", "s", "d", "caption 0", "caption 1"]
    with pytest.raises(InputError, match="has the columns 'id', 'script', 'descriptions': it needs caption /"):
        read(readers.text, tmp_path / "b.csv", to=tmp_path / "other")


def test_files_given_one_by_one_are_told_apart(tmp_path: Path):
    photo(tmp_path / "photos/1_a.jpg")
    tokens = text(tmp_path / "Flickr8k.token.txt", "1_a.jpg#0\tA dog .\n")
    lists = [
        text(tmp_path / f"Flickr_8k.{split}Images.txt", name) for split, name in (("train", "1_a.jpg"), ("dev", "2"))
    ]
    items, _ = read(readers.flickr8k, *lists, tokens, tmp_path / "photos", to=tmp_path / "table")
    assert short(items) == {"1_a": ("train", ("A dog .",))}


def test_one_list_in_two_folders_is_not_read_twice(tmp_path: Path):
    photo(tmp_path / "in/a.jpg")
    for name in ("in/results.csv", "in/again/results.csv"):
        text(tmp_path / name, "image_name| comment_number| comment\na.jpg| 0| A dog .\n")
    with pytest.raises(InputError, match=r"results\.csv may be the same: give the one that is meant"):
        read(readers.flickr30k, tmp_path / "in", to=tmp_path / "table")
    items, _ = read(readers.flickr30k, tmp_path / "in/results.csv", tmp_path / "in", to=tmp_path / "table")
    assert items["a"].captions == ("A dog .",)
