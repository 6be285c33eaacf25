"""ONNX networks: what is missing or wrong is one sentence."""

import os
import subprocess
import sys

import pytest
from vdesc import MissingExtra, ModelError
from vdesc.onnx import session


def test_a_missing_runtime_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"eye needs the package onnxruntime: pip install 'vdesc\[evidence\]'"):
        session(tmp_path / "net.onnx", "eye", "evidence")


def test_a_missing_file_and_a_file_that_is_no_network_are_named(tmp_path):
    pytest.importorskip("onnxruntime")
    with pytest.raises(ModelError, match=r"eye: there is no model file .*net\.onnx"):
        session(tmp_path / "net.onnx", "eye", "evidence")
    (tmp_path / "net.onnx").write_text("no network")
    with pytest.raises(ModelError, match=r"net\.onnx is no ONNX network") as caught:
        session(tmp_path / "net.onnx", "eye", "evidence")
    assert "\n" not in str(caught.value)


def test_the_runtime_tells_its_makers_nothing(tmp_path):
    pytest.importorskip("onnxruntime")
    code = "import vdesc, onnxruntime"
    home = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")} | {"HOME": str(tmp_path)}
    home.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", code], env=home, check=True)
    assert list(tmp_path.rglob("*")) == []
