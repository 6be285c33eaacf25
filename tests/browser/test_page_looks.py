"""How the page looks and who can use it: axe, both themes, a phone's width, other scripts, and how long it takes."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from page_samples import LABELS, comparison, film
from page_waits import until
from vdesc_compare.comparison import Comparison
from vdesc_compare.page import write_page

KOREAN = ("한 남자가 복잡한 거리를 걸어가고 있다.", "자전거를 탄 사람이 빨간 버스 옆을 지나간다.")
ARABIC = ("رجل يمشي في شارع مزدحم.", "امرأة تنتظر عند المعبر (رقم 5).")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("looks")
    clip = film(folder / "clip.webm", "libvpx-vp9", seconds=6)
    write_page(spoken(comparison(6, LABELS, clip, failed="vlm")), folder / "page.html")
    return folder


def spoken(made: Comparison) -> Comparison:
    """The comparison with its second column in Korean and its third in Arabic."""
    columns = list(made.columns)
    for i, (language, said) in enumerate((("ko", KOREAN), ("ar", ARABIC)), 1):
        words = tuple(pick and replace(pick, text=said[pick.slot % 2], language=language) for pick in columns[i].picks)
        columns[i] = replace(columns[i], picks=words, candidates=tuple(filter(None, words)))
    return replace(made, columns=tuple(columns))


@pytest.mark.parametrize("state", ["plain", "evidence", "blind", "help", "open"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Any, folder: Path, scheme: str, state: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    page = opened(folder / "page.html", color_scheme=scheme).page
    page.keyboard.press({"plain": "0", "evidence": "e", "blind": "b", "help": "?", "open": "2"}[state])
    if state == "open":
        page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    bad = [
        f"{one['id']}: {one['nodes'][0]['html']}"
        for one in found
        if one["impact"] in ("serious", "critical", "moderate")
    ]
    assert bad == []


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("light", 1440, "light"), ("dark", 1440, "dark"), ("phone", 390, "dark")]
)
def test_it_fits_its_window_and_is_kept_as_a_picture(
    opened: Any, folder: Path, artifacts: Path, name: str, width: int, scheme: str
) -> None:
    page = opened(folder / "page.html", color_scheme=scheme, viewport={"width": width, "height": 1200}).page
    until(page, "document.querySelector('video').readyState >= 2")
    page.keyboard.press("e")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.screenshot(path=artifacts / f"page-{name}.png")
    page.evaluate("document.getElementById('captions').scrollIntoView()")
    page.wait_for_timeout(200)
    page.screenshot(path=artifacts / f"page-{name}-captions.png")
    assert (artifacts / f"page-{name}.png").stat().st_size > 10_000


def test_korean_and_arabic_keep_their_direction_and_language(opened: Any, folder: Path) -> None:
    page = opened(folder / "page.html").page
    said = page.locator("#slot-0 .said")
    assert [node.get_attribute("lang") for node in said.all()] == ["en", "ko", "ar"]
    assert page.evaluate(
        "[...document.querySelectorAll('#slot-0 .said')].map((n) => getComputedStyle(n).direction)"
    ) == ["ltr", "ltr", "rtl"]
    assert page.evaluate("getComputedStyle(document.querySelector('.said:lang(ko)')).wordBreak") == "keep-all"


@pytest.mark.parametrize(("slots", "labels"), [(600, LABELS), (2000, LABELS[:2])])
def test_long_videos_open_at_once_and_fill_as_they_are_read(
    opened: Any, tmp_path: Path, slots: int, labels: tuple[str, ...]
) -> None:
    path = write_page(comparison(slots, labels, tmp_path / "gone.mp4"), tmp_path / "page.html")
    start = time.perf_counter()
    seen = opened(path)
    took = time.perf_counter() - start
    page = seen.page
    assert took < 10  # a busy machine; benchmarks/page.py measures
    assert page.locator(".slot").count() == slots
    assert page.locator(".slot.filled").count() < 40
    page.evaluate(f"document.getElementById('slot-{slots // 2}').scrollIntoView()")
    page.wait_for_selector(f"#slot-{slots // 2}.filled")
    assert page.locator(".slot.filled").count() < 80
    seen.errors[:] = [error for error in seen.errors if "ERR_FILE_NOT_FOUND" not in error]
