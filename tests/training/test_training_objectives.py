"""What a run may learn beside people's words: to say what scores, to tell which words fit, to speak unseeing."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from training_samples import recipe, table
from vdesc import Candidate, Keyframe, ModelError, Picture, Shot, Slot, Span
from vdesc_clipgpt.ranker import Match
from vdesc_clipgpt.training.train import train
from vdesc_training.table import Item, read_table, write_table

FIXED = dict(encoder_from_epoch=None)
MATCHER = {"matcher": {"width": 32, "layers": 1, "heads": 2, "joint": 16, "longest": 16, "dropout": 0.0}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data"), 36, 6)


@pytest.fixture(scope="module")
def speaker(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that has learned words, not to the end."""
    return train(recipe(epochs=5, **FIXED), data, tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="module")
def matcher(data: Path, speaker: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    what = recipe(
        start=str(speaker), learn="match", metric="recall5", epochs=10, photos=12, captions=1, rate=5e-3,
        features="cached", smallest_crop=1.0, model=MATCHER, **FIXED,
    )  # fmt: skip
    return train(what, data, tmp_path_factory.mktemp("match"))


def test_self_critical_training_raises_the_score_and_logs_the_reward(data: Path, speaker: Path, tmp_path: Path):
    what = recipe(start=str(speaker), learn="cider", draws=4, temperature=1.0, epochs=4, rate=2e-3, **FIXED)
    best = train(what, data, tmp_path)
    before, after = (json.loads((f / "validation.json").read_text())["cider"] for f in (speaker, best))
    assert after > before
    [state] = tmp_path.glob("checkpoint-*/trainer_state.json")
    rewards = [row["reward"] for row in json.loads(state.read_text())["log_history"] if "reward" in row]
    assert rewards and all(reward > 0 for reward in rewards)


def test_self_critical_training_is_the_same_each_time(data: Path, speaker: Path, tmp_path: Path):
    what = recipe(start=str(speaker), learn="cider", draws=2, epochs=1, **FIXED)
    one, two = (load_file(train(what, data, tmp_path / name) / "model.safetensors") for name in "ab")
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_matcher_learns_alone(speaker: Path, matcher: Path):
    before, after = (load_file(folder / "model.safetensors") for folder in (speaker, matcher))
    assert any(name.startswith("matcher.") for name in after)
    assert all(torch.equal(before[name], after[name]) for name in before)
    # three colours, two photos of each: a caption that names the colour finds its photo among the first two or three
    assert json.loads((matcher / "validation.json").read_text())["recall5"] > 0.9


def test_the_ranker_knows_which_words_fit(data: Path, matcher: Path):
    ranker = Match(Match.Options(model=str(matcher)))
    ranker.load("cpu")
    items = list(read_table(data, "val"))[:3]
    slots = [_slot(i, data / item.images[0]) for i, item in enumerate(items)]
    words = [f"A {colour} picture." for colour in ("red", "green", "blue")]
    candidates = [Candidate(slot.index, text, "test") for slot in slots for text in words]
    scores = torch.tensor(ranker.score(slots, candidates)).view(3, 3)
    assert scores.min() >= 0 and scores.max() <= 1
    wanted = [next(i for i, text in enumerate(words) if text.split()[1] in item.captions[0]) for item in items]
    assert scores.argmax(1).tolist() == wanted
    blind = Slot(9, Span(0, 1000), ())
    assert ranker.score([blind], [Candidate(9, "A red picture.", "test")]) == [0.0]


def test_a_model_without_a_matcher_cannot_rank(speaker: Path):
    with pytest.raises(ModelError, match=r"has no matcher: train one \(learn=match\) or name another"):
        Match(Match.Options(model=str(speaker))).load("cpu")


def test_words_alone_teach_a_decoder_that_goes_on_with_pictures(data: Path, tmp_path: Path):
    captions = [caption for item in read_table(data) for caption in item.captions]
    write_table(tmp_path / "text", (Item(str(i), (), "train", (text,)) for i, text in enumerate(captions)))
    spoke = train(recipe(features="none", metric="loss", epochs=4, **FIXED), tmp_path / "text", tmp_path / "words")
    seen = [
        train(recipe(start=start, epochs=1, rate=1e-3, **FIXED), data, tmp_path / name)
        for name, start in (("taught", str(spoke)), ("untaught", None))
    ]
    taught, untaught = (json.loads((folder / "validation.json").read_text())["loss"] for folder in seen)
    assert taught < 0.7 * untaught


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (dict(features="none"), "set metric to loss"),
        (dict(features="none", learn="cider", metric="loss"), "of words alone only words are learned"),
        (dict(learn="match"), "needs the matcher's settings"),
    ],
)
def test_what_does_not_go_together_is_said(wrong: dict, sentence: str):
    with pytest.raises(ValidationError, match=sentence):
        recipe(**wrong, **FIXED)


def _slot(index: int, path: Path) -> Slot:
    span = Span(1000 * index, 1000 * index + 1000)
    return Slot(index, span, (Keyframe(index, span.middle, Shot(index, span), Picture(path), 1.0),))
