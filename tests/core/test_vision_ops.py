"""torchvision beside a torch that it was not built for: `nms`, and the import of those who import it."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from vdesc import vision_ops

pytest.importorskip("torchvision")

PLACES = st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.integers(1, 15), st.integers(1, 15))


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def overlap(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    (x, y, wide, high), (x2, y2, wide2, high2) = one, other
    shared = max(0, min(x + wide, x2 + wide2) - max(x, x2)) * max(0, min(y + high, y2 + high2) - max(y, y2))
    return shared / (wide * high + wide2 * high2 - shared)


@given(st.lists(st.tuples(PLACES, st.integers(0, 9)), max_size=20), st.floats(0.01, 0.99))
def test_nms_is_what_torchvision_promises(drawn: list[tuple[tuple[int, ...], int]], threshold: float):
    """The best score stays, every box that overlaps it by more than the threshold goes, and so on, best first."""
    pairs = {(i, j): overlap(drawn[i][0], drawn[j][0]) for i in range(len(drawn)) for j in range(len(drawn))}
    assume(all(abs(value - threshold) > 1e-5 for value in pairs.values()))
    left, expected = sorted(range(len(drawn)), key=lambda i: -drawn[i][1]), []
    while left:
        best = left.pop(0)
        expected.append(best)
        left = [i for i in left if pairs[best, i] <= threshold]
    boxes = torch.tensor([[x, y, x + wide, y + high] for (x, y, wide, high), _ in drawn]).reshape(-1, 4).float()
    scores = torch.tensor([score / 10 for _, score in drawn])
    kept = vision_ops.nms(boxes, scores, threshold)
    assert kept.dtype == torch.int64 and kept.tolist() == expected


def test_an_overlap_of_exactly_the_threshold_stays():
    boxes = torch.tensor([[0.0, 0.0, 2.0, 1.0], [1.0, 0.0, 2.0, 1.0]])
    scores = torch.tensor([0.9, 0.8])
    assert vision_ops.nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert vision_ops.nms(boxes, scores, 0.49).tolist() == [0]


@pytest.mark.parametrize("kind", [torch.float16, torch.float32, torch.float64])
def test_kinds_of_numbers_and_gradients(kind: torch.dtype):
    boxes = torch.tensor([[0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]], dtype=kind, requires_grad=True)
    assert vision_ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1], dtype=kind), 0.5).tolist() == [1, 2]


def test_no_boxes_and_boxes_without_area():
    kept = vision_ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert kept.shape == (0,) and kept.dtype == torch.int64
    assert vision_ops.nms(torch.zeros(3, 4), torch.tensor([0.1, 0.3, 0.2]), 0.5).tolist() == [1, 2, 0]


def test_the_operator_is_there_through_torchvision_itself():
    """Whether the compiled one loads or ours stands in for it, which a CPU torch beside a CUDA torchvision needs."""
    from torchvision.ops import batched_nms, nms

    draw = np.random.default_rng(0)
    corners = draw.uniform(0, 50, (200, 2))
    boxes = torch.tensor(np.concatenate([corners, corners + draw.uniform(5, 30, (200, 2))], 1)).float()
    scores, labels = torch.tensor(draw.permutation(200) / 200).float(), torch.tensor(draw.integers(0, 3, 200))
    assert nms(boxes, scores, 0.5).tolist() == vision_ops.nms(boxes, scores, 0.5).tolist()
    each = [torch.nonzero(labels == label)[:, 0] for label in range(3)]
    alone = {int(part[i]) for part in each for i in vision_ops.nms(boxes[part], scores[part], 0.5)}
    assert set(batched_nms(boxes, scores, labels, 0.5).tolist()) == alone


def test_transformers_and_torchvision_can_be_imported_after_vdesc():
    code = (
        "import vdesc, torch; from transformers import CLIPModel, AutoImageProcessor; import torchvision.transforms;"
        "from torchvision.ops import nms; b = torch.tensor([[0., 0, 2, 2], [0, 0, 2, 2.1], [9, 9, 10, 10]]);"
        "print(nms(b, torch.tensor([.5, .6, .7]), .5).tolist())"
    )
    assert run(code) == "[2, 1]"


def test_import_vdesc_imports_nothing_heavy_and_installs_once():
    code = (
        "import sys; before = len(sys.meta_path); import vdesc; from vdesc import vision_ops; vision_ops.install();"
        "vision_ops.install(); heavy = {'torch', 'torchvision', 'numpy', 'transformers', 'PIL'} & set(sys.modules);"
        "print(len(sys.meta_path) - before, sorted(heavy))"
    )
    assert run(code) == "1 []"


def test_asking_whether_torchvision_is_there_does_not_import_it():
    code = (
        "import importlib.util, sys, vdesc; spec = importlib.util.find_spec('torchvision');"
        "print(spec.name, bool(spec.origin), spec.loader.is_package('torchvision'), 'torch' in sys.modules)"
    )
    assert run(code) == "torchvision True True False"


def test_a_torchvision_that_is_there_already_is_left_alone():
    code = (
        "import sys, types; sys.modules['torchvision'] = types.ModuleType('torchvision'); before = len(sys.meta_path);"
        "import vdesc; print(len(sys.meta_path) - before)"
    )
    assert run(code) == "0"


def test_where_there_is_no_torchvision_nothing_is_found():
    (finder,) = [finder for finder in sys.meta_path if isinstance(finder, vision_ops._Finder)]
    assert finder.find_spec("torchvision", []) is None
    assert finder.find_spec("torch", None) is None and finder.find_spec("torchvision.ops", None) is None
