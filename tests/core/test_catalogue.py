"""The table of plugins is kept, and made anew when what it tells has changed."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vdesc import catalogue as module
from vdesc.catalogue import catalogue
from vdesc.entries import Entry, entries

PLUGIN = '''
from vdesc import Captioner, hookimpl
class Hello(Captioner):
    """{about}"""
    name = "hello"
    def propose(self, slots, n=1):
        return []
@hookimpl
def captioners():
    return [Hello]
'''


@pytest.fixture
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The source file of one more plugin that is installed, as far as metadata tells."""
    source = tmp_path / "hello_plugin.py"
    source.write_text(PLUGIN.format(about="Says hello."))
    monkeypatch.syspath_prepend(tmp_path)
    point = importlib.metadata.EntryPoint("hello", "hello_plugin", "vdesc")
    with_one = [*entries(), Entry("hello", "hello_plugin", "hello", "1", point)]
    monkeypatch.setattr(module, "entries", lambda: with_one)
    monkeypatch.setattr("vdesc.registry.entries", lambda: with_one)
    yield source
    sys.modules.pop("hello_plugin", None)


def about(name: str) -> str:
    return next(row["about"] for row in catalogue()["plugins"] if row["name"] == name)


def test_a_kept_table_is_told_without_importing_a_plugin(own_cache: Path):
    script = "import json, sys; from vdesc.catalogue import catalogue; print(len(catalogue()['plugins']));"
    script += "print(json.dumps([name for name in sys.modules if name.startswith('vdesc_') or name == 'pydantic']))"
    first, second = (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    )
    assert first[0] == second[0] and int(first[0]) >= 10
    assert "vdesc_clipgpt" in json.loads(first[1])
    assert json.loads(second[1]) == []


def test_a_changed_source_is_seen(hello: Path):
    assert about("hello") == "Says hello."
    sys.modules.pop("hello_plugin")
    hello.write_text(PLUGIN.format(about="Says good morning."))
    os.utime(hello, ns=(1, 1))
    assert about("hello") == "Says good morning."


def test_what_is_broken_is_not_kept(hello: Path):
    hello.write_text("import a_package_that_is_not_there")
    assert [row["entry"] for row in catalogue()["broken"]] == ["hello"]
    sys.modules.pop("hello_plugin", None)
    hello.write_text(PLUGIN.format(about="Mended."))
    assert about("hello") == "Mended."


def test_a_cache_that_cannot_be_written_does_not_matter(own_cache: Path, monkeypatch: pytest.MonkeyPatch):
    blocked = own_cache / "file"
    blocked.write_text("")
    monkeypatch.setenv("VDESC_CACHE", str(blocked / "cache"))
    assert len(catalogue()["plugins"]) >= 10
