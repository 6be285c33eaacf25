"""How the page looks and who can use it: axe, both themes, a phone's width, other scripts, and how long it takes."""

from __future__ import annotations

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


def test_axe_finds_nothing_serious(opened: Any, folder: Path) -> None:
    """With all that can be opened open; then blind; then with help: the dark theme differs in its colours alone."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python")
    page = opened(folder / "page.html").page
    page.keyboard.press("e")
    page.keyboard.press("2")
    page.evaluate("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
    for key in ("", "b", "?"):
        if key:
            page.keyboard.press(key)
        for scheme, only in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):
            page.emulate_media(color_scheme=scheme)
            found = axe.Axe().run(page, options=only).response["violations"]
            bad = [
                f"{one['id']}: {one['nodes'][0]['html']}"
                for one in found if one["impact"] in ("serious", "critical", "moderate")
            ]  # fmt: skip
            assert bad == [], (key, scheme)


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("light", 1440, "light"), ("dark", 1440, "dark"), ("phone", 390, "dark")]
)
def test_it_fits_its_window_and_is_kept_as_a_picture(
    opened: Any, folder: Path, artifacts: Path, name: str, width: int, scheme: str
) -> None:
    page = opened(folder / "page.html", scheme=scheme, width=width).page
    until(page, "document.querySelector('video').readyState >= 2")
    page.keyboard.press("e")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.screenshot(path=artifacts / f"page-{name}.png")
    page.evaluate("document.getElementById('captions').scrollIntoView()")
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


def test_two_thousand_slots_open_at_once_and_fill_as_they_are_read(opened: Any, tab: Any, tmp_path: Path) -> None:
    slots = 2000
    path = write_page(comparison(slots, LABELS[:2], tmp_path / "gone.mp4"), tmp_path / "page.html")
    inside = tab.context.new_cdp_session(tab)
    inside.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = worked(inside)
    seen = opened(path)
    page = seen.page
    assert worked(inside) - before < 5  # seconds of work, not of waiting for others; benchmarks/page.py measures
    assert page.locator(".slot").count() == slots
    assert page.locator(".slot.filled").count() < 40
    page.evaluate(f"document.getElementById('slot-{slots // 2}').scrollIntoView()")
    page.wait_for_selector(f"#slot-{slots // 2}.filled")
    assert page.locator(".slot.filled").count() < 80
    assert page.locator(".strip img").count() < 40, "pictures come as the strip is moved"
    page.evaluate("document.querySelector('.strip').scrollLeft = 1e9")
    page.wait_for_selector(".strip li:last-child img")
    seen.errors[:] = [error for error in seen.errors if "ERR_FILE_NOT_FOUND" not in error]


def worked(inside: Any) -> float:
    """Seconds that the page's main thread has been at work."""
    metrics = inside.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
