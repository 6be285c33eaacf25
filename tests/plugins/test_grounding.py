"""The grounding ranker: what gains, what loses, and what it promises of both."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import Candidate, Context, Evidence, SettingsError, Slot, Span
from vdesc.registry import create
from vdesc.testing import assert_contract, keyframes
from vdesc_grounding import Grounding
from vdesc_grounding.tables import Rarity, lexicon, rarities, sections

SPAN = Span(0, 1000)
LABELS = sorted(rarities())
NOUNS = sorted(
    word.strip()
    for words in sections()["en"]["objects"].values()
    for word in words.split(",")
    if not set(word) & set("~@")
)


def ranker(**options: object) -> Grounding:
    plugin = create(Grounding, **options)
    plugin.load("cpu")
    return plugin


RANKER, ENGLISH = ranker(), lexicon(sections(), "en")


def seen(label: str, confidence: float = 0.9, source: str = "yolox", **details: object) -> Evidence:
    return Evidence("object", SPAN, label, confidence, source, None, details)


def read(line: str, kind: str = "text", confidence: float = 0.9) -> Evidence:
    return Evidence(kind, SPAN, line, confidence, "reader")


def slot(*evidence: Evidence) -> Slot:
    return Slot(0, SPAN, (), Context(evidence))


def score(text: str, *evidence: Evidence, by: Grounding = RANKER, language: str = "en") -> float:
    (number,) = by.score([slot(*evidence)], [Candidate(0, text, "x", language)])
    return number


def rests(text: str, *evidence: Evidence) -> list[str]:
    (found,) = RANKER.support([slot(*evidence)], [Candidate(0, text, "x")])
    return [one.value for one in found]


def test_without_evidence_nothing_is_good_or_bad():
    assert score('Two men say "hello" to dog 42') == 0.5
    assert score("A fine day", seen("dog")) == 0.5


def test_what_was_seen_gains_and_what_was_looked_for_and_not_seen_loses():
    assert score("A dog", seen("dog")) > 0.5 > score("A cat", seen("dog"))
    assert rests("A dog and a cat", seen("dog"), seen("bus")) == ["dog"]


def test_the_surer_a_sighting_the_more_it_gains():
    assert score("A dog", seen("dog", 0.9)) > score("A dog", seen("dog", 0.3)) > 0.5


def test_a_rare_thing_gains_more_than_a_common_one():
    assert score("A giraffe", seen("giraffe")) > score("A person", seen("person"))


def test_a_thing_that_detectors_seldom_miss_loses_more():
    assert rarities()["person"].found > rarities()["dining table"].found
    assert score("A person", seen("dog")) < score("A table", seen("dog"))


def test_absence_counts_as_much_as_asked():
    lax, strict = ranker(absence=0), ranker(absence=2)
    assert score("A cat", seen("dog"), by=lax) == 0.5
    assert score("A cat", seen("dog"), by=strict) < score("A cat", seen("dog"))


def test_a_word_that_may_mean_something_else_never_loses():
    assert score("A statue of a cat", seen("dog")) == 0.5
    assert score("A statue of a cat", seen("cat")) > 0.5


def test_a_word_for_many_things_gains_by_any_of_them():
    assert score("A vehicle", seen("bus")) > 0.5
    assert score("A vehicle and a bus", seen("bus")) == score("A bus", seen("bus"))


def test_a_word_for_one_of_several_loses_as_the_one_most_easily_missed():
    (board,) = [
        m.labels for m in ENGLISH.read("A board by the skate ramp and a wave").mentions if m.sure and m.kind == "object"
    ]
    assert board == {"skateboard", "surfboard"}
    table = {"skateboard": Rarity(0.02, 0.9), "surfboard": Rarity(0.02, 0.2)}
    strict = ranker()
    strict.rarities = strict.rarities | table
    loss = score("A board by the skate ramp and a wave", seen("dog"), by=strict)
    assert loss == pytest.approx(1 / (1 + math.exp(-6 * math.tanh(math.log(0.8) / 6))))


def test_a_slot_where_the_detector_found_nothing_was_still_looked_at():
    empty, full = Slot(0, SPAN, ()), Slot(1, Span(1000, 2000), (), Context((seen("dog"),)))
    numbers = RANKER.score([empty, full], [Candidate(0, "A dog", "x"), Candidate(1, "A dog", "x")])
    assert numbers[0] < 0.5 < numbers[1]


def test_a_detector_of_other_labels_knows_only_what_it_gave():
    helmets = [seen("hard hat", source="own"), seen("person", source="own")]
    assert score("A dog", *helmets) == 0.5
    assert score("A man in a hard hat", *helmets) > score("A man", *helmets) > 0.5
    assert rests("Two hard hats", *helmets) == ["hard hat"]
    elsewhere = [Slot(0, SPAN, (), Context((seen("person", source="own"),))), Slot(1, SPAN, (), Context((helmets[0],)))]
    assert RANKER.score(elsewhere, [Candidate(0, "A hard hat", "x")])[0] < 0.5


def test_labels_of_other_vocabularies_are_understood():
    assert score("A sofa and a plane", seen("sofa"), seen("aeroplane")) > 0.9


def test_a_count_that_agrees_beats_one_that_does_not():
    two = seen("person", count=2)
    numbers = [score(text, two) for text in ("Two men", "Three men", "Nine men")]
    assert numbers == sorted(numbers, reverse=True) and numbers[0] > numbers[-1]
    assert score("A group of people", seen("person", count=7)) > score("A group of people", seen("person", count=1))
    assert score("Two men", seen("person"), seen("person")) == score("Two men", two)
    assert score("Two men", seen("person", count="many")) > 0.5


def test_quotes_and_numbers_must_be_read_or_heard():
    line = read("OXFORD STREET 42")
    assert score('It says "Oxford Street"', line) > score('It says "Oxfrod Stret"', line) > 0.5
    assert score('It says "Coca Cola"', line) < 0.5
    assert score("Number 42", line) > 0.5 > score("Number 77", line)
    assert score("5 windows", line) == 0.5  # one digit may count what no lexicon knows
    assert score('It says "Coca Cola"', read("nothing of it", "speech")) == 0.5  # nobody read
    assert rests("Number 42 and dogs", line) == ["OXFORD STREET 42"]


def test_what_is_heard_supports_less_than_what_is_read():
    read_, heard = score("The museum", read("museum")), score("The museum", read("museum", "speech"))
    assert read_ > heard > 0.5
    assert score("There is something with it", read("there is something with it", "speech")) == 0.5


def test_faces_sounds_and_expressions_support():
    marie = Evidence("face", SPAN, "Marie", 0.8, "faces")
    happy = Evidence("expression", SPAN, "happy", 0.8, "faces")
    clapping, odd = (Evidence("sound", SPAN, value, 0.8, "sounds") for value in ("Applause", "Steam whistle"))
    assert score("Marie waits", marie) > score("A woman waits", marie) > 0.5
    assert score("A smiling face", happy) > 0.5
    assert score("They clap", clapping) > 0.5
    assert rests("A steam whistle and Marie, laughing", marie, odd, happy) == ["happy", "Marie", "Steam whistle"]
    assert score("Music plays", clapping) == 0.5  # a sound that is not heard is no fault


def test_each_part_is_bounded():
    line = [read(f"word{i} one two") for i in range(50)]
    many = " ".join(f"word{i}" for i in range(50))
    assert score(many, *line) == pytest.approx(1 / (1 + 2.718281828**-3), abs=1e-3)


def test_korean_candidates_are_read_with_korean_words():
    assert score("강아지가 달린다", seen("dog"), language="ko-KR") == score("A dog", seen("dog"))
    assert score("고양이가 달린다", seen("dog"), language="ko") < 0.5
    assert score("koira juoksee", seen("dog"), language="fi") == 0.5


def test_evidence_of_any_text_and_any_number_is_borne():
    odd = [read("\u202e\x00🚌" * 100), read("word " * 2000), read(""), seen("", 0.5), seen("dog", float("nan"))]
    assert 0 <= score('A "bus" 42', *odd) <= 1
    assert 0 <= score("a dog " * 2000, *odd) <= 1


def test_it_keeps_the_contract(tmp_path: Path):
    assert_contract(Grounding)


def test_own_words_are_added(tmp_path: Path):
    own = tmp_path / "words.yaml"
    own.write_text(
        "en:\n  objects:\n    dog: good boy\n    crown: crown\nfi:\n  objects:\n    dog: koira\n  endings: n, t\n"
    )
    plugin = ranker(lexicon=own)
    assert score("A good boy", seen("dog"), by=plugin) > 0.5
    assert score("A puppy", seen("dog"), by=plugin) > 0.5
    assert score("koirat", seen("dog"), by=plugin, language="fi") > 0.5
    before = plugin.fingerprint()
    own.write_text("en: {}")
    assert plugin.fingerprint() != before
    assert RANKER.fingerprint() == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read"),
        ("- dog", "sections by language"),
        ("en: dog", "sections by language"),
        ("en:\n  object:\n    dog: x", r"has 'object' under en \(did you mean 'objects'"),
        ("en:\n  objects: dog", "labels, each with its words under en: objects"),
        ("en:\n  endings:\n    s: t", "words with commas between them under en: endings"),
        ("en:\n  objects:\n    dog: [a, b]", "labels, each with its words under en: objects"),
    ],
)
def test_a_lexicon_that_cannot_be_used_is_a_sentence(tmp_path: Path, text: str, said: str):
    own = tmp_path / "words.yaml"
    own.write_text(text)
    with pytest.raises(SettingsError, match=f"words.yaml.*{said}"):
        ranker(lexicon=own)


def test_a_lexicon_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"grounding: the lexicon .*none.yaml cannot be read: No such file"):
        ranker(lexicon=tmp_path / "none.yaml")


SIGHTINGS = st.lists(st.builds(seen, st.sampled_from(LABELS), st.floats(0, 1)), min_size=1, max_size=6)
EVIDENCE = st.builds(
    Evidence,
    kind=st.sampled_from(["object", "text", "speech", "sound", "face", "expression", "own"]),
    span=st.just(SPAN),
    value=st.text(max_size=12) | st.sampled_from([*LABELS, "Marie", "OPEN 24 hours", "Music", "happy"]),
    confidence=st.floats(0, 1),
    source=st.sampled_from(["yolox", "own"]),
    details=st.dictionaries(st.just("count"), st.integers(0, 9)),
)
SAID = st.text(max_size=40) | st.lists(
    st.sampled_from([*NOUNS, "two", "3", "group of", "no", '"open"', "42", "Marie", "music", "smiling"]), max_size=9
).map(" ".join)


@given(SAID, st.lists(EVIDENCE, max_size=8))
def test_the_score_is_a_share_and_the_support_is_of_the_slot(text: str, evidence: list[Evidence]):
    asked, candidates = [slot(*evidence)], [Candidate(0, text, "x")]
    (number,) = RANKER.score(asked, candidates)
    (found,) = RANKER.support(asked, candidates)
    assert 0 <= number <= 1
    assert {id(one) for one in found} <= {id(one) for one in evidence}
    assert number <= 0.5 or found


def phrase(nouns: Sequence[str]) -> str:
    return " near ".join(f"a {noun}" for noun in nouns)


@given(st.lists(st.sampled_from(NOUNS), min_size=1, max_size=5), SIGHTINGS, st.floats(0, 1), st.data())
def test_more_support_never_lowers(nouns: list[str], evidence: list[Evidence], confidence: float, data: st.DataObject):
    named = data.draw(st.sampled_from(sorted(_labels(data.draw(st.sampled_from(nouns))))))
    text, more = phrase(nouns), seen(named, confidence)
    assert score(text, *evidence, more) >= score(text, *evidence)
    if confidence:
        assert more in RANKER.support([slot(*evidence, more)], [Candidate(0, text, "x")])[0]


@given(st.lists(st.sampled_from(NOUNS), min_size=1, max_size=5), SIGHTINGS, st.data())
def test_leaving_out_what_nothing_supports_never_lowers(
    nouns: list[str], evidence: list[Evidence], data: st.DataObject
):
    out = data.draw(st.sampled_from(range(len(nouns))))
    rest = nouns[:out] + nouns[out + 1 :]
    if not _labels(nouns[out]) & {one.value for one in evidence}:
        assert score(phrase(rest), *evidence) >= score(phrase(nouns), *evidence)


@given(
    st.lists(st.sampled_from(["museum", "golden", "station"]), min_size=1, max_size=3), st.floats(0, 1), st.booleans()
)
def test_more_words_read_or_heard_never_lower(words: list[str], confidence: float, aloud: bool):
    text, more = f'They say "{" ".join(words)}"', read(words[0], "speech" if aloud else "text", confidence)
    before = [read("golden museun", confidence=0.3)]
    assert score(text, *before, more) >= score(text, *before)


def _labels(noun: str) -> set[str]:
    reading = ENGLISH.read(noun)
    return {label for mention in reading.mentions if mention.kind == "object" for label in mention.labels}


def judged(text: str, *slots: Slot) -> float:
    """The score of a text in the first of a video's slots."""
    return RANKER.score(slots, [Candidate(slots[0].index, text, "x")])[0]


def test_a_detector_that_looked_and_found_nothing_counts_against_what_is_named():
    looked, unseen = Slot(0, SPAN, (), Context((), ("object",))), Slot(0, SPAN, (), Context())
    assert judged("A dog runs", looked) < 0.5 == judged("A dog runs", unseen)
    assert judged("A fine day", looked) == 0.5


def test_ocr_that_looked_and_read_nothing_counts_against_a_quote():
    looked = Slot(0, SPAN, (), Context((), ("text",)))
    assert judged('A sign says "exit"', looked) < 0.5 == judged('A sign says "exit"', slot())


def test_a_number_is_held_against_the_keyframes_of_its_slot_and_not_of_the_whole_shot():
    """Three people are seen in the shot's first keyframe, one in its second."""
    shot = seen("person", count=3, seen=[{"keyframe": at, "box": None, "confidence": 0.9} for at in (0, 0, 0, 1)])
    first, second = keyframes(2)
    here = [Slot(i, SPAN, (frame,), Context((shot,))) for i, frame in enumerate((first, second))]
    three, one = "Three people walk", "One person walks"
    assert judged(three, here[0]) > judged(one, here[0])
    assert judged(three, here[1]) < judged(one, here[1])


@pytest.mark.parametrize("odd", [3, "seen", [1, 2], [{"keyframe": "x"}], [{}]])
def test_sightings_of_another_form_are_let_be(odd):
    assert score("Two dogs run", seen("dog", count=2, seen=odd)) == score("Two dogs run", seen("dog", count=2))
