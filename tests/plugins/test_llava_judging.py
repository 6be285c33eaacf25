"""Alignment is the mean over frames of sigmoid(SigLIP's logits): by hand, in training, in `vdesc eval`."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from llava_tables import recipe, table
from PIL import Image
from transformers import AutoTokenizer, SiglipConfig, SiglipImageProcessor, SiglipModel
from vdesc import Candidate, Captioner, Slot, fakes
from vdesc.registry import Registry
from vdesc_clipgpt.words import train_tokenizer
from vdesc_llava.training.train import train
from vdesc_llava.training.trainer import SAID, joint
from vdesc_training import evaluating
from vdesc_training.metrics import java
from vdesc_training.resume import STATE, checkpoints
from vdesc_training.table import Item, read_table

SIDE, PLACES = 32, 64
TEXTS = ["A red clip.", "A clip " + "that is longer than any that it could read " * 9 + ".", ""]
_TINY = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of the class of SigLIP 2's checkpoints of fixed size, whose texts have 64 places."""
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("siglip")
    words = dict(vocab_size=300, max_position_embeddings=PLACES, bos_token_id=0, eos_token_id=0, **_TINY)
    made = SiglipModel(SiglipConfig(text_config=words, vision_config=dict(image_size=SIDE, patch_size=16, **_TINY)))
    with torch.no_grad():
        made.logit_scale.fill_(2.0)
        made.logit_bias.fill_(-1.0)
    made.save_pretrained(folder)
    train_tokenizer(TEXTS, 300).save_pretrained(folder)
    SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


@torch.inference_mode()
def by_hand(folder: Path, data: Path, item: Item, text: str) -> float:
    """The number of one clip: its frames and its text through the whole model at once; 0 where nothing was said."""
    if not text:
        return 0.0
    words = AutoTokenizer.from_pretrained(folder)
    ids = words(text, padding="max_length", truncation=True, max_length=PLACES, return_tensors="pt").input_ids
    pictures = [Image.open(data / name).convert("RGB") for name in item.images]
    pixels = SiglipImageProcessor.from_pretrained(folder)(images=pictures, return_tensors="pt").pixel_values
    logits = SiglipModel.from_pretrained(folder).eval()(input_ids=ids, pixel_values=pixels).logits_per_image
    assert ids.shape == (1, PLACES) and logits.shape == (len(item.images), 1)
    return float(logits.sigmoid().mean())


def test_validation_measures_it_and_chooses_by_it_meteor_and_diversity(siglip: Path, tmp_path: Path):
    data, out = table(tmp_path / "data", 12, 3), tmp_path / "run"
    stages = [{"learn": "all", "epochs": 3, "rate": 1e-2}]
    best = train(recipe(stages=stages, judge=f"alignment:{siglip}"), data, out)
    log = json.loads((checkpoints(out / "stage-1")[0] / STATE).read_text())["log_history"]
    measured = {entry["step"]: entry for entry in log if "eval_alignment" in entry}
    items = {item.id: item for item in read_table(data, "val")}
    for path in (out / "stage-1" / SAID).glob("*.json"):
        said, numbers = json.loads(path.read_text()), measured[int(path.stem)]
        wanted = sum(by_hand(siglip, data, items[key], text) for key, text in said.items()) / len(items)
        assert numbers["eval_alignment"] == pytest.approx(wanted, abs=1e-6)
        product = numbers["eval_alignment"] * numbers["eval_meteor_exact"] * numbers["eval_diversity"]
        assert numbers["eval_joint"] == pytest.approx(product ** (1 / 3))
    kept = json.loads((best / "validation.json").read_text())
    honest = [entry["eval_joint"] for entry in measured.values() if not entry["eval_collapsed"]]
    assert len(measured) == 3 and kept["joint"] == max(honest) == joint(kept) > 0


class Parrot(Captioner):
    """Says the same three things."""

    name = "parrot"

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        for slot in slots:
            if text := TEXTS[slot.index % len(TEXTS)]:
                yield Candidate(slot.index, text, self.name)


def test_eval_measures_the_same(
    siglip: Path, tmp_path: Path, vdesc: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
):
    registry = Registry()
    registry.register(fakes.module(Parrot))
    monkeypatch.setattr(evaluating, "Registry", lambda: registry)
    monkeypatch.setattr(java, "version", lambda: "")
    data = table(tmp_path / "data", 1, 3)
    asked = ("--set", "ranking.similarity=tokens", "--set", f"alignment.model={siglip}", "-o", tmp_path / "out")
    code, _, err = vdesc("eval", "parrot", "--data", data, "--split", "val", "--ranker", "alignment", *asked)
    assert code == 0, err
    scores = json.loads((tmp_path / "out/scores.json").read_text())
    wanted = [by_hand(siglip, data, item, text) for item, text in zip(read_table(data, "val"), TEXTS, strict=True)]
    assert [items["alignment"] for items in scores["items"].values()] == pytest.approx(wanted, abs=1e-5)
    assert scores["figures"]["alignment"]["value"] == pytest.approx(sum(wanted) / 3, abs=1e-5)
