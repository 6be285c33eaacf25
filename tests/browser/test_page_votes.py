"""Votes: given with mouse and keys, blind, kept, and exported as preference data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from page_samples import LABELS, comparison, sentence
from vdesc_compare.page import write_page


@pytest.fixture
def page(opened: Any, tmp_path: Path) -> Any:
    path = write_page(comparison(6, LABELS, tmp_path / "gone.mp4", failed="vlm"), tmp_path / "page.html")
    seen = opened(path)
    yield seen.page
    seen.errors[:] = [error for error in seen.errors if "ERR_FILE_NOT_FOUND" not in error]


def exported(page: Any) -> dict[str, Any]:
    with page.expect_download() as download:
        page.locator("#export").click()
    assert download.value.suggested_filename == "gone.votes.json"
    return json.loads(Path(download.value.path()).read_text("utf-8"))


def better(page: Any, slot: int) -> Any:
    return page.locator(f"#slot-{slot} .better")


def test_votes_are_exported_as_preference_data(page: Any) -> None:
    assert page.locator("#export").is_disabled()
    page.get_by_label("Your name").press_sequentially(" Kim B. b ")
    assert page.locator("#blind").get_attribute("aria-pressed") == "false"  # in a name keys are letters
    better(page, 2).nth(1).click()
    better(page, 0).nth(0).click()
    assert page.get_by_label("Live").count() == 0
    assert page.locator("#live").inner_text() == "clipgpt is better in slot 1"
    found = exported(page)
    assert (found["schema"], found["version"]) == ("vdesc.votes", 1)
    assert found["voter"] == "Kim B. b"
    assert found["video"] == {"name": "gone.mp4", "digest": f"{6:064x}", "length": 6000, "still": False}
    first, second = found["votes"]
    assert (first["slot"], first["span"], first["chosen"], first["blind"]) == (0, [0, 1000], "clipgpt", False)
    assert (second["slot"], second["chosen"], second["keyframes"]) == (2, "clipgpt@beam=5", [2500])
    assert [candidate["label"] for candidate in first["candidates"]] == list(LABELS[:3])
    assert first["candidates"][1] == {"label": LABELS[1], "plugin": "clipgpt", "language": "en", "text": sentence(0, 1)}
    sign = {"kind": "text", "value": "sign 0", "confidence": 0.9}
    assert first["evidence"] == [sign, {"kind": "object", "value": "dog", "confidence": 0.8, "count": 2}]
    assert [fact["value"] for fact in second["evidence"]] == ["sign 2"]


def test_a_vote_is_changed_and_taken_back(page: Any) -> None:
    better(page, 0).nth(0).click()
    better(page, 0).nth(2).click()
    assert [button.get_attribute("aria-pressed") for button in better(page, 0).all()] == ["false", "false", "true"]
    assert page.evaluate("document.activeElement.dataset.vote") == "llava"  # the focus stays
    better(page, 0).nth(2).click()
    assert page.locator("#export").is_disabled()


def test_votes_are_given_with_keys(page: Any) -> None:
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Digit2")
    page.keyboard.press("Shift+Digit4")  # it failed: nothing to vote for
    assert [(vote["slot"], vote["chosen"]) for vote in exported(page)["votes"]] == [(1, "clipgpt@beam=5")]


def test_blind_names_are_hidden_and_shuffled_the_same_way_each_time(page: Any) -> None:
    page.keyboard.press("b")
    shown = page.locator("#captions").inner_text()
    assert not [label for label in LABELS if label in shown]
    assert page.locator("#tracks").is_hidden()
    assert page.locator("#slot-0 .who").all_inner_texts() == ["A", "B", "C", "D"]
    orders = [page.locator(f"#slot-{i} .said").all_inner_texts() for i in range(3)]
    assert all(sorted(order) == sorted(sentence(i, column) for column in range(3)) for i, order in enumerate(orders))
    named = [[sentence(i, column) for column in range(3)] for i in range(3)]
    assert orders != named
    page.reload()
    page.wait_for_selector(".slot.filled")
    page.keyboard.press("b")
    assert [page.locator(f"#slot-{i} .said").all_inner_texts() for i in range(3)] == orders


def test_a_blind_vote_counts_for_who_said_it(page: Any) -> None:
    page.locator("#blind").click()
    page.locator("#slot-1 .said").first.wait_for()
    said = page.locator("#slot-1 .cell:has(.better)").first
    text = said.locator(".said").inner_text()
    said.locator(".better").click()
    vote = exported(page)["votes"][0]
    assert vote["blind"] is True
    assert next(c["text"] for c in vote["candidates"] if c["label"] == vote["chosen"]) == text
    assert "hidden" in page.locator("#standing").inner_text()
    page.locator("#blind").click()
    assert page.locator("#slot-1 .cell.chosen .who bdi").inner_text() == vote["chosen"]


def test_votes_are_kept_for_the_words_that_they_were_given_to(page: Any, opened: Any, tmp_path: Path) -> None:
    better(page, 3).nth(1).click()
    page.reload()
    page.wait_for_selector(".slot.filled")
    assert [vote["slot"] for vote in exported(page)["votes"]] == [3]
    page.evaluate(
        """() => { const key = Object.keys(localStorage).find((key) => key.startsWith('vdesc:votes:'));
        const kept = JSON.parse(localStorage.getItem(key)); kept[3].text = 'other words';
        kept[99] = kept[3]; kept[1] = null;
        localStorage.setItem(key, JSON.stringify(kept)); }"""
    )
    page.reload()
    page.wait_for_selector(".slot.filled")
    assert page.locator("#export").is_disabled()


def test_votes_can_be_filtered(page: Any) -> None:
    better(page, 1).nth(1).click()
    page.get_by_label("Show", exact=True).select_option("Voted")
    assert page.locator(".slot").count() == 1
    page.get_by_label("Show", exact=True).select_option("Not yet voted")
    assert page.locator(".slot").count() == 5
