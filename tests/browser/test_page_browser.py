"""The page in a browser: opens from disk, plays, seeks, sorts, finds; with a mouse and with the keyboard."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from page_samples import LABELS, comparison, film, photo
from page_waits import until
from vdesc.testing import picture
from vdesc_compare.page import write_page

STREET = Path(__file__).resolve().parents[2] / "examples" / "street.mp4"
NOW = "document.querySelector('video').currentTime"
LOADED = "document.querySelector('video').readyState >= 1"


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("clip") / "a clip & more #1.webm", "libvpx-vp9", seconds=6)


@pytest.fixture
def page(opened: Any, clip: Path) -> Any:
    """The page of six slots and four captioners, one of which failed; its video can be played."""
    path = write_page(comparison(6, LABELS, clip, failed="vlm"), clip.with_suffix(".html"))
    page = opened(path).page
    until(page, LOADED)
    return page


def texts(page: Any, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def slots(page: Any) -> list[int]:
    return [int(node.get_attribute("data-slot")) for node in page.locator(".slot").all()]


def here(page: Any) -> int:
    return int(page.locator(".slot.here").get_attribute("data-slot"))


def test_it_shows_all_that_was_said(page: Any) -> None:
    assert page.locator("h1").inner_text() == "a clip & more #1.webm"
    assert texts(page, "#slot-0 .cell .who bdi") == list(LABELS)
    said = texts(page, "#slot-0 .said")
    assert said[0] == "A man walks along a busy street." and len(said) == 3
    assert texts(page, "#slot-0 .error") == ["vlm: the model is missing <b>here</b>"]
    assert "Failed: vlm: the model is missing <b>here</b>" in page.locator("#glance").inner_text()
    assert "Someone walks a dog." in page.locator("#slot-0 .also").inner_text()


def test_the_video_plays_and_seeks_on_click(page: Any) -> None:
    page.locator("#slot-2 .frame").click()
    until(page, f"{NOW} > 2.4 && {NOW} < 2.6")
    page.locator("#slot-3 .time").click()
    until(page, f"{NOW} > 3.2")
    assert not page.evaluate("document.querySelector('video').paused")
    assert here(page) == 3
    page.evaluate("document.querySelector('video').pause()")
    track = page.locator(".track")
    track.click(position={"x": 0.75 * track.bounding_box()["width"], "y": 10})
    until(page, f"Math.abs({NOW} - 4.5) < 0.1")
    assert here(page) == 4
    page.locator(".strip button").nth(1).click()
    until(page, f"Math.abs({NOW} - 1.5) < 0.1")
    assert page.locator(".strip [aria-current]").count() == 1


def test_the_clip_of_the_examples_plays_or_the_page_says_that_it_does_not(opened: Any, tmp_path: Path) -> None:
    clip = Path(shutil.copy(STREET, tmp_path))
    page = opened(write_page(comparison(4, path=clip), tmp_path / "street.html")).page
    until(page, f"!document.querySelector('video') || {LOADED}")
    if page.locator("video").count():
        page.locator("#slot-2 .time").click()
        until(page, f"{NOW} > 2")
    else:
        assert "cannot play street.mp4" in page.locator("#trouble").inner_text()


@pytest.mark.parametrize("exists", [False, True])
def test_keyframes_take_the_place_of_a_video_that_cannot_be_played(opened: Any, tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "broken.mkv"
    if exists:
        path.write_bytes(b"no video at all")
    seen = opened(write_page(comparison(3, path=path), tmp_path / "page.html"))
    page = seen.page
    page.wait_for_selector("#trouble:not([hidden])")
    assert "cannot play broken.mkv" in page.locator("#trouble").inner_text()
    assert page.locator("#tracks").is_hidden()
    before = page.locator("#screen img").get_attribute("src")
    page.locator("#slot-2 .frame").click()
    assert page.locator("#screen img").get_attribute("src") != before
    assert page.locator("#screen img").get_attribute("alt") == "Keyframe at 0:02.5"
    seen.errors[:] = [error for error in seen.errors if "ERR_FILE_NOT_FOUND" not in error]


def test_subtitles_of_each_captioner_can_be_chosen(page: Any) -> None:
    showing = "[...document.querySelector('video').textTracks].filter((t) => t.mode === 'showing').map((t) => t.label)"
    assert page.evaluate(showing) == []
    page.get_by_role("radio", name="clipgpt@beam=5").check()
    assert page.evaluate(showing) == ["clipgpt@beam=5"]
    page.locator("#list .frame").nth(1).click()
    until(
        page,
        "[...document.querySelector('video').textTracks]"
        ".some((track) => track.activeCues?.[0]?.text.startsWith('A woman looks'))",
    )
    page.keyboard.press("3")
    assert page.evaluate(showing) == ["llava"]
    page.keyboard.press("4")  # it failed
    assert page.evaluate(showing) == ["llava"]
    page.keyboard.press("0")
    assert page.evaluate(showing) == []


def test_evidence_is_switched_on(page: Any) -> None:
    assert page.locator(".boxes rect").count() == 0
    page.get_by_role("checkbox", name="text").check()
    assert page.locator("#screen .boxes rect").count() == 1
    assert page.locator("#slot-0 .frame .boxes rect").count() == 1
    assert "sign 0" in page.locator("#slot-0 .also").inner_text()
    box, screen = page.locator("#screen .boxes rect").bounding_box(), page.locator("#screen").bounding_box()
    assert box["x"] - screen["x"] == pytest.approx(0.1 * screen["width"], abs=3)
    page.keyboard.press("e")
    assert page.locator("#screen .boxes rect").count() == 0


def test_sorting_and_filtering(page: Any) -> None:
    assert slots(page) == [0, 1, 2, 3, 4, 5]
    page.get_by_label("Sort by").select_option("Most disagreement")
    assert slots(page) == [4, 1, 5, 2, 3, 0]
    page.get_by_label("Sort by").select_option("Lowest Image-text alignment")
    assert slots(page) == [0, 5, 3, 1, 4, 2]
    page.get_by_label("Sort by").select_option("Time")
    page.get_by_label("Show", exact=True).select_option("With object")
    assert slots(page) == [0, 3]
    assert page.locator("#count").inner_text() == "2 of 6 slots"
    page.get_by_label("Show", exact=True).select_option("All slots")
    page.get_by_role("searchbox").fill("RED bus")
    until(page, "document.querySelectorAll('.slot').length === 3")
    assert slots(page) == [1, 2, 3]  # what was not picked counts too
    page.get_by_role("searchbox").fill("nowhere")
    page.wait_for_selector(".empty")
    page.get_by_role("searchbox").fill("sign 5")  # evidence counts too
    page.wait_for_selector("#slot-5")
    assert slots(page) == [5]


def test_the_keyboard_alone_will_do(page: Any) -> None:
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert here(page) == 2 and page.evaluate("document.activeElement.id") == "slot-2"
    page.keyboard.press("ArrowUp")
    until(page, f"Math.abs({NOW} - 1) < 0.1")
    assert here(page) == 1
    page.keyboard.press("ArrowRight")
    until(page, f"{NOW} > 5")
    page.keyboard.press("ArrowLeft")
    until(page, f"{NOW} < 2")
    page.keyboard.press(" ")
    until(page, "!document.querySelector('video').paused")
    page.keyboard.press(" ")
    until(page, "document.querySelector('video').paused")
    page.keyboard.press("/")
    page.keyboard.type("b2 e")  # in the search box keys are letters
    assert page.get_by_role("searchbox").input_value() == "b2 e"
    assert page.locator("#blind").get_attribute("aria-pressed") == "false"
    page.locator("h1").click()
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").is_hidden()


def test_the_strip_is_one_stop_of_the_tab_key_and_has_arrows(page: Any) -> None:
    assert page.locator(".strip button[tabindex='0']").count() == 1
    page.locator(".strip button[tabindex='0']").focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Keyframe at 0:05.5"
    page.keyboard.press("Enter")
    until(page, f"Math.abs({NOW} - 5.5) < 0.1")


def test_significance_is_said_plainly(page: Any) -> None:
    said = page.get_by_role("region", name="Image-text alignment").inner_text()
    assert "clipgpt is better than llava and vlm: more than chance." in said
    page.get_by_text("All 6 pairs").click()
    assert (
        "clipgpt over clipgpt@beam=5: 0.020, 95 % within -0.010 to 0.080 (may be chance)"
        in page.locator(".card ul").inner_text()
    )


def test_the_theme_follows_the_system_and_a_switch_that_is_remembered(opened: Any, clip: Path) -> None:
    page = opened(clip.with_suffix(".html"), scheme="dark").page
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.locator("#theme").click()
    light = page.evaluate(colour)
    assert dark == "rgb(16, 18, 25)" and light == "rgb(246, 246, 249)"
    page.reload()
    assert page.evaluate(colour) == light


def test_words_from_anywhere_are_only_words(opened: Any, tmp_path: Path) -> None:
    nasty = "<img src=x onerror=\"document.title='hacked'\"></script><script>document.title='hacked'</script>"
    made = comparison(2, (nasty, "b"), tmp_path / "v <b>&quot;.mp4")
    first = made.columns[0]
    picks = tuple(replace(pick, text=nasty) for pick in first.picks if pick)
    evidence = tuple(replace(found, value=nasty, kind="text") for found in made.scene.evidence)
    made = replace(
        made,
        columns=(replace(first, candidates=picks, picks=picks), made.columns[1]),
        scene=replace(made.scene, evidence=evidence),
    )
    seen = opened(write_page(made, tmp_path / "page.html"))
    seen.page.keyboard.press("e")
    assert texts(seen.page, "#slot-0 .said")[0] == nasty
    assert nasty in seen.page.locator("#slot-0 .also").inner_text()
    assert seen.page.title() == "v <b>&quot;.mp4 - vdesc"
    assert seen.page.locator("body img[src=x], body script:not([type])").count() == 0
    seen.errors[:] = [error for error in seen.errors if "ERR_FILE_NOT_FOUND" not in error]


def test_nothing_to_show_is_said(opened: Any, clip: Path) -> None:
    page = opened(write_page(comparison(0, path=clip), clip.with_name("none.html")), ready=".empty").page
    assert "There are no slots" in page.locator(".empty").inner_text()
    page.keyboard.press("ArrowDown")


def test_one_column_needs_no_votes(opened: Any, clip: Path) -> None:
    page = opened(write_page(comparison(3, LABELS[:1], clip), clip.with_name("one.html"))).page
    assert page.locator(".better").count() == 0
    assert page.locator("#export").is_hidden() and page.locator("#blind").is_hidden()


def test_a_photo_has_no_times(opened: Any, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture(3, 480, 270).pixels()).save(tmp_path / "photo.jpg")
    page = opened(write_page(photo(tmp_path / "photo.jpg"), tmp_path / "photo.html")).page
    until(page, "document.querySelector('#screen img').naturalWidth === 480")
    assert page.locator("#timeline, #tracks, .time, video").count() == 0
    assert len(texts(page, ".said")) == 2
