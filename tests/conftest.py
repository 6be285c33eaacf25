"""What all tests share: no network, a cache of their own, and the project's shared data where it is there."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from vdesc import cli

settings.register_profile("steady", deadline=None)  # a busy machine is no failure
settings.load_profile("steady")

os.environ["HF_HUB_OFFLINE"] = "1"  # before any test imports transformers: no test may wait for a network
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers take no cores from each other


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VDESC_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data beside the repository; tests that use it skip where it is not."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside the repository")
    return folder


@pytest.fixture
def vdesc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process; gives exit code, output, and errors."""

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vdesc", *map(str, args)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run
