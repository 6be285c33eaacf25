"""`vdesc convert`: whichever converter reads the source does the work; each mistake is one sentence."""

from pathlib import Path

import pytest
from pydantic import Field
from vdesc import Converter, InputError, SettingsError, converting
from vdesc.converting import convert
from vdesc.registry import Registry
from vdesc.testing import module


class Notes(Converter):
    """Reads notes."""

    name = "notes"

    class Options(Converter.Options):
        """Which."""

        mark: str = Field("-", description="The mark of a note.")

    def reads(self, source: Path) -> bool:
        return source.suffix == ".note"

    def convert(self, source: Path, out: Path) -> list[str]:
        out.write_text(f"{self.options.mark} {source.read_text()}")
        self.note("it was short")
        return [f"wrote {out.name}"]


class Greedy(Notes):
    """Reads everything."""

    name = "greedy"

    def reads(self, source: Path) -> bool:
        return True


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch):
    """Makes the given converters the only plugins."""

    def bring(*plugins: type[Converter]) -> None:
        registry = Registry()
        registry.entries = []
        registry.register(module(*plugins))
        monkeypatch.setattr(converting, "Registry", lambda: registry)

    return bring


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "a.note"
    path.write_text("hello")
    return path


def test_the_converter_that_reads_the_source_is_used_with_its_options(brought, note, tmp_path):
    brought(Notes)
    assert convert(note, tmp_path / "out.txt", sets=["mark='*'"]) == ["wrote out.txt", "it was short"]
    assert (tmp_path / "out.txt").read_text() == "* hello"


def test_a_converter_can_be_named(brought, note, tmp_path):
    brought(Notes, Greedy)
    with pytest.raises(SettingsError, match=r"several converters read .*--with greedy or notes"):
        convert(note, tmp_path / "out.txt")
    assert convert(note, tmp_path / "out.txt", "greedy")[0] == "wrote out.txt"


@pytest.mark.parametrize(
    ("source", "sets", "said"),
    [
        ("absent.note", [], "cannot find"),
        ("b.txt", [], "no converter reads .*--with .notes"),
        ("a.note", ["mark"], "write option=value"),
        ("a.note", ["mrak=1"], "no option 'mrak' .*did you mean 'mark'"),
    ],
)
def test_mistakes_are_one_sentence(brought, note, tmp_path, source, sets, said):
    brought(Notes)
    (tmp_path / "b.txt").write_text("")
    with pytest.raises((InputError, SettingsError), match=said):
        convert(tmp_path / source, tmp_path / "out.txt", sets=sets)
    assert not (tmp_path / "out.txt").exists()
