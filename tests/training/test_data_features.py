"""The feature store: whole or resumed, checked, lazy, and safe in worker processes."""

import json
import pickle
from pathlib import Path

import pytest
import torch
import vdesc_training.features as store
from torch.utils.data import DataLoader
from vdesc.errors import InputError
from vdesc_training.features import FeatureStore, FeatureWriter

ABOUT = {"encoder": "tiny", "size": (32, 32)}


def write(folder: Path, ids: range, dtype: torch.dtype = torch.float16) -> None:
    with FeatureWriter(folder, "tiny", ABOUT) as writer:
        for i in ids:
            if str(i) not in writer.done:
                writer.put(str(i), torch.full((2, 3, 4), i, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_what_is_put_comes_back_in_its_own_type(tmp_path: Path, dtype: torch.dtype):
    write(tmp_path, range(5), dtype)
    features = FeatureStore(tmp_path, "tiny", ABOUT)
    assert len(features) == 5 and "4" in features and "5" not in features
    assert features.about == json.loads(json.dumps(ABOUT))
    assert torch.equal(features.get("3"), torch.full((2, 3, 4), 3, dtype=dtype)) and features.get("3").dtype == dtype


def test_shards_are_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "SHARD_BYTES", 3 * 48)
    write(tmp_path, range(7))
    shards = sorted((tmp_path / "features/tiny").glob("*.safetensors"))
    assert len(shards) == 3
    features = FeatureStore(tmp_path, "tiny")
    assert [int(features.get(str(i))[0, 0, 0]) for i in range(7)] == list(range(7))


def test_a_slice_is_stored_without_what_it_was_cut_from(tmp_path: Path):
    big = torch.arange(10_000.0).reshape(-1, 1, 2)
    with FeatureWriter(tmp_path, "tiny", ABOUT) as writer:
        writer.put("a", big[3:5])
    assert torch.equal(FeatureStore(tmp_path, "tiny").get("a"), big[3:5])
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors")) < 1000


def test_a_killed_run_goes_on_after_its_last_whole_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(store, "SHARD_ITEMS", 4)
    killed = FeatureWriter(tmp_path, "tiny", ABOUT)
    for i in range(6):
        killed.put(str(i), torch.full((2, 3, 4), i, dtype=torch.float16))
    with pytest.raises(InputError, match="not whole: run what makes them again"):
        FeatureStore(tmp_path, "tiny")
    again = FeatureWriter(tmp_path, "tiny", ABOUT)
    assert again.done == {"0", "1", "2", "3"}
    write(tmp_path, range(6))
    features = FeatureStore(tmp_path, "tiny")
    assert [int(features.get(str(i))[0, 0, 0]) for i in range(6)] == list(range(6))


def test_what_was_encoded_before_an_error_is_kept_but_not_called_whole(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), FeatureWriter(tmp_path, "tiny", ABOUT) as writer:
        writer.put("a", torch.zeros(1, 1, 2))
        raise KeyboardInterrupt
    assert FeatureWriter(tmp_path, "tiny", ABOUT).done == {"a"}
    with pytest.raises(InputError, match="not whole"):
        FeatureStore(tmp_path, "tiny")


def test_what_is_wrong_gets_a_sentence(tmp_path: Path):
    with pytest.raises(InputError, match="not there: make them first"):
        FeatureStore(tmp_path, "tiny")
    write(tmp_path, range(2))
    with pytest.raises(InputError, match="made with other size"):
        FeatureStore(tmp_path, "tiny", ABOUT | {"size": 64})
    with pytest.raises(InputError, match="made with other encoder"):
        FeatureWriter(tmp_path, "tiny", ABOUT | {"encoder": "large"})
    with pytest.raises(InputError, match="no features of '7'"):
        FeatureStore(tmp_path, "tiny").get("7")
    shard = next(tmp_path.rglob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:20])
    with pytest.raises(InputError, match="missing or damaged"):
        FeatureStore(tmp_path, "tiny").get("0")
    (shard.parent / "index.json").write_text("{")
    with pytest.raises(InputError, match=r"index\.json is damaged"):
        FeatureStore(tmp_path, "tiny")


@pytest.mark.parametrize("features", [torch.zeros(2, 3), torch.zeros(1, 2, 3, 4)])
def test_features_have_rows_tokens_and_width(tmp_path: Path, features: torch.Tensor):
    with pytest.raises(ValueError, match="shape"):
        FeatureWriter(tmp_path, "tiny", ABOUT).put("a", features)


def test_an_item_is_put_once(tmp_path: Path):
    writer = FeatureWriter(tmp_path, "tiny", ABOUT)
    writer.put("a", torch.zeros(1, 1, 1))
    with pytest.raises(ValueError, match="before"):
        writer.put("a", torch.zeros(1, 1, 1))


def test_worker_processes_read_it_each_for_itself(tmp_path: Path):
    write(tmp_path, range(8))
    features = FeatureStore(tmp_path, "tiny")
    features.get("0")  # open before the workers start

    def collate(ids: list[str]) -> torch.Tensor:
        return torch.stack([features.get(id) for id in ids])

    loader = DataLoader([str(i) for i in range(8)], batch_size=4, num_workers=2, collate_fn=collate)
    assert [batch[:, 0, 0, 0].tolist() for batch in loader] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert torch.equal(pickle.loads(pickle.dumps(features)).get("5"), features.get("5"))
