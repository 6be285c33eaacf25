"""A real browser: the distribution's Chromium, headless, driven by Playwright. Without either the tests skip."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

Open = Callable[..., "Seen"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("there is no Chromium: apt-get install chromium")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # whom Chromium's sandbox refuses
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"] if root else [])
        yield browser
        browser.close()


@dataclass
class Seen:
    """A page that is open, and what it did besides showing itself."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def tab(browser: Any) -> Any:
    """The one tab in which all pages are opened: a new one takes longer than all that a test does in it."""
    return browser.new_page(reduced_motion="reduce")


@pytest.fixture
def opened(tab: Any) -> Iterator[Open]:
    """Opens a file of this disk, nothing kept from others, and at the end checks that nothing was wrong with it."""
    seen = Seen(tab)

    def said(message: Any) -> None:
        if message.type in ("error", "warning"):
            seen.errors.append(message.text)

    watched = {
        "console": said,
        "pageerror": lambda error: seen.errors.append(str(error)),
        "request": lambda request: seen.requests.append(request.url),
    }
    for event, watch in watched.items():
        tab.on(event, watch)

    def open_(path: Path, ready: str = ".slot.filled", scheme: str = "light", width: int = 1440) -> Seen:
        tab.emulate_media(color_scheme=scheme)
        tab.set_viewport_size({"width": width, "height": 1200 if width < 1000 else 900})
        tab.goto(path.as_uri(), wait_until="commit")
        tab.wait_for_selector(ready, state="attached")
        return seen

    yield open_
    tab.evaluate("localStorage.clear()")
    for event, watch in watched.items():
        tab.remove_listener(event, watch)
    assert seen.errors == []
    assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots are kept: the folder that VDESC_ARTIFACTS names, else a temporary one."""
    folder = Path(os.environ.get("VDESC_ARTIFACTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
