"""The page of a training run: whole without anything beside it, and nothing of the data becomes HTML."""

from pathlib import Path

import pytest
from PIL import Image
from vdesc_training.guard import collapse
from vdesc_training.run_page import Part, Sample, curve, page

HISTORY = [
    {"loss": 3.0, "learning_rate": 1e-3, "epoch": 0.5, "step": 10},
    {"eval_loss": 2.5, "eval_cider": 0.25, "eval_collapsed": 1.0, "epoch": 1.0, "step": 20},
    {"loss": float("nan"), "learning_rate": 5e-4, "epoch": 1.5, "step": 30},
]


def test_the_page_shows_curves_scores_and_captions(tmp_path: Path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    sample = Sample("<b>", [tmp_path / "a.png"], ["a <i>dog</i>"], {"stage 1": "<script>x</script>", "stage 2": ""})
    html = page("A & B", [Part("Stage 1", HISTORY)], [sample], "rate: <1>")
    assert html.count("<svg") == 2 and "1.00 collapsed" in html and "0.250" in html and "data:image/jpeg" in html
    assert "<script" not in html and "<i>dog" not in html and "<b>" not in html and "A &amp; B" in html
    assert "nan" not in html and "http" not in html.replace("http-equiv", "")


def test_a_part_without_validation_says_so():
    assert "Nothing was measured" in page("t", [Part("Stage 1", HISTORY[:1])], [], "")


@pytest.mark.parametrize("points", [[], [(1, float("nan"))]])
def test_nothing_to_draw_is_no_curve(points: list[tuple[float, float]]):
    assert curve("loss", {"training": points}) == ""


def test_a_curve_stays_in_its_frame():
    drawn = curve("loss", {"training": [(0, 4.0), (10, 2.0)], "validation": [(10, 8.0)]})
    assert 'points="0.0,81.0 640.0,121.5"' in drawn and 'points="640.0,0.0"' in drawn


def test_the_guard_takes_a_limit_of_its_own():
    references = {str(i): [f"person {i} walks"] for i in range(100)}
    few = {key: f"a man {int(key) % 8}" for key in references}
    assert collapse(few, references) is None and "8 different captions" in (collapse(few, references, 0.25) or "")
