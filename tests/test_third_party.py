"""Plugins of strangers, installed from their own projects into a fresh environment, found and run by `vdesc run`."""

import ensurepip
import importlib.util
import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest
from vdesc.testing import small_video

BRIGHTNESS = Path(__file__).parents[1] / "examples" / "brightness"


class Place:
    """An environment that sees the packages of this one, and what a test installs into it; no network is used."""

    def __init__(self, folder: Path):
        self.folder = folder
        venv.EnvBuilder(symlinks=os.name != "nt").create(folder / "env")
        self.python = folder / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        self.packages = Path(self._asked("import sysconfig; print(sysconfig.get_path('purelib'))"))
        ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        lines = [f"import site; site.addsitedir({path!r})\n" for path in sorted(ours)]  # with their .pth files
        (self.packages / "parent.pth").write_text("".join(lines))

    def install(self, project: Path) -> None:
        """Installs a project as a person does, but from this machine alone."""
        pip = ["-m", "pip"]
        if importlib.util.find_spec("pip") is None:  # uv makes environments without it; Python carries one
            pip = [str(next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")) / "pip")]
        copy = shutil.copytree(project, self.folder / project.name)  # building leaves things in the source folder
        options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
        done = subprocess.run([self.python, *pip, "install", *options, copy], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def vdesc(self, *args: object) -> subprocess.CompletedProcess[str]:
        """The command line of this environment."""
        call = "import sys; from vdesc.cli import main; sys.argv[0] = 'vdesc'; main()"
        command = [self.python, "-c", call, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder)

    def _asked(self, code: str) -> str:
        return subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def project(folder: Path, package: str, entry: str, module: str, source: str) -> Path:
    """A project of one module with one entry point."""
    folder = folder / package
    folder.mkdir()
    (folder / f"{module}.py").write_text(source)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools>=77"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{package}"\nversion = "3.1"\n[project.entry-points.vdesc]\n{entry} = "{module}"\n'
        f'[tool.setuptools]\npy-modules = ["{module}"]\n'
    )
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """An environment with the fifteen-line plugin of `examples/` and one that is broken."""
    made = Place(tmp_path_factory.mktemp("place"))
    made.install(BRIGHTNESS)
    made.install(project(tmp_path_factory.mktemp("work"), "vdesc-broken", "broken", "broken_words", "1 / 0\n"))
    small_video(made.folder / "clip.mp4", seconds=2)
    return made


def test_the_fifteen_lines_are_fifteen():
    lines = (BRIGHTNESS / "brightness.py").read_text().splitlines()
    assert sum(bool(line.strip()) and not line.strip().startswith('"""') for line in lines) <= 15


def test_a_strangers_plugin_is_run_by_name_though_another_is_broken(place, tmp_path):
    done = place.vdesc(
        "run", "clip.mp4", "--plugins", "brightness", "--format", "json", "--keyframes", "every:1s",
        "--set", "ranking.similarity=tokens", "-o", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "clip.json").read_text())
    assert {cue["text"] for cue in found["cues"]} <= {"A bright scene.", "A dark scene."} and found["cues"]
    assert found["cues"][0]["chosen"]["source"] == "brightness" and found["made_by"]["brightness"] == "0.1.0"
    assert "A bright scene." in done.stdout or "A dark scene." in done.stdout


def test_a_plugin_that_raises_on_import_is_reported_and_the_others_are_listed(place):
    done = place.vdesc("plugins", "list", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert listed["broken"] == [
        {"entry": "broken", "package": "vdesc-broken", "reason": "ZeroDivisionError: division by zero"}
    ]
    (mine,) = (plugin for plugin in listed["plugins"] if plugin["name"] == "brightness")
    assert (mine["package"], mine["version"]) == ("vdesc-brightness", "0.1.0")
    assert mine["about"] == "Says whether a scene is bright or dark."
    assert "broken: broken of vdesc-broken" in place.vdesc("plugins").stdout
    asked = place.vdesc("run", "clip.mp4", "--plugins", "broken")
    assert asked.returncode == 2
    assert "plugin 'broken' of vdesc-broken cannot be used: ZeroDivisionError" in asked.stderr


def test_the_contract_suite_runs_over_an_installed_plugin(place):
    done = place.vdesc("plugins", "check", "brightness")
    assert done.returncode == 0 and "brightness: keeps the contract" in done.stdout, done.stdout + done.stderr


def test_a_name_that_two_packages_bring_is_an_error_that_names_both(place, tmp_path):
    source = (BRIGHTNESS / "brightness.py").read_text()
    place.install(project(tmp_path, "vdesc-light", "brightness", "light_words", source))
    done = place.vdesc("run", "clip.mp4", "--plugins", "brightness")
    assert done.returncode == 2
    assert "two plugins are called 'brightness', from vdesc-brightness and vdesc-light" in done.stderr
