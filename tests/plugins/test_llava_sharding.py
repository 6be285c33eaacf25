"""An LLM divided among processes learns, says, keeps and resumes exactly what a whole one in each process does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import llava_samples as samples
import pytest
import torch
from llava_tables import recipe, table
from pydantic import ValidationError
from safetensors.torch import load_file
from vdesc import SettingsError
from vdesc_llava.training.beginning import begin
from vdesc_llava.training.recipe import Recipe

STAGES: list[dict[str, Any]] = [{"learn": "projector", "align": 0.5}, {"learn": "lora", "rate": 1e-3}]
TWO = """
import sys
from pathlib import Path
import torch, vdesc
from torch.distributed.tensor import DTensor
from vdesc_llava.training.recipe import Recipe
from vdesc_llava.training.train import train
from vdesc_llava.training.trainer import LlavaCaptionTrainer as Trainer

torch.set_num_threads(1)
what, data, out = Recipe.model_validate_json(sys.argv[1]), *map(Path, sys.argv[2:])
divided = what.model_copy(update={"shard": True})
train(what, data, out / "whole")

class Stopped(BaseException): ...
real = Trainer.training_step
def deadly(self, *args, **kwargs):
    if self.recipe.learn == "lora" and self.state.global_step == 2:
        held = [value for value in self.model.llm.parameters() if isinstance(value, DTensor)]
        assert held and sum(v.to_local().numel() for v in held) <= 0.51 * sum(v.numel() for v in held)
        raise Stopped
    return real(self, *args, **kwargs)
Trainer.training_step = deadly
try:
    train(divided, data, out / "divided")
except Stopped:
    Trainer.training_step = real
    train(divided, data, out / "divided")
"""


def bases(path: Path) -> dict[str, str]:
    tower, llm = samples.bases(path)
    return {"tower": str(tower), "llm": str(llm)}


@pytest.mark.slow
def test_a_divided_llm_learns_what_a_whole_one_does(tmp_path: Path):
    """Two processes; five validation items, so that one of them makes more calls than the other."""
    data = table(tmp_path / "data", 18, 5)
    model = {"dropout": 0.2, "projector": "perceiver", "queries": 4, "heads": 2}
    what = recipe(stages=STAGES, model=model, photos=3, save_steps=1, **bases(tmp_path))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    (tmp_path / "two.py").write_text(TWO)
    known = {"HF_HUB_OFFLINE": "1", "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [*command, tmp_path / "two.py", what.model_dump_json(), data, tmp_path],
        env=os.environ | known, check=True, timeout=300,
    )  # fmt: skip
    for name in ("best/projector.safetensors", "best/adapter/adapter_model.safetensors"):
        one, other = (load_file(tmp_path / run / name) for run in ("whole", "divided"))
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    name = "best/validation.json"
    assert (tmp_path / "whole" / name).read_text() == (tmp_path / "divided" / name).read_text()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "shard divides an LLM that is fixed: name an llm"),
        ({"llm": "x", "stages": [{"learn": "all"}]}, "set learn to projector or lora"),
        ({"llm": "x", "stages": STAGES, "bits": 4}, "4 or 8 bits cannot be divided: unset bits or shard"),
        ({"llm": "x", "stages": STAGES, "captions": 0}, "as many captions of each item: set captions to 1"),
    ],
)
def test_what_cannot_be_divided_is_a_sentence(changes: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        recipe(shard=True, **changes)


def test_one_process_has_nobody_to_divide_with(tmp_path: Path):
    what = recipe(stages=STAGES, model={"tower_config": {}, "llm_config": {}}, shard=True, **bases(tmp_path))
    with pytest.raises(SettingsError, match=r"and this is one: launch it with accelerate launch .*accelerate-ddp"):
        begin(what, [], "cpu")


def test_a_run_may_be_divided_where_it_was_not():
    assert "shard" in Recipe.free
