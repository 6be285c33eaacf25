"""What learns and what stays as it was; where the input comes from."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_samples import CLIP, MODEL, recipe, said, table
from vdesc_clipgpt.checkpoint import load_model
from vdesc_clipgpt.model import ClipGPTModel
from vdesc_clipgpt.training.batches import Stored
from vdesc_clipgpt.training.beginning import begin
from vdesc_clipgpt.training.recipe import Recipe
from vdesc_clipgpt.training.train import train
from vdesc_clipgpt.training.tuning import groups, merged, rest, tune
from vdesc_training.features import FeatureStore, FeatureWriter
from vdesc_training.lessons import spread
from vdesc_training.resume import checkpoints
from vdesc_training.table import read_table

FIXED = dict(encoder_from_epoch=None, epochs=2)
DEEP = {"decoder": MODEL["decoder"] | {"n_layer": 3}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table(tmp_path_factory.mktemp("data"), 12, 3)


def learning(what: Recipe) -> tuple[ClipGPTModel, set[str]]:
    model = begin(what, ["a red picture", "a blue one"])[1]
    tune(model, what)
    return model, {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_prefix_learns_the_mapper_alone():
    model, names = learning(recipe(tune="prefix", **FIXED))
    assert names == {name for name, _ in model.named_parameters() if name.startswith("mapper.")}
    model.train()
    rest(model)
    assert model.mapper.training and not model.decoder.training and not model.encoder.training


def test_parts_learns_word_and_place_vectors_and_the_outer_blocks():
    _, names = learning(recipe(tune="parts", model=DEEP, **FIXED))
    starts = {".".join(name.split(".")[:4]) for name in names if name.startswith("decoder")}
    assert starts == {
        "decoder.transformer.wte.weight", "decoder.transformer.wpe.weight", "decoder.transformer.h.0",
        "decoder.transformer.h.2", "decoder.transformer.ln_f.weight", "decoder.transformer.ln_f.bias",
    }  # fmt: skip


def test_all_learns_all_and_the_encoder_only_where_it_is_asked_for():
    model, names = learning(recipe(**FIXED))
    assert names == {name for name, _ in model.named_parameters() if not name.startswith("encoder.")}
    model, names = learning(recipe(encoder_from_epoch=3))
    assert names == {name for name, _ in model.named_parameters()}


@pytest.mark.parametrize("mode", ["prefix", "parts", "all", "lora"])
def test_the_optimizer_gets_each_learning_weight_once_and_no_fixed_one(mode: str):
    what = recipe(tune=mode, **FIXED)
    model, names = learning(what)
    made = groups(model, what)
    handed = [id(p) for group in made for p in group["params"]]
    assert len(handed) == len(set(handed))
    assert set(handed) == {id(p) for name, p in model.named_parameters() if name in names}
    assert all((p.dim() >= 2) == (group["weight_decay"] > 0) for group in made for p in group["params"])


def test_the_encoder_has_a_rate_of_its_own_and_no_decay():
    what = recipe(encoder_from_epoch=1)
    model, _ = learning(what)
    (group,) = [group for group in groups(model, what) if "lr" in group]
    assert (group["lr"], group["weight_decay"]) == (what.encoder_rate, 0)
    assert {id(p) for p in group["params"]} == {id(p) for p in model.encoder.parameters()}


@pytest.mark.parametrize("mode", ["prefix", "parts", "lora"])
def test_what_is_fixed_stays_bit_for_bit_and_what_learns_moves(data: Path, tmp_path: Path, mode: str):
    what = recipe(tune=mode, model=DEEP, **FIXED)
    torch.manual_seed(0)
    best = load_file(train(what, data, tmp_path) / "model.safetensors")
    from transformers import set_seed

    set_seed(what.seed)
    captions = [caption for item in read_table(data, "train") for caption in item.captions]
    began = begin(what, captions)[1]
    before, (_, names) = began.state_dict(), learning(what)
    touched = {name.split(".lora_")[0] + ".weight" if ".lora_" in name else name for name in names}
    moved = {name for name, value in best.items() if not torch.equal(value, before[name])}
    assert moved == touched & best.keys()


def test_a_lora_run_gives_an_ordinary_folder_that_says_what_the_adapters_said(data: Path, tmp_path: Path):
    what = recipe(tune="lora", **FIXED)
    best = train(what, data, tmp_path)
    model, tokenizer = load_model(str(best))
    assert not any("lora" in name for name in load_file(best / "model.safetensors"))
    state = load_file(checkpoints(tmp_path)[0] / "model.safetensors")
    assert any("lora_A" in name for name in state) and any("base_layer" in name for name in state)
    torch.manual_seed(0)
    adapted = ClipGPTModel(model.config)
    tune(adapted, what)
    adapted.load_state_dict(state, strict=False)
    adapted.eval()
    pixels, labels = torch.randn(2, 3, 32, 32), torch.tensor([[[5, 6, 0]], [[7, 0, -100]]])
    with torch.no_grad():
        told = [net(pixels=pixels, labels=labels).logits for net in (adapted, model)]
    if json.loads((best / "validation.json").read_text())["loss"] == pytest.approx(_last_loss(tmp_path)):
        torch.testing.assert_close(told[0], told[1], atol=1e-4, rtol=1e-4)
    assert len(said(model, tokenizer, data)) == 3


def _last_loss(out: Path) -> float:
    history = json.loads((checkpoints(out)[0] / "trainer_state.json").read_text())["log_history"]
    return [entry["eval_loss"] for entry in history if "eval_loss" in entry][-1]


def test_merging_changes_what_is_saved_and_not_the_model():
    what = recipe(tune="lora", **FIXED)
    model, _ = learning(what)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = merged(model.eval())
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    plain = ClipGPTModel(model.config).eval()
    plain.load_state_dict(state)
    pixels, labels = torch.randn(2, 3, 32, 32), torch.tensor([[[5, 6, 0]], [[7, 0, -100]]])
    with torch.no_grad():
        torch.testing.assert_close(
            plain(pixels=pixels, labels=labels).logits, model(pixels=pixels, labels=labels).logits, atol=1e-4, rtol=1e-4
        )


def test_accumulated_parts_give_the_gradient_of_the_whole_step(data: Path, tmp_path: Path):
    """Whatever photos and accumulate are, a step of as many items is the same step."""
    ends = []
    for photos, accumulate in ((6, 1), (3, 2), (2, 3)):
        out = tmp_path / str(photos)
        dry = {"decoder": MODEL["decoder"] | {"resid_pdrop": 0, "embd_pdrop": 0, "attn_pdrop": 0}}
        train(recipe(photos=photos, accumulate=accumulate, model=dry, epochs=1), data, out)
        ends.append(load_file(checkpoints(out)[0] / "model.safetensors"))
    for other in ends[1:]:
        for name, value in ends[0].items():
            torch.testing.assert_close(other[name], value, atol=2e-4, rtol=1e-3)


def test_cached_features_are_made_once_with_views_and_train_as_pictures_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data = table(tmp_path / "data", 12, 3)
    what = recipe(features="cached", views=3, workers=2, **FIXED)
    best = train(what, data, tmp_path / "one")
    (made,) = (data / "features").iterdir()
    store = FeatureStore(data, made.name)
    model, _ = load_model(str(best))
    assert len(store) == 15 and store.get("0").shape == (3, 4, 32) and store.about["views"] == 3
    from vdesc_clipgpt.training.batches import Photos

    plain = Photos(data, model).plain(next(read_table(data)))
    with torch.no_grad():
        torch.testing.assert_close(
            Stored(store, 1).plain(next(read_table(data))), model.encode(plain[None])[0], atol=5e-3, rtol=5e-3
        )
    assert len({store.get("0")[view].float().sum().item() for view in range(3)}) == 3
    monkeypatch.setattr(ClipGPTModel, "encode", None)  # all is there
    train(what.model_copy(update={"epochs": 1.0}), data, tmp_path / "two")
    assert len(list((data / "features").iterdir())) == 1


def test_extraction_goes_on_where_it_was_killed_and_another_encoder_has_features_of_its_own(tmp_path: Path):
    data = table(tmp_path / "data", 12, 3)
    what = recipe(features="cached", **FIXED)
    train(what, data, tmp_path / "one")
    (made,) = (data / "features").iterdir()
    whole = {item.id: FeatureStore(data, made.name).get(item.id) for item in read_table(data)}
    about = FeatureStore(data, made.name).about
    for path in made.iterdir():
        path.unlink()
    with pytest.raises(KeyboardInterrupt), FeatureWriter(data, made.name, about) as writer:
        for name in ("0", "1", "2"):
            writer.put(name, whole[name])
        raise KeyboardInterrupt
    train(what, data, tmp_path / "two")
    again = FeatureStore(data, made.name)
    assert all(torch.equal(again.get(name), value) for name, value in whole.items())
    train(what.model_copy(update={"seed": 1}), data, tmp_path / "three")  # other random weights: another encoder
    assert len(list((data / "features").iterdir())) == 2


def test_features_that_came_with_the_table_are_trained_on_by_their_name(tmp_path: Path):
    data = table(tmp_path / "data", 12, 3, frames=2)
    with FeatureWriter(data, "clip", {"from": "elsewhere"}) as writer:
        for item in read_table(data):
            if item.id != "5":
                writer.put(item.id, torch.randn(28, 1, CLIP["projection_dim"]))
    video = {"mapper": "cross", "reads": "projected", "layers": 1, "heads": 2, "frames": 7}
    best = train(recipe(features="clip", model=video, **FIXED), data, tmp_path / "run")
    assert load_model(str(best))[0].pictures == 7
    item = next(read_table(data))
    store = FeatureStore(data, "clip")
    seen = Stored(store, 7).plain(item)
    assert torch.equal(seen, store.get(item.id)[spread(range(28), 7)].flatten(0, 1))


def test_videos_are_trained_on_from_their_pictures_and_from_cached_features(tmp_path: Path):
    data = table(tmp_path / "data", 12, 3, frames=4)
    video = {"mapper": "concat", "reads": "projected", "layers": 1, "heads": 2, "frames": 2}
    train(recipe(model=video, **FIXED), data, tmp_path / "pictures")
    train(recipe(model=video, features="cached", views=2, **FIXED), data, tmp_path / "cached")
    (made,) = (data / "features").iterdir()
    assert FeatureStore(data, made.name).get("0").shape == (4, 1, 24)  # two views of two frames


def test_the_encoder_of_the_shipped_model_and_a_start_are_taken_as_they_are(data: Path, tmp_path: Path):
    best = train(recipe(**FIXED), data, tmp_path)
    _, first = begin(Recipe(start=str(best), model={"dropout": 0.3}), [])
    source, _ = load_model(str(best))
    assert first.config.dropout == 0.3
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in first.state_dict().items())
    what = Recipe(encoder=str(best), model={key: MODEL[key] for key in ("decoder", "mapper", "prefix", "max_tokens")})
    _, second = begin(what, ["a red picture"])
    assert second.config.reads == "grid" and second.config.image == MODEL["image"]
    assert all(torch.equal(v, source.encoder.state_dict()[k]) for k, v in second.encoder.state_dict().items())


@pytest.mark.parametrize("reads", ["projected", "pooled"])
def test_a_clip_and_a_gpt2_as_the_hub_has_them_are_taken(tmp_path: Path, reads: str):
    from transformers import CLIPConfig, CLIPModel, GPT2Config, GPT2LMHeadModel
    from vdesc_clipgpt.words import train_tokenizer

    torch.manual_seed(1)
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {key: value for key, value in CLIP.items() if key not in ("model_type", "projection_dim")}
    whole = CLIPModel(CLIPConfig(text_config=text | {"vocab_size": 99}, vision_config=vision, projection_dim=24))
    whole.save_pretrained(tmp_path / "clip")
    tokenizer = train_tokenizer(["a red picture", "a blue one"] * 3, 280)
    end = tokenizer.eos_token_id
    gpt = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64, vocab_size=len(tokenizer),
                                     bos_token_id=end, eos_token_id=end))  # fmt: skip
    gpt.save_pretrained(tmp_path / "gpt")
    tokenizer.save_pretrained(tmp_path / "gpt")
    what = Recipe(encoder=str(tmp_path / "clip"), decoder=str(tmp_path / "gpt"),
                  model={"reads": reads, "mapper": "mlp", "prefix": 3, "max_tokens": 9})  # fmt: skip
    words, model = begin(what, [])
    assert words.eos_token_id == end and model.config.image["size"] == 32
    assert torch.equal(model.decoder.transformer.wte.weight, gpt.transformer.wte.weight)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        seen = whole.eval().vision_model(pixels).pooler_output
        seen = whole.visual_projection(seen) if reads == "projected" else seen
        torch.testing.assert_close(model.eval().encode(pixels)[:, 0], seen, atol=1e-5, rtol=1e-4)


def test_half_precision_is_of_the_arithmetic_and_weights_stay_whole(data: Path, tmp_path: Path):
    best = train(recipe(epochs=2, precision="bfloat16"), data, tmp_path)
    state = load_file(best / "model.safetensors")
    assert {value.dtype for value in state.values()} == {torch.float32}
    full = load_file(train(recipe(epochs=2), data, tmp_path / "full") / "model.safetensors")
    name = "mapper.linear.weight"
    assert not torch.equal(state[name], full[name]) and torch.allclose(state[name], full[name], atol=0.05)
