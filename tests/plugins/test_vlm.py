"""The captioner `vlm`: slots in, candidates out, on small random models of the real classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import vlm_samples as samples
from vdesc import PluginError, Settings, SettingsError
from vdesc.pipeline import Engine
from vdesc.prompted import Answer
from vdesc.registry import Registry
from vdesc.testing import assert_contract, small_video
from vdesc_vlm import Vlm


@pytest.fixture(autouse=True)
def numbers_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """SmolVLM's processor says the number of frames in words, by a package of its own."""
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", str)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's model, made once."""
    return cache(lambda family: samples.folder(tmp_path_factory.mktemp(family), family))


MIXED = (samples.slot(0, 3, (samples.text("SALE today"), samples.thing("horse"))), samples.slot(1, 1), samples.slot(2))
"""Slots with other numbers of keyframes and other prompts, so that each batch has padding."""
WAYS = [
    (family, kind) for family in samples.FAMILIES for kind in ("images", "video")
    if kind == "images" or family in samples.VIDEOS
]  # fmt: skip


def said(captioner: Any, slots: Any, n: int = 1) -> list[list[Answer]]:
    slots = list(slots)
    return captioner.say(captioner.see(slots), [captioner.asked(slot) for slot in slots], n, False)


def same(one: list[list[Answer]], other: list[list[Answer]]) -> bool:
    texts = [[[a.text, a.finished] for a in some] for some in one] == [[[a.text, a.finished] for a in b] for b in other]
    sure = [[a.confidence for a in some] for some in one], [[a.confidence for a in some] for some in other]
    return texts and bool(np.allclose(*sure, atol=1e-3))


@pytest.mark.parametrize(("family", "kind"), WAYS)
def test_a_batch_says_what_each_slot_alone_says(place: Callable[[str], Path], family: str, kind: str) -> None:
    captioner = samples.captioner(place(family), input=kind)
    together = said(captioner, MIXED)
    assert same(together, [said(captioner, [slot])[0] for slot in MIXED])
    assert len({some[0].text for some in together}) == len(MIXED)


@pytest.mark.parametrize("options", [dict(beams=3), dict(temperature=1.0, top_p=0.9), dict(repetition_penalty=1.5)])
def test_beams_and_draws_do_not_depend_on_the_batch(place: Callable[[str], Path], options: dict[str, Any]) -> None:
    captioner = samples.captioner(place("qwen2_vl"), **options)
    together = said(captioner, MIXED, 2)
    assert same(together, [said(captioner, [slot], 2)[0] for slot in MIXED])
    assert all(len(some) == 2 and some[0].confidence >= some[1].confidence for some in together)


def test_a_penalty_changes_the_answer_and_another_seed_the_draw(place: Callable[[str], Path]) -> None:
    plain, strict, drawn, other = (
        said(samples.captioner(place("smolvlm"), max_tokens=24, **options), MIXED)
        for options in ({}, dict(repetition_penalty=9.0), dict(temperature=1.0), dict(temperature=1.0, seed=1))
    )
    assert not same(plain, strict)
    assert not same(drawn, other)
    for some in strict:
        words = some[0].text.split()
        assert len(set(words)) == len(words)


@pytest.mark.parametrize("family", ["smolvlm", "internvl"])
def test_the_contract_holds(place: Callable[[str], Path], family: str) -> None:
    assert_contract(Vlm, model=str(place(family)), max_tokens=8, temperature=1.0, batch=3)


def test_candidates_come_slot_by_slot_with_confidence(place: Callable[[str], Path]) -> None:
    captioner = samples.captioner(place("llava_next_video"), temperature=1.0, batch=2)
    found = list(captioner.propose(MIXED, 3))
    assert found and [one.slot for one in found] == sorted(one.slot for one in found)
    for one in found:
        assert one.source == "vlm" and 0 < one.confidence <= 1
        assert not one.text.startswith(" ")
    assert len({(one.slot, one.text) for one in found}) == len(found)


def test_the_model_sees_the_pictures(place: Callable[[str], Path]) -> None:
    captioner = samples.captioner(place("internvl"), frames=1)
    shown = captioner.see(MIXED)
    one, two = captioner.say(shown[:2], ["What?"] * 2, 1, False)
    again = captioner.say([shown[1], shown[0]], ["What?"] * 2, 1, False)
    assert one != two and same([one, two], again[::-1])


def test_it_runs_from_a_video_to_a_description(place: Callable[[str], Path], tmp_path: Path) -> None:
    import vdesc_vlm

    registry = Registry()
    registry.register(vdesc_vlm)
    options = {"vlm": dict(model=str(place("smolvlm")), max_tokens=8, temperature=1.0, style="strict", longest=60)}
    settings = Settings(keyframes="uniform:2", plugins=["vlm"], formats=["json"], options=options, device="cpu")
    with Engine(settings, registry) as engine:
        made = engine.describe(small_video(tmp_path / "clip.mp4"))
    assert {one.source for one in made.candidates} == {"vlm"} and made.cues
    assert all(len(one.text) <= 60 for one in made.candidates)


def test_what_cannot_be_used_is_asked_again_and_then_dropped_with_its_reason(
    place: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = samples.captioner(place("smolvlm"))
    asked: list[tuple[int, bool]] = []

    def say(shown: Any, prompts: Any, n: int, again: bool) -> list[list[Answer]]:
        asked.append((len(shown), again))
        loop = [Answer("go go go go go go go")]
        return [loop if again or i else [Answer("A dog runs.")] for i in range(len(shown))]

    monkeypatch.setattr(captioner, "say", say)
    found = list(captioner.propose(MIXED))
    assert [one.text for one in found] == ["A dog runs."]
    assert asked == [(3, False), (2, True)]
    assert any("a loop" in finding.message for finding in captioner.findings)


def test_asked_again_it_draws(place: Callable[[str], Path]) -> None:
    captioner = samples.captioner(place("smolvlm"), max_tokens=24)
    shown, asked = captioner.see(MIXED), [captioner.asked(slot) for slot in MIXED]
    first, again = captioner.say(shown, asked, 1, False), captioner.say(shown, asked, 1, True)
    assert not same(first, again) and same(again, captioner.say(shown, asked, 1, True))


def test_where_memory_does_not_suffice_the_batch_is_halved_and_that_is_said(
    place: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = samples.captioner(place("smolvlm"), batch=8)
    slots = [samples.slot(i) for i in range(8)]
    whole, real, sizes = said(captioner, slots), captioner.model.generate, []

    def generate(**given: Any) -> Any:
        sizes.append(len(given["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return real(**given)

    monkeypatch.setattr(captioner.model, "generate", generate)
    assert same(whole, said(captioner, slots))
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert [finding.message for finding in captioner.findings] == [
        "memory did not suffice for 8 slots at once: the batch is 4 from here on",
        "memory did not suffice for 4 slots at once: the batch is 2 from here on",
    ]


def test_memory_for_not_even_one_slot_is_one_sentence(
    place: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = samples.captioner(place("smolvlm"))

    def generate(**_: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(captioner.model, "generate", generate)
    with pytest.raises(PluginError, match=r"^vlm: the memory of cpu does not hold one slot: lower vlm.frames, "):
        said(captioner, MIXED[:2])


def test_another_error_of_the_model_is_not_taken_for_memory(
    place: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    captioner = samples.captioner(place("smolvlm"))

    def generate(**_: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(captioner.model, "generate", generate)
    with pytest.raises(RuntimeError, match="shapes"):
        said(captioner, MIXED)


def test_pictures_that_cannot_be_read_are_left_out_and_told_once(place: Callable[[str], Path], tmp_path: Path) -> None:
    from vdesc import Picture

    captioner = samples.captioner(place("smolvlm"), temperature=1.0)
    broken = Picture(tmp_path / "none.jpg")
    first, second, third = (samples.slot(i) for i in range(3))
    first = replace(first, keyframes=(replace(first.keyframes[0], image=broken), *first.keyframes[1:]))
    second = replace(second, keyframes=tuple(replace(one, image=broken) for one in second.keyframes))
    shown = captioner.see([first, second])
    assert [len(one.pictures) for one in shown] == [2, 0] and shown[0].times == (1107, 2128)
    found = list(captioner.propose([first, second, third]))
    assert 1 not in {one.slot for one in found}
    told = [finding.message for finding in captioner.findings]
    assert told.count("4 keyframes could not be read and were left out") == 1


def test_slots_without_keyframes_get_no_caption(place: Callable[[str], Path]) -> None:
    captioner = samples.captioner(place("smolvlm"), temperature=1.0)
    found = list(captioner.propose([samples.slot(0, 0), samples.slot(1)]))
    assert {one.slot for one in found} <= {1}
    assert captioner.findings[0].message == "1 slots without a keyframe got no caption"


def test_a_prompt_that_is_too_long_for_the_model_is_told(place: Callable[[str], Path]) -> None:
    captioner = samples.captioner(place("smolvlm"), max_tokens=4)
    captioner.model.config.text_config.max_position_embeddings = 50
    said(captioner, MIXED), said(captioner, MIXED)
    (finding,) = captioner.findings
    assert "longer than the model's 50 leave room for: lower vlm.frames" in finding.message


def test_the_words_of_the_prompt_are_those_of_style_language_and_person(place: Callable[[str], Path]) -> None:
    slot, path = samples.slot(0), place("smolvlm")
    assert samples.captioner(path).asked(slot) == "Describe what this video shows."
    strict = samples.captioner(path, style="strict", longest=20)
    strict.language = "ko"
    assert "'~다'" in strict.asked(slot) and strict.asked(slot).endswith("20자 이내로 쓰세요.")
    assert samples.captioner(path, prompt="Name the colours.").asked(slot) == "Name the colours."
    assert "strict, ko" in Vlm.prompts()


def test_options_are_checked() -> None:
    from vdesc.registry import create

    for wrong in (dict(bits=3), dict(frames=0), dict(input="film"), dict(revision="a b"), dict(styel="basic")):
        with pytest.raises(SettingsError):
            create(Vlm, **wrong)


def test_findings_are_plain_json(place: Callable[[str], Path]) -> None:
    captioner = samples.captioner(place("smolvlm"))
    list(captioner.propose(MIXED))
    json.dumps([finding.message for finding in captioner.findings])
