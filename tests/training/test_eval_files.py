"""Captions in files: the forms that people have, and a sentence for each that cannot be used."""

import json
from pathlib import Path

import pytest
from vdesc.errors import InputError
from vdesc_training.caption_files import read_items, read_predictions, read_references
from vdesc_training.cases import from_files
from vdesc_training.table import Item, write_table


@pytest.fixture
def write(tmp_path: Path):
    """Writes a file, JSON where it is no text."""

    def written(content: object, name: str = "captions.json") -> Path:
        data = content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    return written


@pytest.mark.parametrize(
    "content",
    [
        {"1": "a dog", "2": "a cat"},
        {"1": ["a dog"], "2": ["a cat"]},
        [{"image_id": 1, "caption": "a dog"}, {"image_id": 2, "caption": "a cat", "id": None}],
        [{"id": "1", "captions": ["a dog"]}, {"video_id": "2", "text": "a cat"}],
        '{"id": "1", "prediction": "a dog"}\n\n{"image": "2", "caption": "a cat"}\n',
        '\ufeff{"1": "a dog", "2": "a cat"}',
        '\ufeff{"id": 1, "caption": "a dog"}\r\n{"id": 2, "caption": "a cat"}\r\n',
    ],
    ids=["texts", "nyu", "coco", "rows", "lines", "bom", "bom lines"],
)
def test_predictions_are_read_in_every_form(write, content: object):
    assert read_predictions(write(content)) == {"1": ["a dog"], "2": ["a cat"]}


def test_a_list_of_texts_holds_candidates_the_first_one_first(write):
    assert read_predictions(write({"v": ["one", "two"]})) == {"v": ["one", "two"]}


def test_one_line_with_an_id_is_one_row_not_a_table_of_ids(write):
    assert read_predictions(write('{"id": "x", "caption": "a dog"}')) == {"x": ["a dog"]}


def test_a_line_separator_within_a_caption_ends_no_line(write):
    text = '{"id": "x", "caption": "a\u2028dog"}\n{"id": "y", "caption": "a cat"}'
    assert read_predictions(write(text)) == {"x": ["a\u2028dog"], "y": ["a cat"]}


def test_halves_of_characters_are_replaced(write):
    assert read_predictions(write('{"x": "a \\ud800 dog"}')) == {"x": ["a ? dog"]}


def test_references_of_one_id_belong_together(write, tmp_path: Path):
    rows = [{"image_id": 1, "caption": "a dog", "id": 9}, {"image_id": 1, "caption": "the dog", "id": 10}]
    found = {"1": ["a dog", "the dog"]}
    assert read_references(write({"info": {}, "images": [{"id": 1}], "annotations": rows}), "test") == found
    assert read_references(write(rows), "test") == found
    assert read_references(write({"1": ["a dog", "the dog"]}), "test") == found
    write_table(tmp_path, [Item("1", ("1.jpg",), "test", ("a dog", "the dog")), Item("2", (), "val", ("x",))])
    assert read_references(tmp_path, "test") == found


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "holds no captions"),
        ("{}", "holds no captions"),
        ("[]", "holds no captions"),
        ("dog,cat\n1,2\n", "is no JSON and no JSON lines"),
        ('{"1": "a dog"', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("7", "entry 1 has no id and caption"),
        ('["a dog"]', "entry 1 has no id and caption"),
        ([{"image_id": 1, "caption": "x"}, {"image_id": 2}], "entry 2 has no id and caption"),
        ({"1": 7}, "captions of '1' are no text"),
        ({"1": []}, "captions of '1' are no text"),
        ({"1": ["x", None]}, "captions of '1' are no text"),
        ('{"1": "a dog", "2": "x", "1": "a cat"}', "the id '1' twice"),
        ([{"image_id": 1, "caption": "x"}, {"image_id": "1", "caption": "y"}], "the id '1' twice"),
        (b"\xff\xfe\x00", "no UTF-8 text"),
    ],
)
def test_a_file_that_is_no_predictions_gets_a_sentence(write, content: object, sentence: str):
    path = write(content)
    with pytest.raises(InputError, match=sentence) as error:
        read_predictions(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there_gets_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot read.*No such file"):
        read_predictions(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot read"):
        read_predictions(tmp_path)


def test_ids_of_one_file_only_are_left_out_and_named(write):
    said = write({"1": "a dog", "3": "a fish"}, "said.json")
    truth = write({"1": ["the dog"], "2": ["a cat"]}, "truth.json")
    gathered = from_files(said, truth, "test")
    assert [(case.id, case.chosen, case.references) for case in gathered.cases] == [("1", "a dog", ("the dog",))]
    assert gathered.rejects == {"3": "not in truth.json", "2": "not in said.json"}


def test_files_without_a_common_id_are_refused(write):
    said, truth = write({"a.jpg": "a dog"}, "said.json"), write({"a": ["the dog"]}, "truth.json")
    with pytest.raises(InputError, match=r"no id in common \('a.jpg' against 'a'\)"):
        from_files(said, truth, "test")


def test_references_in_a_table_bring_their_pictures(write, tmp_path: Path):
    table = tmp_path / "table"
    write_table(table, [Item("1", ("x/1.jpg",), "test", ("the dog",))])
    with (table / "captions.jsonl").open("a") as file:
        file.write('{"id": "2", "images": ["2.jpg"], "split": "test", "captions": []}\n')
    gathered = from_files(write({"1": "a dog", "2": "a cat"}), table, "test")
    assert [case.pictures for case in gathered.cases] == [(table / "x/1.jpg",)]
    assert gathered.rejects == {"2": "it has no reference"}


def test_a_split_without_items_and_an_id_twice_get_a_sentence(tmp_path: Path):
    write_table(
        tmp_path, [Item("1", (), "train", ("x",)), Item("1", (), "train", ("y",)), Item("2", (), "val", ("x",))]
    )
    with pytest.raises(InputError, match=r"no items in the split 'test' \(splits: train, val\)"):
        read_items(tmp_path, "test")
    with pytest.raises(InputError, match="the id '1' twice"):
        read_items(tmp_path, "train")
    assert [item.id for item in read_items(tmp_path, "val")] == ["2"]
    with pytest.raises(InputError, match="no caption table"):
        read_items(tmp_path / "none", "test")
