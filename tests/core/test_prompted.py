"""Captioners with a prompt: what they ask, what they do with answers that cannot be used, and what is told of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from vdesc import InputError, SettingsError, Slot, listing
from vdesc.prompted import NAMED, Answer, Prompted, chosen
from vdesc.prompts import CLOSE, OPEN, WORDS
from vdesc.registry import Found, create
from vdesc.testing import FakeCaptioner, assert_contract, slots

LOOP, SORRY = "dog dog dog dog dog", "I'm sorry, I cannot see the video."


class Parrot(Prompted):
    """Says what it was taught: first and second answers, by slot."""

    name = "parrot"
    first: tuple[Answer, ...] = (Answer("A dog runs.", 0.5),)
    second: tuple[Answer, ...] = (Answer("A cat runs.", 0.5),)
    said: list[tuple[list[Any], list[str], int, bool]]

    def see(self, slots: Sequence[Slot]) -> list[int]:
        return [slot.index for slot in slots]

    def say(self, shown: Sequence[Any], asked: Sequence[str], n: int, again: bool) -> list[list[Answer]]:
        self.__dict__.setdefault("said", []).append((list(shown), list(asked), n, again))
        return [list(self.second if again else self.first)[:n] for _ in shown]


def parrot(*first: str | Answer, second: Sequence[str | Answer] = ("A cat runs.",), **options: Any) -> Parrot:
    made = create(Parrot, **options)
    made.first = tuple(Answer(text) if isinstance(text, str) else text for text in first)
    made.second = tuple(Answer(text) if isinstance(text, str) else text for text in second)
    made.load("cpu")
    return made


def texts(made: Parrot, n: int = 1, count: int = 1) -> list[str]:
    return [candidate.text for candidate in made.propose(slots(count), n)]


def test_it_keeps_the_contract() -> None:
    assert_contract(Parrot)


def test_answers_become_candidates() -> None:
    made = parrot(Answer(' "A dog runs." ', 0.5), Answer("A dog runs.", 0.4), Answer("Caption: A cat.", None))
    found = list(made.propose(slots(2), 3))
    assert [(c.slot, c.text, c.confidence, c.source, c.language) for c in found[:2]] == [
        (0, "A dog runs.", 0.5, "parrot", "en"),
        (0, "A cat.", None, "parrot", "en"),
    ]
    assert [c.slot for c in found] == [0, 0, 1, 1] and made.findings == []


def test_slots_are_asked_in_batches() -> None:
    made = parrot("A dog runs.", batch=2)
    assert len(texts(made, count=5)) == 5
    assert [shown for shown, *_ in made.said] == [[0, 1], [2, 3], [4]]


def test_a_prompt_has_style_language_length_and_evidence() -> None:
    made = parrot("개가 달린다.", style="strict", longest=30)
    made.language = "ko"
    assert texts(made) == ["개가 달린다."]
    ((_, (asked,), _, _),) = made.said
    assert asked.startswith(OPEN) and '"word 0"' in asked
    assert asked.partition(CLOSE)[2] == f"\n{WORDS['strict']['ko']} 30자 이내로 쓰세요."


def test_without_room_for_evidence_there_is_none() -> None:
    made = parrot("A dog.", evidence_tokens=0)
    texts(made)
    assert made.said[0][1] == [WORDS["basic"]["en"]]


def test_evidence_is_counted_by_the_models_own_tokens() -> None:
    class Dear(Parrot):
        def tokens(self, text: str) -> int:
            return 10 * len(text)

    made = Dear()
    texts(made)
    assert made.said[0][1] == [WORDS["basic"]["en"]]


@pytest.mark.parametrize("style", ["basic", "strict", None])
def test_a_prompt_of_ones_own_overrides_the_style(style: Any) -> None:
    made = parrot("A dog.", prompt=" Say it in five words. ", style=style, longest=20, evidence_tokens=0)
    texts(made)
    assert made.said[0][1] == ["Say it in five words. Use at most 20 characters."]


def test_words_of_prompts_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "styles.yaml"
    path.write_text("basic: {en: Say what it is.}", encoding="utf-8")
    made = parrot("A dog.", styles=str(path), evidence_tokens=0)
    texts(made)
    assert made.said[0][1] == ["Say what it is."]
    before = made.fingerprint()
    path.write_text("basic: {en: Say what this is.}", encoding="utf-8")
    assert made.fingerprint() != before and Parrot().fingerprint() == ""
    path.write_text("base: {en: Say what this is.}", encoding="utf-8")
    with pytest.raises(SettingsError, match="did you mean 'basic'"):
        parrot(styles=str(path))
    path.unlink()
    with pytest.raises(InputError, match=r"styles\.yaml"):
        made.fingerprint()


def test_a_slot_without_a_good_answer_is_asked_again() -> None:
    made = parrot(LOOP)
    assert texts(made, count=2) == ["A cat runs.", "A cat runs."]
    assert [(shown, again) for shown, _, _, again in made.said] == [([0, 1], False), ([0, 1], True)]
    assert made.findings == []


def test_a_slot_whose_answers_are_bad_twice_has_a_finding_with_the_reason() -> None:
    made = parrot(LOOP, second=[LOOP, ""], batch=2)
    assert texts(made, n=2, count=3) == []
    assert [(f.source, f.level, f.message) for f in made.findings] == [
        ("parrot", "warning", "no caption for slots 0, 1, 2: the answer was a loop")
    ]


def test_a_reason_is_told_once_with_its_slots() -> None:
    class Odd(Parrot):
        def say(self, shown: Sequence[Any], asked: Sequence[str], n: int, again: bool) -> list[list[Answer]]:
            return [[Answer(LOOP if number % 2 else SORRY)] if number else [] for number in shown]

    made = Odd()
    assert texts(made, count=5) == []
    assert [f.message for f in made.findings] == [
        "no caption for slot 0: the answer was empty",
        "no caption for slots 1, 3: the answer was a loop",
        "no caption for slots 2, 4: the answer was a refusal",
    ]


def test_many_slots_are_not_all_named() -> None:
    made = parrot(SORRY, batch=4)
    assert texts(made, count=NAMED + 2) == []
    (finding,) = made.findings
    assert finding.message == "no caption for slots 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more: the answer was a refusal"


def test_what_is_dropped_beside_good_answers_is_counted() -> None:
    made = parrot("A dog runs.", LOOP, SORRY, LOOP)
    assert texts(made, n=4, count=2) == ["A dog runs.", "A dog runs."]
    assert [(f.level, f.message) for f in made.findings] == [
        ("note", "of slots that have others, 6 answers were dropped: a loop (4), a refusal (2)")
    ]


def test_a_refusal_is_not_asked_again_and_a_good_answer_suffices() -> None:
    made = parrot(SORRY)
    assert texts(made) == [] and len(made.said) == 1
    made = parrot(LOOP, "A dog runs.")
    assert texts(made, n=2) == ["A dog runs."] and len(made.said) == 1
    assert "a loop" in made.findings[0].message


def test_only_slots_that_need_it_are_asked_again() -> None:
    class Half(Parrot):
        def say(self, shown: Sequence[Any], asked: Sequence[str], n: int, again: bool) -> list[list[Answer]]:
            super().say(shown, asked, n, again)
            return [[Answer("A cat." if again else LOOP if number % 2 else "A dog.")] for number in shown]

    made = Half()
    assert texts(made, count=4) == ["A dog.", "A cat.", "A dog.", "A cat."]
    assert made.said[1][0] == [1, 3]


@pytest.mark.parametrize(
    ("said", "language", "told"),
    [
        (Answer("A dog runs."), "ko", "in another language"),
        (Answer("[00:01]"), "en", "made-up times"),
        (Answer(WORDS["basic"]["en"]), "en", "an echo of the prompt"),
        (Answer("A dog runs over the", finished=False), "en", "unfinished"),
        (Answer("A dog runs over the green grass of the park"), "en", "too long"),
    ],
)
def test_each_fault_has_its_reason(said: Answer, language: str, told: str) -> None:
    made = parrot(said, second=[said], longest=35)
    made.language = language
    assert texts(made) == []
    assert made.findings[0].message == f"no caption for slot 0: the answer was {told}"


def test_slots_without_keyframes_are_left_out_with_a_word() -> None:
    made = parrot("A dog runs.")
    some = slots(2)
    found = list(made.propose([replace(some[0], keyframes=()), some[1]]))
    assert [c.slot for c in found] == [1]
    assert "1 slots without a keyframe" in made.findings[0].message
    assert list(made.propose([])) == []


def test_chosen_keyframes_are_spread_and_one_alone_is_nearest_the_middle() -> None:
    (slot,) = slots(1, frames=5)
    frames = list(slot.keyframes)
    assert chosen(slot, 1) == [frames[2]]
    assert chosen(slot, 3) == [frames[0], frames[2], frames[4]]
    assert chosen(slot, 9) == frames and chosen(replace(slot, keyframes=()), 3) == []
    sharp, dull = replace(slot.keyframes[3], at=2400, sharpness=2.0), replace(slot.keyframes[4], at=2600)
    assert chosen(replace(slot, keyframes=(sharp, dull)), 1) == chosen(replace(slot, keyframes=(dull, sharp)), 1)
    assert chosen(replace(slot, keyframes=(dull, sharp)), 1) == [sharp]


def test_the_prompts_are_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(listing, "bearers", lambda name: [Found(Parrot, "tests", "1")])
    listing.show_plugin("parrot")
    shown = " ".join(capsys.readouterr().out.split())
    for style, spoken in (("basic", "en"), ("strict", "ko"), ("limit", "en")):
        assert f"Prompt ({style}, {spoken}): {WORDS[style][spoken]}" in shown
    assert FakeCaptioner.prompts() == {}
