"""Folders of llava: what is saved is what is loaded, adapters included; what does not fit is a sentence."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llava_samples as samples
import pytest
import torch
from safetensors.torch import load_file, save_file
from vdesc import MissingExtra, ModelError, OutputError
from vdesc_llava import adapter, checkpoint
from vdesc_llava.config import PROJECTORS, LlavaConfig
from vdesc_llava.model import LlavaModel

LORA = dict(r=4, alpha=8, dropout=0.0, targets=["q_proj", "v_proj", "down_proj"])


def logits(model: LlavaModel) -> torch.Tensor:
    ids = torch.tensor([model.prompt_ids("Describe.") + model.answer_ids(samples.SAID[0])])
    times = torch.tensor([[0.0, 1.0, 2.0]])
    with torch.no_grad():
        return model(features=samples.features(1), times=times, input_ids=ids).logits


def stirred(model: LlavaModel) -> LlavaModel:
    """The model with an adapter and positions that are no longer zero, as training leaves them."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name or name.startswith("positions"):
                weight.normal_(0, 0.1)
    return model


def named(path: Path, **more: Any) -> LlavaModel:
    """A model on bases that have folders."""
    places = samples.bases(path)
    return stirred(checkpoint.new(samples.config(places=places, **more)))


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


@pytest.mark.parametrize("projector", PROJECTORS)
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, projector: str) -> None:
    model = named(tmp_path, projector=projector, lora=LORA)
    checkpoint.save(model, tmp_path / "model")
    again = checkpoint.load(tmp_path / "model")
    assert torch.equal(logits(again), logits(model))
    assert again.config.to_dict() == model.config.to_dict()
    assert torch.equal(again.encode(samples.pixels()), model.encode(samples.pixels()))


def test_a_folder_names_its_bases_and_does_not_hold_them(tmp_path: Path) -> None:
    checkpoint.save(named(tmp_path, lora=LORA), tmp_path / "model")
    held = {path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*.safetensors")}
    assert held == {"projector.safetensors", "adapter/adapter_model.safetensors"}
    said = json.loads((tmp_path / "model/config.json").read_text())
    assert said["llm"] == str(tmp_path / "llm-qwen3") and said["model_type"] == "vdesc-llava"
    keys = set(load_file(tmp_path / "model/projector.safetensors"))
    assert keys == {
        "projector.proj.0.weight", "projector.proj.0.bias", "projector.proj.2.weight", "projector.proj.2.bias",
        "positions.frame.weight", "positions.time.weight",
    }  # fmt: skip


def test_the_adapter_is_pefts_own_format(tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = named(tmp_path, lora=LORA)
    checkpoint.save(model, tmp_path / "model")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "llm-qwen3")
    theirs = PeftModel.from_pretrained(base, tmp_path / "model/adapter")
    ids = torch.tensor([[5, 6, 7]])
    torch.testing.assert_close(theirs(ids).logits, model.llm(ids).logits)
    said = json.loads((tmp_path / "model/adapter/adapter_config.json").read_text())
    assert said["base_model_name_or_path"] == model.config.llm and said["r"] == 4


def test_an_adapter_that_is_new_changes_nothing_and_one_that_is_trained_does(tmp_path: Path) -> None:
    model = samples.model()
    before = logits(model)
    adapter.adapt(model, LORA)
    torch.testing.assert_close(logits(model), before)
    assert model.config.lora == LORA
    assert {name for name, weight in model.named_parameters() if weight.requires_grad and name.startswith("llm")} == {
        name for name, _ in model.named_parameters() if "lora_" in name
    }
    assert not torch.allclose(logits(stirred(model)), before, atol=1e-2)


def test_without_targets_all_linear_layers_are_adapted() -> None:
    for llm in samples.LLMS:
        model = samples.model(llm=llm, lora=dict(r=2))
        assert model.config.lora == adapter.LORA | dict(r=2)
        adapted = sum("lora_A" in name for name, _ in model.named_parameters())
        assert adapted == 2 * {"phi3": 4, "phi": 6}.get(llm, 7)


def test_merged_says_what_the_adapter_says(tmp_path: Path) -> None:
    model = named(tmp_path, lora=LORA)
    checkpoint.save(model, tmp_path / "model")
    wanted = logits(model)
    loaded = checkpoint.load(tmp_path / "model", merge=True)
    assert loaded.config.lora is None and not any("lora" in name for name, _ in loaded.named_parameters())
    torch.testing.assert_close(logits(loaded), wanted, rtol=1e-4, atol=1e-4)
    checkpoint.merged(model, tmp_path / "merged")
    again = checkpoint.load(tmp_path / "merged")
    torch.testing.assert_close(logits(again), wanted, rtol=1e-4, atol=1e-4)
    assert (tmp_path / "merged/llm/model.safetensors").is_file() and not (tmp_path / "merged/adapter").exists()


def test_bases_without_a_name_are_saved_and_the_folder_can_be_moved(tmp_path: Path) -> None:
    model = stirred(samples.model("perceiver", lora=LORA))
    wanted = logits(model)
    checkpoint.save(model, tmp_path / "one")
    (tmp_path / "one").rename(tmp_path / "two")
    again = checkpoint.load(tmp_path / "two")
    assert torch.equal(logits(again), wanted)
    checkpoint.save(again, tmp_path / "three")
    (tmp_path / "two").rename(tmp_path / "gone")
    third = checkpoint.load(tmp_path / "three")
    assert torch.equal(logits(third), wanted)
    assert torch.equal(third.encode(samples.pixels()), model.encode(samples.pixels()))


def test_new_learns_what_its_bases_are(tmp_path: Path) -> None:
    tower, llm = samples.bases(tmp_path, "siglip", "gemma")
    (tower / "preprocessor_config.json").write_text(json.dumps(dict(size=dict(height=32, width=32), resample=2)))
    config = LlavaConfig(tower=str(tower), llm=str(llm), image=dict(std=[0.1] * 3))
    model = checkpoint.new(config)
    assert (config.width, config.hidden) == (samples.WIDTH, samples.HIDDEN)
    assert config.tower_config["model_type"] == "siglip_vision_model" and config.llm_config["model_type"] == "gemma"
    assert config.image == dict(size=32, resize="squash", mean=[0.5] * 3, std=[0.1] * 3, filter="bilinear")
    assert model.tokenizer.chat_template == samples.TEMPLATE


def test_a_model_can_be_loaded_without_its_tower(tmp_path: Path) -> None:
    model = named(tmp_path)
    checkpoint.save(model, tmp_path / "model")
    (tmp_path / "tower-clip").rename(tmp_path / "away")
    again = checkpoint.load(tmp_path / "model", tower=False)
    assert again.tower is None
    assert torch.equal(logits(again), logits(model))
    with pytest.raises(ModelError, match=r"the model's tower '.*tower-clip' is not at hand: there is no model"):
        checkpoint.load(tmp_path / "model")


def test_a_folder_whose_tower_was_never_saved_is_an_error_not_a_random_tower(tmp_path: Path) -> None:
    model = samples.model()
    model.tower = None
    checkpoint.save(model, tmp_path / "model")
    with pytest.raises(ModelError, match="the config names no tower"):
        checkpoint.load(tmp_path / "model")
    assert torch.equal(logits(checkpoint.load(tmp_path / "model", tower=False)), logits(model))


def test_a_base_that_needs_code_of_its_own_is_an_error_at_once(tmp_path: Path) -> None:
    tower, llm = samples.bases(tmp_path)
    edited(llm / "config.json", lambda v: v.update(model_type="theirs", auto_map={"AutoConfig": "code.Theirs"}))
    (llm / "code.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelError, match=r"llm-qwen3 holds no LLM that transformers knows"):
        checkpoint.new(samples.config(places=(tower, llm)))


def test_precision_is_that_of_the_llm_unless_it_is_to_be_trained(tmp_path: Path) -> None:
    checkpoint.save(named(tmp_path, lora=LORA), tmp_path / "model")
    for train, wanted in ((False, torch.bfloat16), (True, torch.float32)):
        model = checkpoint.load(tmp_path / "model", dtype=torch.bfloat16, train=train)
        assert model.llm.get_input_embeddings().weight.dtype == torch.bfloat16
        own = {w.dtype for name, w in model.named_parameters() if name.startswith("proj") or "lora_" in name}
        assert own == {wanted}
    said = model.generate(model.encode(samples.pixels()), ["Describe."] * 2, n=2)
    assert [len(some) for some in said] == [2, 2]


def test_the_same_seed_makes_the_same_model() -> None:
    assert torch.equal(logits(samples.model(seed=3)), logits(samples.model(seed=3)))


def test_a_base_of_other_dims_is_an_error_that_names_both(tmp_path: Path) -> None:
    checkpoint.save(named(tmp_path), tmp_path / "model")
    config = tmp_path / "model/config.json"
    for part in ("tower", "llm"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(samples.TOWERS, "clip", samples.TOWERS["clip"] | dict(hidden_size=40))
            patch.setitem(samples.LLMS, "qwen3", samples.LLMS["qwen3"] | dict(hidden_size=40))
            place = dict(zip(("tower", "llm"), samples.bases(tmp_path / "other"), strict=True))[part]
        before = config.read_text()
        edited(config, lambda values, part=part, place=place: values.update({part: str(place)}))
        width = {"tower": 32, "llm": 48}[part]
        with pytest.raises(
            ModelError, match=f"the {part} '{place}' is 40 wide, but the model was made for one {width}"
        ):
            checkpoint.load(tmp_path / "model")
        config.write_text(before)


def test_an_adapter_for_another_base_is_an_error(tmp_path: Path) -> None:
    checkpoint.save(named(tmp_path, lora=LORA), tmp_path / "model")
    said = tmp_path / "model/adapter/adapter_config.json"
    edited(said, lambda values: values.update(base_model_name_or_path="owner/other"))
    with pytest.raises(ModelError, match=r"is for the LLM 'owner/other', but the model's is '.*llm-qwen3'"):
        checkpoint.load(tmp_path / "model")


def test_an_adapter_of_another_shape_is_an_error(tmp_path: Path) -> None:
    checkpoint.save(named(tmp_path, lora=LORA), tmp_path / "model")
    path = tmp_path / "model/adapter/adapter_model.safetensors"
    state = load_file(path)
    key = sorted(state)[0]
    save_file(state | {key: state[key][:, :5].contiguous()}, path)
    with pytest.raises(ModelError, match=r"adapter in .* is for another LLM .* 1 of another shape .*\(4, 5\) instead"):
        checkpoint.load(tmp_path / "model")
    save_file({name: value for name, value in state.items() if name != key}, path)
    with pytest.raises(ModelError, match="1 missing"):
        checkpoint.load(tmp_path / "model")
    path.write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"adapter in .* cannot be read"):
        checkpoint.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(ModelError, match=r"adapter in .* cannot be read"):
        checkpoint.load(tmp_path / "model")


def test_targets_that_the_llm_does_not_have_are_an_error() -> None:
    with pytest.raises(ModelError, match=r"has no layers \['c_attn'\] for an adapter: set lora.targets"):
        samples.model(lora=dict(targets=["c_attn"]))


def test_an_adapter_without_peft_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtra, match=r"peft: pip install 'vdesc\[llm\]'"):
        adapter.adapt(samples.model(), LORA)


@pytest.mark.parametrize("bits", [4, 8])
def test_bits_without_bitsandbytes_name_the_extra(tmp_path: Path, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vdesc.pretrained.find_spec", lambda name: None)
    checkpoint.save(named(tmp_path), tmp_path / "model")
    with pytest.raises(MissingExtra, match=rf"llava in {bits} bits needs the package bitsandbytes"):
        checkpoint.load(tmp_path / "model", bits=bits)


def test_bits_that_cannot_be_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vdesc.pretrained.find_spec", lambda name: object())
    checkpoint.save(named(tmp_path, lora=LORA), tmp_path / "model")
    with pytest.raises(ModelError, match="in 4 or 8 bits, not in 3"):
        checkpoint.load(tmp_path / "model", bits=3)
    with pytest.raises(ModelError, match="4 bits do not run on 'mps'"):
        checkpoint.load(tmp_path / "model", device="mps", bits=4, dtype=torch.float32, tower=False)
    with pytest.raises(ModelError, match="cannot be merged into weights of 4 or 8 bits"):
        checkpoint.load(tmp_path / "model", bits=4, merge=True)


@pytest.mark.parametrize("bits", [4, 8])
def test_bits_say_about_the_same_and_learn(tmp_path: Path, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes")
    monkeypatch.setitem(samples.LLMS, "qwen3", samples.LLMS["qwen3"] | dict(hidden_size=128, intermediate_size=256))
    checkpoint.save(named(tmp_path, lora=LORA), tmp_path / "model")
    whole, few = checkpoint.load(tmp_path / "model"), checkpoint.load(tmp_path / "model", bits=bits, train=True)
    assert torch.corrcoef(torch.stack([logits(whole).flatten(), logits(few).flatten()]))[0, 1] > 0.97
    ids = torch.tensor([few.prompt_ids("Describe.") + few.answer_ids(samples.SAID[0])])
    few.train()(features=samples.features(1), input_ids=ids, labels=ids).loss.backward()
    assert all(weight.grad is not None for name, weight in few.named_parameters() if "lora_" in name)
    checkpoint.save(few, tmp_path / "again")
    torch.testing.assert_close(logits(checkpoint.load(tmp_path / "again")), logits(whole))


def test_an_llm_that_does_not_run_in_4_bits_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(torch.nn.Module):
        def forward(self, ids: torch.Tensor) -> None:
            raise RuntimeError("no kernel for this\nmore")

    monkeypatch.setattr("vdesc_llava.bases._pretrained", lambda *given: Broken())
    with pytest.raises(ModelError, match=r"does not run in 4 bits on 'cpu' \(no kernel for this\): leave bits away"):
        checkpoint.new(samples.config(places=samples.bases(tmp_path)), bits=4)


def test_an_llm_from_scratch_has_no_weights_for_bits() -> None:
    with pytest.raises(ModelError, match="names no llm, so there are no weights to load in 4 bits"):
        checkpoint.new(samples.config(), weights=False, bits=4, tokenizer=samples.tokenizer())


def test_a_base_without_a_name_gets_random_weights(tmp_path: Path) -> None:
    tower, llm = samples.bases(tmp_path)
    wanted = checkpoint.new(samples.config(places=(tower, llm)))
    config = samples.config(places=(tower, llm))
    config.llm = ""
    mixed = checkpoint.new(config, tokenizer=samples.tokenizer())
    assert torch.equal(mixed.encode(samples.pixels()), wanted.encode(samples.pixels()))
    assert not torch.equal(mixed.llm.get_input_embeddings().weight, wanted.llm.get_input_embeddings().weight)


def test_what_is_quantised_is_not_merged() -> None:
    model = samples.model(lora=LORA)
    model.llm.base_model.model.is_quantized = True
    with pytest.raises(ModelError, match="cannot be merged"):
        checkpoint.merge_adapter(model)


def test_folders_that_are_none_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model"):
        checkpoint.load(tmp_path / "none")
    with pytest.raises(ModelError, match=r"it has no config.json"):
        checkpoint.load(tmp_path)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(ModelError, match="cannot be read as a config"):
        checkpoint.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "clipgpt"}')
    with pytest.raises(ModelError, match="describes a model of type 'clipgpt', not 'vdesc-llava'"):
        checkpoint.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "vdesc-llava", "projecto": "linear"}')
    with pytest.raises(ModelError, match="unknown key 'projecto'"):
        checkpoint.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "vdesc-llava"}')
    with pytest.raises(ModelError, match="the config names no tower"):
        checkpoint.load(tmp_path)


def test_a_projector_that_does_not_fit_is_an_error_that_names_keys(tmp_path: Path) -> None:
    checkpoint.save(named(tmp_path), tmp_path / "model")
    path = tmp_path / "model/projector.safetensors"
    edited(tmp_path / "model/config.json", lambda values: values.update(projector="linear"))
    with pytest.raises(
        ModelError, match=r"does not fit its config.json: keys 2 missing .*projector.proj.bias.*not known"
    ):
        checkpoint.load(tmp_path / "model")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"projector.safetensors is damaged"):
        checkpoint.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(ModelError, match=r"has no projector.safetensors"):
        checkpoint.load(tmp_path / "model")


def test_an_llm_without_its_weights_or_its_tokenizer_is_an_error(tmp_path: Path) -> None:
    checkpoint.save(named(tmp_path), tmp_path / "model")
    (tmp_path / "model/tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"the tokenizer in .*model cannot be read"):
        checkpoint.load(tmp_path / "model")
    path = tmp_path / "llm-qwen3/model.safetensors"
    state = load_file(path)
    save_file({key: value for key, value in state.items() if "layers.1." not in key}, path, metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"the LLM in .* lacks weights \(model.layers.1."):
        checkpoint.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(ModelError, match=r"the LLM in .*llm-qwen3 cannot be loaded"):
        checkpoint.load(tmp_path / "model")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file"):
        checkpoint.save(samples.model(), tmp_path / "file")
