"""Models that cannot be loaded as they are asked for: one sentence each, and no code of theirs has run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import vlm_samples as samples
from vdesc import MissingExtra, ModelError, pretrained
from vdesc_vlm import Vlm, loading

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    makers = {"clova": samples.clova} | {name: lambda path, name=name: samples.folder(path, name) for name in
                                         samples.FAMILIES}  # fmt: skip
    return cache(lambda name: makers[name](tmp_path_factory.mktemp(name)))


@pytest.fixture
def place(made: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of a model's folder, to spoil, without the files of some names."""

    def copied(name: str = "internvl", *without: str) -> Path:
        shutil.copytree(made(name), tmp_path / "model", ignore=shutil.ignore_patterns(*without, "ran"))
        for path in (tmp_path / "model").glob("*.py"):
            path.write_text(path.read_text().replace(str(made(name)), str(tmp_path / "model")))
        return tmp_path / "model"

    return copied


def refused(sentence: str, **options: Any) -> None:
    captioner = Vlm(Vlm.Options(**options))
    with pytest.raises(ModelError) as error:
        captioner.load("cpu")
    text = str(error.value)
    assert sentence in text and text.startswith("vlm: ") and "\n" not in text


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("", "no model is named: --set vlm.model=FOLDER, or a hub id"),
        ("nowhere/at/all", "there is no model 'nowhere/at/all': give a folder that exists, or a hub id"),
        ("somebody/no-such-model", "is not on disk and the model hub cannot be reached: download it where"),
    ],
)
def test_a_model_that_is_not_there(model: str, sentence: str) -> None:
    refused(sentence, model=model)


def test_a_folder_that_holds_no_model(tmp_path: Path) -> None:
    refused("is no model: there is no config.json in", model=str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    refused("config.json cannot be read", model=str(tmp_path))
    (tmp_path / "config.json").write_text("[]")
    refused("config.json is no config of a model: fetch the model again", model=str(tmp_path))


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("llama", "is a 'llama' model, which takes no pictures: name a vision-language model"),
        ("nonesuch", "is of a kind 'nonesuch' unknown here: a newer transformers may know it, or name another"),
    ],
)
def test_a_model_that_takes_no_pictures(tmp_path: Path, kind: str, sentence: str) -> None:
    samples.changed(tmp_path, "config.json", model_type=kind)
    refused(sentence, model=str(tmp_path))


def test_a_folder_without_processor(place: Callable[..., Path]) -> None:
    refused("has no processor: put processor_config.json or", model=str(place("internvl", "*processor_config.json")))


def test_a_processor_that_cannot_be_read(place: Callable[..., Path]) -> None:
    folder = place()
    (folder / "processor_config.json").write_text('{"processor_class": "NoSuchProcessor"}')
    (folder / "preprocessor_config.json").unlink(missing_ok=True)
    refused("the processor of", model=str(folder))


def test_a_package_that_a_processor_needs(made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", str)
    folder = made("smolvlm")
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    refused("num2words", model=str(folder))
    refused("install the package that it names", model=str(folder))


def test_weights_that_are_not_there(place: Callable[..., Path]) -> None:
    refused("cannot be loaded", model=str(place("internvl", "*.safetensors")))


def test_weights_that_are_broken(place: Callable[..., Path]) -> None:
    folder = place()
    (folder / "model.safetensors").write_bytes(b"no weights")
    refused("cannot be loaded", model=str(folder))


def test_pickled_weights_are_not_read(place: Callable[..., Path], tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "ran"),)

    folder = place("internvl", "*.safetensors")
    torch.save(Evil(), folder / "pytorch_model.bin")
    refused("cannot be loaded", model=str(folder))
    assert not (tmp_path / "ran").exists()


def test_weights_that_lack_a_part(place: Callable[..., Path]) -> None:
    from safetensors.torch import load_file, save_file

    file = place() / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "lm_head" not in name}
    save_file(kept, file, metadata={"format": "pt"})
    refused("lacks weights (lm_head.weight, ...): fetch it again", model=str(file.parent))


def test_code_of_a_model_runs_only_when_asked_for(place: Callable[..., Path]) -> None:
    folder = place("clova")
    refused("brings Python code of its own, which vdesc does not run unasked: read it, then set", model=str(folder))
    with pytest.raises(ModelError, match=r"vlm\.trust_remote_code=true$"):
        Vlm(Vlm.Options(model=str(folder))).fingerprint()
    assert not (folder / "ran").exists()
    captioner = samples.captioner(folder, trust_remote_code=True, temperature=1.0)
    assert (folder / "ran").exists()
    assert type(captioner.model).__name__ == "FakeForCausalLM"
    slots = [samples.slot(i) for i in range(4)]
    assert any(some[0].text for some in captioner.say(captioner.see(slots), ["What?"] * 4, 1, False))


def test_code_of_a_processor_alone_runs_only_when_asked_for(place: Callable[..., Path]) -> None:
    folder = place("internvl")
    (folder / "evil.py").write_text(f"from pathlib import Path\nPath(r'{folder}/ran').touch()\nclass Evil: ...\n")
    own = {"AutoProcessor": "evil.Evil"}
    samples.changed(folder, "processor_config.json", processor_class="Evil", auto_map=own)
    refused("brings Python code of its own", model=str(folder))
    assert not (folder / "ran").exists()


def test_a_model_that_transformers_knows_needs_no_code(place: Callable[..., Path]) -> None:
    folder = place("internvl")
    samples.changed(folder, "config.json", auto_map={"AutoModel": "evil.Evil"})
    captioner = samples.captioner(folder)
    assert type(captioner.model).__name__ == "InternVLForConditionalGeneration"


@pytest.mark.parametrize("revision", ["", "main", COMMIT[:7]])
def test_code_from_the_hub_needs_its_commit(
    made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def fetched(name: str, plugin: str, needed: Any) -> Path:
        asked.append((name, tuple(needed)))
        return made("clova")

    monkeypatch.setattr(loading, "model_folder", fetched)
    refused("may change at any time: set vlm.revision to the commit that you looked at, 40 hexadecimal digits",
            model="owner/name", revision=revision, trust_remote_code=True)  # fmt: skip
    refused("vlm.trust_remote_code=true and vlm.revision to the commit", model="owner/name", revision=revision)
    assert all(not set(needed) & {"*.py", "*.safetensors"} for _, needed in asked)
    assert loading.place("owner/name", COMMIT, True) == made("clova")
    assert asked[-1][0] == f"owner/name@{COMMIT}" and {"*.py", "*.safetensors"} <= set(asked[-1][1])


def test_code_of_a_hub_model_is_not_even_fetched_where_it_is_not_needed(
    made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(loading, "model_folder", lambda name, plugin, needed: asked.extend(needed) or made("internvl"))
    loading.place("owner/name", "", False)
    assert "*.py" not in asked and "*.safetensors" in asked


def test_code_from_another_repository_is_not_run(place: Callable[..., Path]) -> None:
    folder = place("clova")
    samples.changed(folder, "config.json", auto_map={"AutoConfig": "other/code--configuration.Config"})
    refused("takes its code from another repository (other/code--configuration.Config), which no revision pins",
            model=str(folder), trust_remote_code=True)  # fmt: skip


@pytest.mark.parametrize("file", ["tokenizer_config.json", "preprocessor_config.json"])
def test_code_that_only_words_or_pictures_need_is_held_to_the_same(
    place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    folder = place("internvl")
    samples.changed(folder, file, auto_map={"AutoTokenizer": [None, "other/code--words.Tokenizer"]})
    refused("takes its code from another repository", model=str(folder), trust_remote_code=True)
    samples.changed(folder, file, auto_map={"AutoTokenizer": [None, "words.Tokenizer"]})
    monkeypatch.setattr(loading, "model_folder", lambda name, plugin, needed: folder)
    refused("may change at any time", model="owner/name", revision="main", trust_remote_code=True)


def adapter(folder: Path, path: Path, rank: int = 2) -> Path:
    """A random adapter for the model in `folder`."""
    from peft import LoraConfig, get_peft_model

    captioner = samples.captioner(folder)
    tuned = get_peft_model(captioner.model, LoraConfig(r=rank, target_modules=["q_proj", "v_proj"]))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for name, weight in tuned.named_parameters():
            if "lora_" in name:
                weight.normal_(0, 0.7)
    tuned.save_pretrained(path)
    return path


def test_an_adapter_changes_what_is_said(made: Callable[[str], Path], tmp_path: Path) -> None:
    tuned = adapter(made("internvl"), tmp_path / "adapter")
    plain = samples.captioner(made("internvl"))
    other = samples.captioner(made("internvl"), adapter=str(tuned))
    shown, asked = plain.see([samples.slot(0)]), ["What?"]
    assert plain.say(shown, asked, 1, False) != other.say(shown, asked, 1, False)
    assert plain.fingerprint() != other.fingerprint()


def test_an_adapter_for_another_model(made: Callable[[str], Path], tmp_path: Path) -> None:
    tuned = adapter(made("internvl"), tmp_path / "adapter")
    refused("is in one of them only", model=str(made("llava_next_video")), adapter=str(tuned))
    samples.changed(tuned, "adapter_config.json", r=3)
    refused("does not fit the model", model=str(made("internvl")), adapter=str(tuned))
    samples.changed(tuned, "adapter_config.json", r=2, target_modules=["no_such_layer"])
    refused("name the model it was trained on", model=str(made("internvl")), adapter=str(tuned))


def test_a_folder_that_holds_no_adapter(made: Callable[[str], Path], tmp_path: Path) -> None:
    refused("holds no adapter: it needs adapter_config.json and", model=str(made("internvl")), adapter=str(tmp_path))
    refused("there is no model 'no such folder'", model=str(made("internvl")), adapter="no such folder")


@pytest.mark.parametrize(("options", "package"), [(dict(adapter="."), "peft"), (dict(bits=4), "bitsandbytes")])
def test_a_missing_package_is_named(
    made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], package: str
) -> None:
    real = loading.find_spec
    for home in (loading, pretrained):
        monkeypatch.setattr(home, "find_spec", lambda name: None if name == package else real(name))
    with pytest.raises(MissingExtra, match=rf"needs the package {package}: pip install 'vdesc\[llm\]'"):
        Vlm(Vlm.Options(model=str(made("internvl")), **options)).load("cpu")


def test_few_bits_where_they_cannot_run(made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: True)
    with pytest.raises(ModelError, match=r"8 bits do not run on 'mps': leave bits away"):
        loading.load_model(made("internvl"), "tiny", False, "mps", "auto", 8)


@pytest.mark.parametrize("bits", [4, 8])
def test_few_bits_are_asked_of_bitsandbytes(
    made: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, bits: int
) -> None:
    import transformers

    given: dict[str, Any] = {}
    folder, model = made("internvl"), samples.captioner(made("internvl")).model

    def loaded(path: Path, **more: Any) -> Any:
        given.update(more)
        return model, {"missing_keys": set()}

    monkeypatch.setattr(pretrained, "find_spec", lambda name: True)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.50.2")
    monkeypatch.setattr(transformers.AutoModelForImageTextToText, "from_pretrained", loaded)
    assert loading.load_model(folder, "tiny", False, "cpu", "bfloat16", bits) is model
    asked = given["quantization_config"]
    assert (asked.load_in_4bit, asked.load_in_8bit) == (bits == 4, bits == 8)
    assert given["device_map"] == {"": "cpu"} and given["dtype"] == torch.bfloat16 and given["use_safetensors"]


def test_the_number_format_is_what_is_asked_for(made: Callable[[str], Path]) -> None:
    assert samples.captioner(made("internvl")).model.dtype == torch.float32
    captioner = samples.captioner(made("internvl"), precision="bfloat16")
    assert captioner.model.dtype == torch.bfloat16
    assert captioner.say(captioner.see([samples.slot(0)]), ["What?"], 1, False)[0][0].text


def test_the_fingerprint_is_of_what_is_read(place: Callable[..., Path], tmp_path: Path) -> None:
    folder, words = place(), tmp_path / "words.yaml"
    words.write_text("basic: {en: Say what is there.}")

    def now(**options: Any) -> str:
        return Vlm(Vlm.Options(model=str(folder), **options)).fingerprint()

    first = now()
    assert first == now() and first != now(styles=str(words))
    samples.changed(folder, "config.json", note="another")
    second = now()
    os.utime(folder / "model.safetensors", ns=(1, 1))
    third = now()
    (folder / "chat_template.jinja").write_text("other")
    assert len({first, second, third, now()}) == 4
    (folder / "README.md").write_text("words")
    assert now() == now()


def test_after_close_it_loads_again(made: Callable[[str], Path]) -> None:
    captioner = samples.captioner(made("internvl"))
    captioner.close()
    captioner.close()
    assert not hasattr(captioner, "model") and not hasattr(captioner, "inputs")
    captioner.load("cpu")
    assert captioner.model is not None
