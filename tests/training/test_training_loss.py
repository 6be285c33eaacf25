"""What the loss is made of: EOS is learned, padding is not, the first word counts, and each sample stands alone."""

import random
from typing import Any

import pytest
import torch
from training_samples import CLIP, MODEL, recipe, table
from vdesc_clipgpt.training.batches import Photos, collate, encoded
from vdesc_clipgpt.training.beginning import begin
from vdesc_training.lessons import Lessons, Order
from vdesc_training.table import read_table

KINDS: dict[str, dict[str, Any]] = {
    "grid": {},
    "mlp": {"mapper": "mlp", "reads": "projected"},
    "transformer": {"mapper": "transformer", "reads": "projected", "constants": 3, "layers": 2, "heads": 2},
    "encoder": {"mapper": "encoder", "reads": "pooled", "layers": 2, "heads": 4, "begin": True},
    "cross": {"mapper": "cross", "reads": "projected", "layers": 2, "heads": 2, "frames": 1},
    "concat": {"mapper": "concat", "reads": "projected", "layers": 2, "heads": 2, "frames": 1},
}


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = table(tmp_path_factory.mktemp("data"), 8, 0)
    return folder, list(read_table(folder))


def made(items: Any, **model: Any) -> tuple[Any, Any, Lessons]:
    folder, rows = items
    torch.manual_seed(0)
    tokenizer, net = begin(recipe(model=model), [caption for item in rows for caption in item.captions])
    ids = encoded([item.captions for item in rows], tokenizer, net.config)
    return tokenizer, net.eval(), Lessons(Photos(folder, net, 0.6), rows, ids, 0)


def loss(net: Any, batch: dict[str, Any]) -> torch.Tensor:
    return net(pixels=batch["pixels"], labels=batch["labels"]).loss


@pytest.mark.parametrize("kind", KINDS)
def test_a_samples_loss_does_not_depend_on_its_batch_mates(items: Any, kind: str):
    _, net, lessons = made(items, **KINDS[kind])
    with torch.no_grad():
        alone = torch.stack([loss(net, collate([lessons[i]])) for i in range(4)])
        tokens = torch.tensor([sum(map(len, lessons.ids[i])) for i in range(4)])
        together = loss(net, collate([lessons[i] for i in range(4)]))
    assert together == pytest.approx(float((alone * tokens).sum() / tokens.sum()), abs=1e-5)


def test_padding_changes_nothing(items: Any):
    _, net, lessons = made(items)
    batch = collate([lessons[0]])
    wide = batch | {"labels": torch.nn.functional.pad(batch["labels"], (0, 5, 0, 2), value=-100)}
    with torch.no_grad():
        assert loss(net, wide) == pytest.approx(float(loss(net, batch)), abs=1e-6)


def word_rows(net: Any, batch: dict[str, Any], keep: Any) -> torch.Tensor:
    """The gradient of the loss at the logits of those target tokens that `keep` marks."""
    output = net(pixels=batch["pixels"], labels=batch["labels"])
    output.logits.retain_grad()
    output.loss.backward()
    return output.logits.grad[keep(batch["labels"])[batch["labels"] != -100]]


def test_the_end_is_a_target_and_carries_gradient(items: Any):
    tokenizer, net, lessons = made(items)
    end = tokenizer.eos_token_id
    batch = collate([lessons[i] for i in range(3)])
    assert all(ids[-1] == end and ids.count(end) == 1 for i in range(3) for ids in lessons.ids[i])
    rows = word_rows(net, batch, lambda labels: labels == end)
    assert len(rows) == 6 and (rows[:, end] < 0).all()  # more of it lowers the loss


def test_the_first_word_is_a_target_of_the_last_prefix_row(items: Any):
    _, net, lessons = made(items)
    batch = collate([lessons[i] for i in range(3)])
    first = batch["labels"][:, :, 0].flatten()
    rows = word_rows(net, batch, lambda labels: torch.arange(labels.shape[2]).expand_as(labels) == 0)
    assert len(rows) == 6 and (rows.gather(1, first[:, None]) < 0).all()
    with torch.no_grad():
        seen = net.decoder(inputs_embeds=net.map(net.encode(batch["pixels"]))).logits[:, -1]
        told = net(pixels=batch["pixels"], labels=batch["labels"]).logits
    starts = (torch.arange(batch["labels"].shape[2]).expand_as(batch["labels"]) == 0)[batch["labels"] != -100]
    torch.testing.assert_close(told[starts], seen.repeat_interleave(2, 0), atol=1e-5, rtol=1e-4)


def test_a_caption_longer_than_the_model_allows_is_cut_and_does_not_end(items: Any):
    tokenizer, net, _ = made(items)
    ((ids,),) = encoded([("red " * 40,)], tokenizer, net.config)
    assert len(ids) == net.config.max_tokens and tokenizer.eos_token_id not in ids


def test_all_captions_are_used_or_as_many_as_are_drawn(items: Any):
    _, _, lessons = made(items)
    assert lessons[(0, 0)]["captions"] == lessons.ids[0]
    lessons.captions = 1
    drawn = {tuple(lessons[(epoch, 0)]["captions"][0]) for epoch in range(20)}
    assert drawn == {tuple(ids) for ids in lessons.ids[0]}


def test_what_an_item_looks_like_depends_on_seed_epoch_and_item_alone(items: Any):
    _, _, lessons = made(items)
    here = lessons[(3, 1)]["pixels"]
    random.seed(1)
    torch.manual_seed(1)
    assert torch.equal(lessons[(3, 1)]["pixels"], here)
    assert not torch.equal(lessons[(4, 1)]["pixels"], here)
    assert not torch.equal(lessons[1]["pixels"], here)  # plain, as inference sees it
    lessons.seed = 9
    assert not torch.equal(lessons[(3, 1)]["pixels"], here)


def test_the_order_of_an_epoch_is_its_own_and_fills_whole_steps():
    epoch = [0]
    order = Order(11, 4, 0, lambda: epoch[0])
    first = list(order)
    epoch[0] = 1
    second = list(order)
    assert len(order) == len(first) == 8 and {e for e, _ in first} == {0} and {e for e, _ in second} == {1}
    assert [n for _, n in first] != [n for _, n in second] and len({n for _, n in first}) == 8
    assert list(order) == second
    assert len(Order(3, 4, 0, lambda: 0)) == 3  # less than a step is a step


def test_frames_of_a_video_are_spread_and_read_together(tmp_path: Any):
    folder = table(tmp_path, 2, 0, frames=5)
    rows = list(read_table(folder))
    _, net, lessons = made((folder, rows), mapper="cross", reads="projected", layers=1, heads=2, frames=3)
    batch = collate([lessons[0], lessons[(0, 1)]])
    assert batch["pixels"].shape == (2, 3, 3, 32, 32)
    assert net.encode(batch["pixels"]).shape == (2, 3, CLIP["projection_dim"])
    one = Photos(folder, net).plain(rows[0])
    assert torch.equal(lessons[0]["pixels"], one)
    assert MODEL["mapper"] == "grid" and loss(net, batch).isfinite()
