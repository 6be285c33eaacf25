"""The writer `html`: one run as a page, with the reason for each choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from vdesc import Candidate, Cue, Description, Span
from vdesc.testing import assert_contract, description
from vdesc_compare.page.data import page_data
from vdesc_compare.page.reasons import reason
from vdesc_compare.writer import Html, of_run


def candidate(text: str, slot: int = 0, source: str = "one", **scores: float) -> Candidate:
    return Candidate(slot, text, source, scores=scores)


def run() -> Description:
    """Three slots, two captioners; the last two slots say the same and share a cue."""
    a = candidate("A dog.", total=0.8, confidence=0.9, novelty=1.0)
    b = candidate("A cat.", source="two", total=0.5, confidence=0.4, novelty=1.0)
    c = candidate("A street.", 1, "two", total=0.6, confidence=0.6)
    d = candidate("The street.", 2, "two", total=0.7, confidence=0.5)
    cues = (
        Cue(1, Span(0, 1000), a.text, a, (0,), (b,)),
        Cue(2, Span(1000, 3000), c.text, c, (1, 2), (d,)),
    )
    raw = tuple(replace(one, scores={}) for one in (a, b, c, d))
    return replace(description(3), candidates=raw, cues=cues)


def test_the_writer_keeps_the_contract() -> None:
    assert_contract(Html)


def test_each_captioner_is_a_column_with_its_scored_candidates() -> None:
    one, two = of_run(run()).columns
    assert (one.label, two.label) == ("one", "two")
    assert [pick.text if pick else None for pick in one.picks] == ["A dog.", None, None]
    assert [pick.text if pick else None for pick in two.picks] == ["A cat.", "A street.", "The street."]
    assert two.scores["total"] == pytest.approx(0.6) and two.slot_scores["confidence"] == (0.4, 0.6, 0.5)
    assert [cue.id for cue in one.cues] == [1]


def test_the_final_cues_say_why() -> None:
    data = page_data(of_run(run()), Path())
    assert data["kind"] == "run"
    first, second, third = data["finals"]
    assert (first["text"], first["label"]) == ("A dog.", "one")
    assert (
        first["why"]
        == "Highest total of 2 candidates: 0.80 against 0.50, ahead most in confidence (0.90 against 0.40)."
    )
    assert second == third and third["slot"] == 1
    assert "Speaks for 2 slots" in third["why"]


@pytest.mark.parametrize(
    ("chosen", "other", "said"),
    [
        (candidate("a", total=0.5), None, "The only candidate."),
        (candidate("a", total=0.5, x=0.5), candidate("b", total=0.5, x=0.5), "captioner's own order"),
        (candidate("a", total=0.5, x=0.3), candidate("b", total=0.4, x=0.3), "0.50 against 0.40."),
        (candidate("a", total=0.4), candidate("b", total=0.5), "without novelty"),
        (candidate("a"), candidate("b"), "captioner's own order"),
    ],
)
def test_reasons(chosen: Candidate, other: Candidate | None, said: str) -> None:
    cue = Cue(1, Span(0, 9), chosen.text, chosen, (0,), (other,) if other else ())
    assert said in reason(cue)


def test_a_run_without_words_is_a_page_too(tmp_path: Path) -> None:
    silent = replace(run(), candidates=(), cues=())
    path = Html().write(silent, tmp_path)
    assert path == tmp_path / "fake.html" and path.stat().st_size > 10_000
    assert of_run(silent).columns == ()
