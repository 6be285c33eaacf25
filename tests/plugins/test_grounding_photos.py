"""Grounding on real photos: human captions outscore captions of other photos. Figures: docs/evidence-grounding.md."""

import runpy
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "grounding.py"


@pytest.fixture(scope="module")
def bench() -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARK))


@pytest.mark.shared
def test_own_captions_outscore_those_of_other_photos(shared: Path, bench: dict[str, Any]):
    said, boxes = bench["captions"](shared / "coco_small"), bench["drawn"](shared / "coco_small")
    names = list(said)[bench["HALVES"]["second half"]]
    each, pooled = bench["judged"](bench["WAYS"]["grounding"], boxes, said, names)
    plain_each, plain_pooled = bench["judged"](bench["WAYS"]["Jaccard of labels"], boxes, said, names)
    assert each > 0.95 and pooled > 0.95
    assert each > plain_each + 0.06 and pooled > plain_pooled + 0.08


def test_the_auc_counts_a_tie_as_half(bench: dict[str, Any]):
    import numpy as np

    assert bench["auc"](np.array([0.5, 1.0]), np.array([0.0, 0.5])) == 0.875
    assert bench["auc"](np.array([1.0]), np.array([2.0, 3.0])) == 0
