"""The llava model: what it sees, where it stands, and what it learns from it; tiny models of the real classes."""

from typing import Any

import llava_samples as samples
import pytest
import torch
from torch import Tensor
from torch.nn import functional
from vdesc import ModelError
from vdesc_llava.config import PROJECTORS, LlavaConfig
from vdesc_llava.model import LlavaModel

ASK = "Describe the video."


def batch(model: LlavaModel, captions: list[str], pad: str = "right") -> dict[str, Tensor]:
    """Rows of prompt and answer, padded on one side, with labels on the answers alone."""
    rows = [(model.prompt_ids(ASK), model.answer_ids(caption)) for caption in captions]
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    found: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "attention_mask": []}
    for prompt, answer in rows:
        room = longest - len(prompt) - len(answer)
        before, after = (room, 0) if pad == "left" else (0, room)
        said = {
            "input_ids": prompt + answer,
            "labels": [-100] * len(prompt) + answer,
            "attention_mask": [1] * (longest - room),
        }
        for key, filler in (("input_ids", 0), ("labels", -100), ("attention_mask", 0)):
            found[key].append([filler] * before + said[key] + [filler] * after)
    return {key: torch.tensor(value) for key, value in found.items()}


@pytest.mark.parametrize("llm", samples.LLMS)
def test_the_loss_is_that_of_rows_made_by_hand(llm: str) -> None:
    model = samples.model(llm=llm)
    features, given = samples.features(1), batch(model, samples.SAID[:1])
    loss = model(features=features, **given).loss
    place = given["input_ids"][0].tolist().index(model.config.video_id)
    words = model.llm.get_input_embeddings()(given["input_ids"].clamp(min=0))
    rows = torch.cat([words[:, :place], model.project(features), words[:, place + 1 :]], dim=1)
    logits = model.llm(inputs_embeds=rows).logits[0]
    answer = given["labels"][0][given["labels"][0] != -100]
    wanted = functional.cross_entropy(logits[-len(answer) - 1 : -1], answer)
    torch.testing.assert_close(loss, wanted)


@pytest.mark.parametrize("llm", ["qwen3", "gemma3", "phi", "exaone4"])
@pytest.mark.parametrize("projector", ["linear", "perceiver"])
def test_padding_changes_nothing_on_either_side(llm: str, projector: str) -> None:
    model, features = samples.model(projector, llm=llm), samples.features(3)
    captions = samples.SAID[1:4]
    right = model(features=features, **batch(model, captions))
    left = model(features=features, **batch(model, captions, "left"))
    torch.testing.assert_close(left.loss, right.loss)
    torch.testing.assert_close(left.logits, right.logits, rtol=1e-4, atol=1e-4)
    alone = [model(features=features[i : i + 1], **batch(model, captions[i : i + 1])).logits for i in range(3)]
    torch.testing.assert_close(right.logits, torch.cat(alone), rtol=1e-4, atol=1e-4)


def test_the_loss_is_that_of_system_es_masking() -> None:
    """[vision][prompt + " " + caption][pad]: labels are -100 on vision, prompt and pad."""
    model = samples.model("linear", template="<video>{instruction}", normalize=False, frame_positions=False)
    tokenizer, hidden = model.tokenizer, samples.features(2)
    prompt = tokenizer("what is seen", add_special_tokens=False)["input_ids"]
    texts = [tokenizer(f"what is seen {said}", add_special_tokens=False)["input_ids"] for said in samples.SAID[:2]]
    longest = max(map(len, texts))
    ids = torch.tensor([text + [tokenizer.pad_token_id] * (longest - len(text)) for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (longest - len(text)) for text in texts])
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, : len(prompt)] = -100
    vision = model.projector(hidden.flatten(1, 2))
    theirs = model.llm(
        inputs_embeds=torch.cat([vision, model.llm.get_input_embeddings()(ids)], 1),
        attention_mask=torch.cat([torch.ones(vision.shape[:2], dtype=torch.long), mask], 1),
        labels=torch.cat([torch.full(vision.shape[:2], -100), labels], 1),
    ).loss
    first = torch.full((2, 1), model.config.video_id)
    ours = model(
        features=hidden,
        input_ids=torch.cat([first, ids], 1),
        labels=torch.cat([torch.full((2, 1), -100), labels], 1),
        attention_mask=torch.cat([torch.ones(2, 1, dtype=torch.long), mask], 1),
    ).loss
    torch.testing.assert_close(ours, theirs)


def test_labels_choose_the_logits_of_whole_rows() -> None:
    model, features = samples.model("perceiver"), samples.features(2)
    given = batch(model, samples.SAID[:2])
    some = model(features=features, **given).logits
    labels = given.pop("labels")
    whole = model(features=features, **given).logits
    assert whole.shape[:2] == (2, labels.shape[1] - 1 + 6)
    real = functional.pad(labels, (6 - 1, 0), value=-100) != -100  # the video comes before all labels
    torch.testing.assert_close(some, whole[:, :-1][real[:, 1:]])


def test_rows_without_labels_have_a_loss_of_nothing() -> None:
    model = samples.model()
    given = batch(model, samples.SAID[:2])
    given["labels"].fill_(-100)
    out = model(features=samples.features(2), **given)
    assert out.loss.item() == 0 and len(out.logits) == 0
    out.loss.backward()


def test_pixels_are_encoded_on_the_way_and_the_tower_learns_nothing() -> None:
    model = samples.model("c_abstractor").train()
    assert model.tower is not None and not model.tower.training and model.projector.training
    given, shown = batch(model, samples.SAID[:2]), samples.pixels(2)
    loss = model(pixels=shown, **given).loss
    torch.testing.assert_close(loss, model(features=model.encode(shown), **given).loss)
    loss.backward()
    assert all(weight.grad is not None for weight in model.projector.parameters())
    assert all(weight.grad is None for weight in model.tower.parameters())
    assert all(weight.grad is None for weight in model.llm.parameters())


@pytest.mark.parametrize("projector", PROJECTORS)
def test_positions_begin_at_zero_and_then_matter(projector: str) -> None:
    torch.manual_seed(0)
    model, features = samples.model(projector), samples.features(2)
    bare = samples.model(projector, frame_positions=False, time_positions=False)
    bare.projector.load_state_dict(model.projector.state_dict())
    times = torch.tensor([[0.0, 0.5, 2.0], [0.0, 1.0, 9.0]])
    with torch.no_grad():
        before = bare.project(features)
        torch.testing.assert_close(model.project(features, times), before)
        assert model.positions.time is not None and model.positions.frame is not None
        model.positions.time.weight.normal_(0, 0.1)
        timed = model.project(features, times)
        assert not torch.allclose(timed, before)
        torch.testing.assert_close(model.project(features), before)
        model.positions.frame.weight.normal_()
        assert not torch.allclose(model.project(features, times), timed)
    assert set(bare.positions.state_dict()) == set()


def test_order_is_seen_only_through_positions() -> None:
    model, features = samples.model("c_abstractor"), samples.features(1)
    with torch.no_grad():
        torch.testing.assert_close(model.project(features), model.project(features.flip(1)))
        assert model.positions.frame is not None
        model.positions.frame.weight.normal_()
        assert not torch.allclose(model.project(features), model.project(features.flip(1)))


@pytest.mark.parametrize("projector", PROJECTORS)
@pytest.mark.parametrize("more", [{}, {"pool": 2}, {"pool_time": 2}, {"cls": True, "pool": 3}], ids=str)
def test_absent_frames_change_nothing(projector: str, more: dict[str, Any]) -> None:
    model = samples.model(projector, **more)
    features = samples.features(2, 3, 17 if "cls" in more else 16)
    present = torch.tensor([[True, True, True], [True, True, False]])
    features[1, 2] = torch.nan  # whatever stands there
    given = batch(model, samples.SAID[:2])
    times = torch.arange(6.0).reshape(2, 3)
    with torch.no_grad():
        for weight in model.positions.parameters():
            weight.normal_()
        both = model(features=features, times=times, present=present, **given).logits
        short = {key: value[1:] for key, value in given.items()}
        alone = model(features=features[1:, :2], times=times[1:, :2], **short).logits
    torch.testing.assert_close(both[-len(alone) :], alone, rtol=1e-4, atol=1e-4)


def test_a_clip_without_any_frame_stops_no_other() -> None:
    model, features = samples.model("perceiver"), samples.features(2)
    present = torch.tensor([[False] * 3, [True] * 3])
    given = batch(model, [samples.SAID[0]] * 2)
    logits = model(features=features, present=present, **given).logits
    other = model(features=features[1:], **{key: value[1:] for key, value in given.items()}).logits
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits[-len(other) :], other, rtol=1e-4, atol=1e-4)


def test_pooling_averages_squares_of_patches_and_frames() -> None:
    model = samples.model("linear", pool=2, pool_time=2, normalize=False)
    features = samples.features(1)
    tokens = model.project(features)
    assert tokens.shape == (1, 2 * 4, samples.HIDDEN)
    grid = features[0].reshape(3, 4, 4, -1)
    first = grid[:2, :2, :2].mean((0, 1, 2))
    last = grid[2, 2:, 2:].mean((0, 1))
    torch.testing.assert_close(tokens[0, [0, -1]], model.projector(torch.stack([first, last])))
    assert samples.model("linear", pool=3).project(features).shape[1] == 3 * 4  # the edges are what is left


def test_cls_is_not_pooled() -> None:
    model = samples.model("linear", pool=4, cls=True, normalize=False)
    features = samples.features(1, 1, 17)
    tokens = model.project(features)
    assert tokens.shape[1] == 2
    torch.testing.assert_close(tokens[0, 0], model.projector(features[0, 0, 0]))


def test_normalising_makes_the_size_of_features_of_no_account() -> None:
    model, features = samples.model("mlp2x"), samples.features(1)
    torch.testing.assert_close(model.project(100 * features + 7), model.project(features), rtol=1e-3, atol=1e-4)


def test_features_of_another_width_are_an_error_that_names_both() -> None:
    with pytest.raises(ModelError, match="features are 40 wide, but the projector reads 32"):
        samples.model().project(samples.features(width=40))


def test_more_frames_than_the_model_reads_are_an_error() -> None:
    with pytest.raises(ModelError, match="a clip has 4 frames, but the model reads 3"):
        samples.model().project(samples.features(frames=4))


def test_patches_that_are_no_square_cannot_be_pooled() -> None:
    with pytest.raises(ModelError, match="15 patches are no square"):
        samples.model("linear", pool=2).project(samples.features(patches=15))


def test_rows_need_the_place_of_the_video_once() -> None:
    model = samples.model()
    for ids in ([[5, 6]], [[-200, -200, 5]]):
        with pytest.raises(ModelError, match="has the video's number once"):
            model(features=samples.features(1), input_ids=torch.tensor(ids))


def test_a_clip_that_is_longer_than_the_llm_reads_is_an_error() -> None:
    model = samples.model("linear", llm_config=samples.LLMS["llama"] | dict(max_position_embeddings=50))
    with pytest.raises(ModelError, match=r"are \d+ tokens long, but the LLM reads 50: take fewer frames"):
        model(features=samples.features(1), **batch(model, samples.SAID[:1]))


def test_a_model_without_its_tower_reads_features_only() -> None:
    model = samples.model()
    model.tower = None
    model.train()
    with pytest.raises(ModelError, match="loaded without its vision tower"):
        model.encode(samples.pixels())


def test_parts_that_do_not_fit_are_named_with_their_dims() -> None:
    model = samples.model()
    wider = samples.config(llm_config=samples.LLMS["qwen3"] | dict(hidden_size=64))
    with pytest.raises(ModelError, match="word vectors of the LLM '' are 48 wide, but the config says 64"):
        LlavaModel(wider, model.tower, model.llm, model.tokenizer)
    wider = samples.config(tower_config=samples.TOWERS["clip"] | dict(hidden_size=64))
    with pytest.raises(ModelError, match="gives features 32 wide, but the config says 64"):
        LlavaModel(wider, model.tower, model.llm, model.tokenizer)
    with pytest.raises(ModelError, match=r"tokenizer knows 3.. tokens, but the LLM 100"):
        samples.model(llm_config=samples.LLMS["qwen3"] | dict(vocab_size=100))


def test_an_unknown_key_of_a_config_names_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"unknown key 'querys' in the config \(did you mean 'queries'\?\)"):
        LlavaConfig(querys=3)
    with pytest.raises(ModelError, match=r"unknown projector 'mlp' in the config \(did you mean 'mlp2x'"):
        LlavaConfig(projector="mlp")
    with pytest.raises(ModelError, match="does not say what the llm is"):
        _ = LlavaConfig().hidden
    with pytest.raises(ModelError, match="transformers knows no model of type 'qwen99'"):
        _ = LlavaConfig(llm_config=dict(model_type="qwen99")).hidden


def test_the_adapter_of_system_e_has_its_count_of_weights() -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from vdesc_llava.config import base_config
    from vdesc_llava.foreign import QWEN

    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    with torch.device("meta"):
        llm = AutoModelForCausalLM.from_config(base_config(QWEN))
        adapted = get_peft_model(llm, LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="CAUSAL_LM"))
    assert sum(weight.numel() for name, weight in adapted.named_parameters() if "lora_" in name) == 43_646_976
