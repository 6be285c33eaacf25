"""The cache gives back what was stored, and nothing that is damaged."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc.cache import Cache, default_root, key

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.fixture
def cache(tmp_path) -> Cache:
    return Cache(tmp_path / "cache")


@given(json_values)
def test_equal_parts_give_equal_keys(value):
    assert key("a", value) == key("a", value) != key("b", value)


def test_the_order_of_a_mapping_does_not_matter_but_that_of_a_list_does():
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})
    assert key([1, 2]) != key([2, 1])


def test_a_key_is_the_same_in_every_process():
    assert key("look", {"n": 3}, "é") == "991feab6e10014cafbaebfff621fb4b4"


@pytest.mark.parametrize("value", [0, "", [], {"a": [1, None, "é"]}, 0.1])
def test_a_value_comes_back(cache, value):
    cache.put("look", "k", value)
    assert cache.get("look", "k") == value
    assert cache.get("look", "other") is None and cache.get("observe", "k") is None


def test_what_is_forgotten_is_gone_and_may_be_forgotten_twice(cache):
    cache.put("look", "k", 1)
    cache.forget("look", "k")
    cache.forget("look", "k")
    assert cache.get("look", "k") is None


@pytest.mark.parametrize("damage", [b"", b'{"a": ', b"\xff\xfe"])
def test_damaged_files_are_as_if_they_were_not_there(cache, damage):
    cache.put("look", "k", {"a": 1})
    cache.put_arrays("k", {"a": np.arange(3)})
    for file in cache.root.rglob("k.*"):
        file.write_bytes(damage)
    assert cache.get("look", "k") is None and cache.get_arrays("k") is None


def test_arrays_come_back_with_shape_and_type(cache):
    arrays = {"a": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.zeros((0, 4), np.int64)}
    cache.put_arrays("k", arrays)
    found = cache.get_arrays("k")
    assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
        "a": ((2, 3), np.float16), "b": ((0, 4), np.int64),
    }  # fmt: skip
    assert np.array_equal(found["a"], arrays["a"])


def test_a_cache_that_is_off_finds_nothing_but_stores(cache):
    off = Cache(cache.root, enabled=False)
    off.put("look", "k", 1)
    off.put_arrays("k", {"a": np.zeros(1)})
    assert off.get("look", "k") is None and off.get_arrays("k") is None
    assert cache.get("look", "k") == 1 and cache.get_arrays("k")


def test_usage_counts_files_and_bytes_and_clearing_one_part_leaves_the_others(cache):
    cache.put("look", "k", "12345678")
    cache.put("observe", "k", 1)
    assert {use.part: (use.files, use.size) for use in cache.usage()}["look"] == (1, 10)
    cache.clear("look")
    assert {use.part for use in cache.usage() if use.files} == {"observe"}


def test_clearing_all_touches_nothing_else_under_the_root(cache):
    cache.put("look", "k", 1)
    (cache.root / "mine.txt").write_text("keep")
    cache.clear()
    assert [path.name for path in cache.root.iterdir()] == ["mine.txt"]


def test_the_root_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("VDESC_CACHE", "/a")
    assert default_root() == Path("/a")
    monkeypatch.delenv("VDESC_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert default_root() == Path("/b/vdesc")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_root() == Path.home() / ".cache/vdesc"
