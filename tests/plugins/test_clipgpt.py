"""The captioner: candidates, batches, the feature cache, models by name, checkpoints that are wrong or unsafe."""

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from clipgpt_models import KINDS, Memory, folder, model, slots, tokenizer
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from vdesc import Cache, Candidate, ModelError, Picture, Slot
from vdesc_clipgpt import ClipGPT, captioners, checkpoint
from vdesc_clipgpt.checkpoint import load_model
from vdesc_clipgpt.ranker import Match


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("tiny"))


def captioner(path: Path, cache: Cache | None = None, **options: Any) -> ClipGPT:
    made = ClipGPT(ClipGPT.Options(model=str(path), **options))
    made.cache = cache
    made.load("cpu")
    return made


def propose(path: Path, some: list[Slot], n: int = 1, **options: Any) -> list[Candidate]:
    return list(captioner(path, **options).propose(some, n))


def test_each_slot_gets_different_sentences_best_first(tiny: Path) -> None:
    found = propose(tiny, slots(5), 3)
    assert [candidate.slot for candidate in found] == sorted(candidate.slot for candidate in found)
    for index in range(5):
        of_slot = [candidate for candidate in found if candidate.slot == index]
        texts, confidences = [c.text for c in of_slot], [c.confidence or 0 for c in of_slot]
        assert 1 <= len(of_slot) <= 3 and len(set(texts)) == len(texts)
        assert confidences == sorted(confidences, reverse=True) and all(0 < c <= 1 for c in confidences)
        assert all(text[-1] in ".!?" and text == text.strip() for text in texts)
        assert {(c.source, c.language) for c in of_slot} == {("clipgpt", "en")}


@pytest.mark.parametrize("options", [{}, {"beam": 1}, {"temperature": 1.0, "seed": 5}])
def test_captions_depend_on_nothing_but_the_slots(tiny: Path, options: dict[str, Any]) -> None:
    some = slots(7)
    first = propose(tiny, some, 2, **options)
    assert propose(tiny, some, 2, **options) == first
    smaller = propose(tiny, some, 2, batch=3, **options)
    assert [(c.slot, c.text) for c in smaller] == [(c.slot, c.text) for c in first]
    assert [c.confidence for c in smaller] == pytest.approx([c.confidence for c in first], abs=2e-6)
    alone = propose(tiny, some[4:5], 2, **options)
    assert [c.text for c in alone] == [c.text for c in first if c.slot == 4]


def test_pictures_make_a_difference(tiny: Path) -> None:
    assert len({candidate.text for candidate in propose(tiny, slots(8))}) > 1


@pytest.mark.parametrize("change", [{"beam": 1}, {"temperature": 2.0}, {"max_tokens": 3}, {"no_repeat": 1},
                                    {"repetition_penalty": 5.0}])  # fmt: skip
def test_every_option_acts(tiny: Path, change: dict[str, Any]) -> None:
    some = slots(8)
    assert [c.text for c in propose(tiny, some, **change)] != [c.text for c in propose(tiny, some)]


def test_seed_and_top_p_act_on_samples(tiny: Path) -> None:
    def sampled(**options: Any) -> list[str]:
        return [c.text for c in propose(tiny, slots(6), temperature=1.5, **options)]

    assert sampled(seed=1) == sampled(seed=1)
    assert sampled(seed=1) != sampled(seed=2)
    assert sampled(top_p=0.3) != sampled()


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_every_precision_captions(tiny: Path, precision: str) -> None:
    found = propose(tiny, slots(4), precision=precision)
    assert [candidate.slot for candidate in found] == [0, 1, 2, 3]
    assert found == propose(tiny, slots(4), precision=precision)


def test_a_model_of_one_picture_reads_only_the_one_in_the_middle(tiny: Path) -> None:
    read: list[int] = []
    some = slots(3, keyframes=3, read=read)
    propose(tiny, some)
    assert sorted(read) == [1, 4, 7]
    two = slots(1, keyframes=2)[0]
    sharp = replace(two, keyframes=(two.keyframes[0], replace(two.keyframes[1], sharpness=9.0)))
    single = [replace(two, keyframes=(keyframe,)) for keyframe in two.keyframes]
    assert [c.text for c in propose(tiny, [sharp])] == [c.text for c in propose(tiny, single[1:])]


@pytest.mark.parametrize("kind", ["concat", "cross"])
def test_a_model_of_several_pictures_reads_all_and_fills_up(kind: str, tmp_path: Path) -> None:
    path = folder(tmp_path, kind)
    for keyframes, wanted in ((3, [0, 1, 2]), (1, [0]), (7, [1, 3, 5])):
        read: list[int] = []
        assert len(propose(path, slots(1, keyframes, read))) == 1
        assert sorted(read) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_every_mapper_captions(kind: str, tmp_path: Path) -> None:
    assert [c.slot for c in propose(folder(tmp_path, kind), slots(3, 2))] == [0, 1, 2]


def test_a_picture_that_slots_share_is_read_once(tiny: Path) -> None:
    read: list[int] = []
    some = slots(3, read=read)
    shared = [replace(slot, keyframes=some[0].keyframes) for slot in some]
    found = propose(tiny, shared, batch=2)
    assert read == [0] and len({candidate.text for candidate in found}) == 1


def test_slots_without_keyframes_are_left_out_with_a_word(tiny: Path) -> None:
    some = slots(2)
    made = captioner(tiny)
    found = list(made.propose([replace(some[0], keyframes=()), some[1]]))
    assert [c.slot for c in found] == [1]
    assert ["1 slots without a keyframe" in finding.message for finding in made.findings] == [True]
    assert list(made.propose([])) == []


def test_candidates_without_words_are_dropped_with_a_word(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = captioner(tiny)
    monkeypatch.setattr(
        type(made.tokenizer), "batch_decode", lambda self, ids, **_: ["  ", *["a dog"] * (len(ids) - 1)]
    )
    found = list(made.propose(slots(2), 3))
    assert [(c.slot, c.text) for c in found] == [(0, "A dog."), (1, "A dog.")]
    assert "without words" in made.findings[0].message


def test_another_language_is_answered_with_a_warning(tiny: Path) -> None:
    made = captioner(tiny)
    made.language = "ko"
    list(made.propose(slots(1)))
    assert [(f.level, "'en' only" in f.message) for f in made.findings] == [("warning", True)]


def test_features_come_from_the_cache_and_give_the_same(tiny: Path, tmp_path: Path) -> None:
    cache, read = Cache(tmp_path / "cache"), []
    first = list(captioner(tiny, cache, batch=4).propose(slots(6, read=read), 2))
    again = captioner(tiny, cache, batch=4)
    again.model.encode = None
    assert list(again.propose(slots(6), 2)) == first
    assert [u.files for u in cache.usage() if u.part == "features"] == [2]
    other = captioner(tiny, cache, batch=4, precision="bfloat16")
    list(other.propose(slots(6)))
    assert [u.files for u in cache.usage() if u.part == "features"] == [4]


def test_features_of_files_follow_their_content(tiny: Path, tmp_path: Path) -> None:
    def said(number: int) -> str:
        Image.fromarray(Memory(Path(), number, []).pixels()).save(tmp_path / "frame.png")
        slot = slots(1)[0]
        keyframe = replace(slot.keyframes[0], image=Picture(tmp_path / "frame.png"))
        return next(iter(captioner(tiny, cache).propose([replace(slot, keyframes=(keyframe,))]))).text

    cache = Cache(tmp_path / "cache")
    texts = [said(number) for number in (0, 1, 2, 3, 0)]
    assert texts[0] == texts[4] and len(set(texts)) > 1
    assert texts[:4] == [c.text for c in propose(tiny, slots(4))]


def test_it_is_listed_and_light() -> None:
    assert captioners() == [ClipGPT]
    heavy = "{'torch', 'transformers', 'PIL'}"
    code = f"import sys, vdesc_clipgpt; vdesc_clipgpt.ClipGPT(); print(*({heavy} & set(sys.modules)))"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "")


def test_options_have_bounds_and_descriptions() -> None:
    for name, field in ClipGPT.Options.model_fields.items():
        assert field.description, name
    for wrong in ({"beam": 0}, {"top_p": 0}, {"temperature": -1}, {"precision": "int4"}, {"model": ""}, {"beams": 3}):
        with pytest.raises(ValidationError):
            ClipGPT.Options(**wrong)


def test_it_can_be_closed_twice_and_loaded_again(tiny: Path) -> None:
    made = captioner(tiny)
    said = list(made.propose(slots(1)))
    made.close()
    made.close()
    made.load("cpu")
    assert list(made.propose(slots(1))) == said


def test_the_fingerprint_follows_the_weights_and_needs_no_load(tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    prints = [ClipGPT(ClipGPT.Options(model=str(path))).fingerprint() for path in (tiny, copy)]
    assert prints[0] == prints[1]
    weights = load_file(copy / "model.safetensors")
    weights["decoder.transformer.ln_f.bias"] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert ClipGPT(ClipGPT.Options(model=str(copy))).fingerprint() != prints[0]
    assert ClipGPT(ClipGPT.Options(model="S")).fingerprint() == "S"


def test_untrained_sizes_say_so_and_are_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from vdesc_clipgpt import config

    monkeypatch.setitem(
        config.SHAPES, "S", model("encoder", decoder=dict(n_embd=32, n_layer=1, n_head=2)).config.to_dict()
    )
    made = ClipGPT(ClipGPT.Options(model="S", max_tokens=4, beam=1))
    made.load("cpu")
    found = list(made.propose(slots(2)))
    assert [c.slot for c in found] == [0, 1] and found[0].text.startswith("W")
    assert [(f.level, "untrained" in f.message) for f in made.findings] == [("warning", True)]
    made.load("cpu")
    assert list(made.propose(slots(2))) == found


def refused(name: str | Path) -> str:
    """The one sentence of the error."""
    with pytest.raises(ModelError) as caught:
        load_model(str(name))
    text = str(caught.value)
    assert text.startswith("clipgpt: ") and "\n" not in text
    return text


def test_a_loaded_model_is_the_one_that_was_saved(tiny: Path) -> None:
    loaded, learned = load_model(str(tiny))
    saved = model()
    assert not loaded.training and loaded.decoder.lm_head.weight is loaded.decoder.transformer.wte.weight
    assert all(torch.equal(value, saved.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert learned.decode(tokenizer().encode("a man")) == tokenizer().decode(tokenizer().encode("a man"))


def test_half_size_weights_are_read_as_float32(tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    weights = {name: value.half() for name, value in load_file(copy / "model.safetensors").items()}
    save_file(weights, copy / "model.safetensors")
    assert load_model(str(copy))[0].dtype == torch.float32
    assert len(propose(copy, slots(2))) == 2


def test_weights_in_several_files_are_joined(tiny: Path, tmp_path: Path) -> None:
    model().save_pretrained(tmp_path, max_shard_size="60KB")
    tokenizer().save_pretrained(tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert propose(tmp_path, slots(3)) == propose(tiny, slots(3))


def test_a_name_that_is_nothing_is_one_sentence(tmp_path: Path) -> None:
    assert "no model 'nonsense'" in refused("nonsense")
    assert "nowhere" in refused(tmp_path / "nowhere")
    (tmp_path / "model.pt").touch()
    assert "no file of PyTorch's" in refused(tmp_path / "model.pt")


def test_a_hub_id_without_network_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for offline in ("1", "0"):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        monkeypatch.setattr(socket, "create_connection", lambda *_, **__: (_ for _ in ()).throw(OSError("no network")))
        monkeypatch.delenv("HTTPS_PROXY", raising=False)
        monkeypatch.delenv("https_proxy", raising=False)
        start = time.monotonic()
        assert "nobody/captioner" in refused("nobody/captioner")
        assert time.monotonic() - start < 10


def test_a_missing_mini_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(checkpoint.OWN, "mini", tmp_path / "mini")
    assert "install vdesc again" in refused("mini")


def broken(tiny: Path, path: Path) -> Path:
    return Path(shutil.copytree(tiny, path / "broken"))


def test_a_checkpoint_that_does_not_match_names_its_keys(tiny: Path, tmp_path: Path) -> None:
    path = broken(tiny, tmp_path)
    weights = load_file(path / "model.safetensors")
    del weights["mapper.model.0.bias"]
    weights["stranger"] = torch.zeros(1)
    weights["decoder.transformer.ln_f.bias"] = torch.zeros(7)
    save_file(weights, path / "model.safetensors")
    text = refused(path)
    assert "1 missing (mapper.model.0.bias)" in text and "1 not known (stranger)" in text
    assert "1 of another shape (decoder.transformer.ln_f.bias (7,) instead of (32,))" in text


def test_many_wrong_keys_are_counted_and_a_few_named(tiny: Path, tmp_path: Path) -> None:
    path = broken(tiny, tmp_path)
    save_file({"odd": torch.zeros(1)}, path / "model.safetensors")
    text = refused(path)
    assert "..." in text and len(text) < 500 and " missing (decoder.transformer.h.0" in text


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
def test_damaged_or_missing_weights_are_one_sentence(tiny: Path, tmp_path: Path, damage: str) -> None:
    path = broken(tiny, tmp_path)
    weights = path / "model.safetensors"
    if damage == "gone":
        weights.unlink()
    else:
        weights.write_bytes(weights.read_bytes()[: 1000 if damage == "cut" else 0])
    assert ("no weights" if damage == "gone" else "damaged") in refused(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"model_type": "llama"}', "'llama', not 'clipgpt'"),
        ("{}", "'None', not 'clipgpt'"),
        ("[1]", "cannot be read as a config"),
        ("{", "cannot be read as a config"),
        (b"\xff\xfe\x00", "cannot be read as a config"),
        (None, "no config.json"),
    ],
)
def test_a_config_that_is_none_is_one_sentence(tiny: Path, tmp_path: Path, content: Any, said: str) -> None:
    path = broken(tiny, tmp_path)
    (path / "config.json").unlink()
    if content is not None:
        (path / "config.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert said in refused(path)


@pytest.mark.parametrize(
    "change",
    [
        {"mapper": "magic"},
        {"reads": "all"},
        {"encoder": {"model_type": "nothing"}},
        {"decoder": {"n_embd": 30, "n_head": 4}},
        {"encoder": {}},
        {"prefix": "ten"},
    ],
)
def test_a_config_that_builds_nothing_is_one_sentence(tiny: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    path = broken(tiny, tmp_path)
    values = json.loads((path / "config.json").read_text()) | change
    (path / "config.json").write_text(json.dumps(values))
    assert "config.json" in refused(path)


def test_a_missing_or_damaged_tokenizer_is_one_sentence(tiny: Path, tmp_path: Path) -> None:
    path = broken(tiny, tmp_path)
    (path / "tokenizer.json").write_text("{}")
    assert "tokenizer" in refused(path)
    (path / "tokenizer.json").unlink()
    assert "tokenizer.json is missing" in refused(path)


def test_a_pickle_of_tensors_alone_is_read(tiny: Path, tmp_path: Path) -> None:
    path = broken(tiny, tmp_path)
    (path / "model.safetensors").unlink()
    torch.save(model().state_dict(), path / "pytorch_model.bin")
    assert propose(path, slots(3)) == propose(tiny, slots(3))


class Evil:
    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt"])
@pytest.mark.parametrize("how", ["torch", "plain"])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(tiny: Path, tmp_path: Path, name: str, how: str) -> None:
    path, target = broken(tiny, tmp_path), tmp_path / "executed"
    (path / "model.safetensors").unlink()
    state = {"mapper.model.0.bias": Evil(target)}
    if how == "torch":
        torch.save(state, path / name)
    else:
        (path / name).write_bytes(pickle.dumps(state, protocol=2))
    assert "refused" in refused(path) and "safetensors" in refused(path)
    assert not target.exists()
    pickle.loads(pickle.dumps(Evil(target)))
    assert target.exists()  # it would have been made


def test_other_pickles_are_one_sentence(tiny: Path, tmp_path: Path) -> None:
    path = broken(tiny, tmp_path)
    (path / "model.safetensors").unlink()
    torch.save({"epoch": 3, "state": model().state_dict()}, path / "model.pt")
    assert "no table of tensors" in refused(path)
    (path / "model.pt").write_bytes((path / "model.pt").read_bytes()[:2000])
    assert "model.pt" in refused(path)
    (path / "model.pt").write_bytes(b"")
    assert "model.pt" in refused(path)


def test_int8_off_the_cpu_is_one_sentence(tiny: Path) -> None:
    made = ClipGPT(ClipGPT.Options(model=str(tiny), precision="int8"))
    with pytest.raises(ModelError, match="int8 works on the CPU only"):
        made.load("cuda")


def test_the_matcher_of_mini_finds_sentences_that_say_the_same() -> None:
    ranker = Match(Match.Options())
    ranker.load("cpu")
    said, same, other = "a man is sitting on a bench", "a man sits on a bench", "two dogs run through the grass"
    one, two, three = ranker.sentences([said, same, other])
    assert one @ two > 0.8 > 0.5 > one @ three
    assert one @ one == pytest.approx(1, abs=1e-4) and len(ranker.sentences([])) == 0
