"""Pickles of others: read where they hold arrays, tensors and words, refused before anything in them runs."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from data_samples import as_json, photo, read, rejects, text
from vdesc.errors import InputError
from vdesc_training import readers
from vdesc_training.features import FeatureStore
from vdesc_training.unpickling import unpickle


class Runs:
    """Pickles as a call of any function."""

    def __init__(self, call: Any, *args: Any):
        self.call = (call, args)

    def __reduce__(self) -> Any:
        return self.call


def dump(path: Path, data: Any, protocol: int = 4) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_tensors_words_and_numbers_come_back(tmp_path: Path, protocol: int):
    data = {
        "floats": np.arange(6, dtype=">f4").reshape(2, 3), "order": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "scalar": np.float32(1.5), "tensor": torch.arange(6.0).reshape(2, 3).T, "half": torch.ones(3).half(),
        "plain": [1, 2.5, "ü", None, True, b"\x00\xff", (1, {2: 3}), OrderedDict(a=1)],
    }  # fmt: skip
    found = unpickle(dump(tmp_path / "a.pkl", data, protocol))
    for name in ("floats", "order", "scalar"):
        assert np.array_equal(found[name], data[name]) and found[name].dtype.str[1:] == data[name].dtype.str[1:]
    assert torch.equal(found["tensor"], data["tensor"]) and found["half"].dtype == torch.float16
    assert found["plain"] == data["plain"]


@pytest.mark.parametrize(
    "call",
    [
        lambda mark: Runs(os.system, f"touch {mark}"),
        lambda mark: Runs(eval, f"open({str(mark)!r}, 'w')"),
        lambda mark: Runs(getattr, Runs(__import__, "os"), "system"),
        lambda mark: Runs(torch.load, str(mark)),
        lambda mark: Runs(np.load, str(mark)),
        lambda mark: {"captions": [Runs(Path, str(mark))]},
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_calls_anything_else_is_refused_and_nothing_runs(tmp_path: Path, call: Any, protocol: int):
    mark = tmp_path / "mark"
    path = dump(tmp_path / "evil.pkl", call(mark), protocol)
    with pytest.raises(InputError, match=r"evil\.pkl asks for .*: of a pickle only arrays"):
        unpickle(path)
    assert not mark.exists()


def test_a_pickle_within_a_tensor_is_refused_as_well(tmp_path: Path):
    """torch's own pickles of tensors hold a pickle of their storage, which plain unpickling would run."""
    mark = tmp_path / "mark"
    inner = tmp_path / "inner.pt"
    torch.save(Runs(os.system, f"touch {mark}"), inner, _use_new_zipfile_serialization=False)
    path = dump(tmp_path / "evil.pkl", Runs(torch.storage._load_from_bytes, inner.read_bytes()))
    with pytest.raises(InputError, match=r"evil\.pkl"):
        unpickle(path)
    assert not mark.exists()


@pytest.mark.parametrize("data", [np.array([{"a": 1}], dtype=object), lambda: None, 1 + 2j])
def test_what_is_no_number_and_no_text_is_refused(tmp_path: Path, data: Any):
    if callable(data):
        data = os.getcwd
    with pytest.raises(InputError, match="only"):
        unpickle(dump(tmp_path / "a.pkl", data))


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps(list(range(1000)))[:500]])
def test_a_damaged_pickle_gets_a_sentence(tmp_path: Path, content: bytes):
    path = tmp_path / "a.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pkl is no pickle or is damaged"):
        unpickle(path)


def clipcap_pickle(folder: Path, width: int = 6) -> tuple[Path, torch.Tensor]:
    matrix = torch.randn(4, width, generator=torch.Generator().manual_seed(0))
    captions = [
        {"image_id": name, "id": i, "caption": f"caption {i}", "clip_embedding": i}
        for i, name in enumerate(["000001", "000001", "000002", "000003"])
    ]
    captions[3]["caption"] = float("nan")
    captions.append({"image_id": "9", "caption": "no such row", "clip_embedding": 7})
    return dump(folder / "oscar_split_ViT-B_32_train.pkl", {"clip_embedding": matrix, "captions": captions}), matrix


def test_clipcap_becomes_one_item_a_photo_with_its_features(tmp_path: Path):
    path, matrix = clipcap_pickle(tmp_path)
    items, report = read(readers.clipcap, path, to=tmp_path / "table")
    assert {id: item.captions for id, item in items.items()} == {
        "000001": ("caption 0", "caption 1"), "000002": ("caption 2",),
    }  # fmt: skip
    assert rejects(report) == {"malformed row": 2}
    features = FeatureStore(tmp_path / "table", "clipcap-ViT-B_32-6")
    assert torch.equal(features.get("000001"), matrix[0].reshape(1, 1, 6)) and len(features) == 2
    assert features.about["encoder"] == "ViT-B_32" and features.about["normalised"] is False
    read(readers.clipcap, path, to=tmp_path / "table")  # again: nothing is stored twice


@pytest.mark.parametrize(("rows", "said"), [([0, 1, 2, 3, 7], "agrees with"), ([0, 1], "does not belong to")])
def test_clipcaps_token_cache_is_compared_with_its_pickle(tmp_path: Path, rows: list[int], said: str):
    path, _ = clipcap_pickle(tmp_path)
    tokens = dump(tmp_path / "oscar_split_ViT-B_32_train_tokens.pkl", [[torch.tensor([5, 6])] * len(rows), rows, 12])
    _, report = read(readers.clipcap, path, tokens, to=tmp_path / "table")
    assert any(said in note for note in report.notes)
    with pytest.raises(InputError, match="tokens alone"):
        read(readers.clipcap, tokens, to=tmp_path / "other")


def test_clip_gpts_list_becomes_one_item_a_photo_with_its_features(tmp_path: Path):
    vectors = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32)
    rows: list[Any] = [("a.jpg", vectors[0], "one"), ("a.jpg", vectors[0], "two"), ("b.jpg", vectors[1], "three")]
    rows += [("c.jpg", vectors[2], None), ("d.jpg", "no array", "four"), ("e.jpg",)]
    path = dump(tmp_path / "dataset.pkl", rows)
    photo(tmp_path / "photos/a.jpg")
    items, report = read(readers.clip_gpt, path, tmp_path / "photos", to=tmp_path / "table")
    assert items["a"].captions == ("one", "two") and items["a"].images == ("images/a.jpg",)
    assert items["b"].captions == ("three",) and items["b"].images == ()
    assert rejects(report) == {"malformed row": 3}
    features = FeatureStore(tmp_path / "table", "clip-gpt-8")
    assert np.array_equal(features.get("b").numpy(), vectors[1].reshape(1, 1, 8))


@pytest.mark.parametrize(
    ("reader", "data", "said"),
    [
        (readers.clipcap, [1, 2], "no clip_embedding"),
        (readers.clipcap, {"clip_embedding": torch.zeros(3), "captions": []}, "no clip_embedding"),
        (readers.clip_gpt, {"a": 1}, "no list of"),
    ],
)
def test_a_pickle_of_another_form_gets_a_sentence(tmp_path: Path, reader: Any, data: Any, said: str):
    with pytest.raises(InputError, match=said):
        read(reader, dump(tmp_path / "dataset.pkl", data), to=tmp_path / "table")


def test_nyus_features_join_msrvtts_captions(tmp_path: Path):
    videos = [{"video_id": f"video{i}", "split": split} for i, split in enumerate(["train", "validate", "test"])]
    sentences = [{"video_id": f"video{i}", "caption": f"caption {i}"} for i in (0, 0, 1, 2)]
    path = as_json(tmp_path / "train_val_videodatainfo.json", {"videos": videos, "sentences": sentences})
    values = np.random.default_rng(0).standard_normal((28, 512)).astype(np.float16)
    with h5py.File(tmp_path / "features.hdf5", "w") as file:
        file["video0"], file["video1"], file["odd"] = values, values + 1, np.zeros(3)
    items, report = read(readers.nyu, path, tmp_path / "features.hdf5", to=tmp_path / "table")
    assert {id: (item.split, len(item.captions)) for id, item in items.items()} == {
        "video0": ("train", 2), "video1": ("val", 1),
    }  # fmt: skip
    assert rejects(report) == {"no features": 1}
    found = FeatureStore(tmp_path / "table", "nyu-ViT-B-32-28").get("video0")
    assert found.shape == (28, 1, 512) and np.array_equal(found[:, 0].numpy(), values)


def test_nyu_without_or_with_damaged_features_gets_a_sentence(tmp_path: Path):
    path = as_json(tmp_path / "a.json", {"videos": [], "sentences": []})
    with pytest.raises(InputError, match=r"no \.hdf5"):
        read(readers.nyu, path, to=tmp_path / "table")
    with pytest.raises(InputError, match="no HDF5 or is damaged"):
        read(readers.nyu, path, text(tmp_path / "a.hdf5", "nothing"), to=tmp_path / "table")
