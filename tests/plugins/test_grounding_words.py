"""The lexicon of grounding: which words of a text name what."""

import csv
from pathlib import Path

import pytest
from vdesc_grounding.lexicon import Lexicon, Reading, tokens
from vdesc_grounding.tables import lexicon, rarities, sections

SHIPPED = sections()
ENGLISH, KOREAN = lexicon(SHIPPED, "en"), lexicon(SHIPPED, "ko")


def named(text: str, sure: bool = True, of: Lexicon = ENGLISH) -> set[str]:
    return {"|".join(sorted(m.labels)) for m in of.read(text).mentions if m.kind == "object" and m.sure == sure}


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("A man and his puppies ride a bike", {"person", "dog", "bicycle"}),
        ("Two women, some kids and a plane", {"person", "airplane"}),
        ("knives, geese and buses", {"knife", "bird", "bus"}),
        ("A TEDDY BEAR eats a hot dog", {"teddy bear", "hot dog"}),
        ("a bear and a dog", {"bear", "dog"}),
        ("a traffic light", {"traffic light"}),
        ("a light in the hall", set()),
        ("a fire truck", {"truck"}),
        ("a passenger train", {"train"}),
        ("a mouse beside the keyboard", {"mouse", "keyboard"}),
        ("a mouse in the barn", set()),
        ("a player swings his bat", {"person", "baseball bat"}),
        ("a bat hangs in the cave", set()),
        ("an orange shirt", set()),
        ("three oranges", {"orange"}),
        ("a glass door", set()),
        ("a glass of wine", {"wine glass"}),
        ("a crane over the building site", set()),
        ("a crane stands in the lake", {"bird"}),
        ("turkey on a plate", set()),
        ("no cars, without people", set()),
        ("a statue of a horse", set()),
        ("a toy train", set()),
        ("a bus stop", set()),
        ("a hot dog stand", set()),
        ("", set()),
    ],
)
def test_words_name_labels(text: str, labels: set[str]):
    assert named(text) == labels


def test_what_may_name_a_label_is_kept_apart():
    assert named("a statue of a horse", sure=False) >= {"horse"}
    assert named("a bus stop", sure=False) == {"bus"}
    assert named("an orange shirt", sure=False) == {"orange"}
    assert named("a mouse in the barn", sure=False) == {"mouse"}
    assert named("a vehicle", sure=False) == {"bus|car|motorcycle|truck"}


@pytest.mark.parametrize(
    ("text", "count", "or_more"),
    [
        ("two men", 2, False),
        ("3 people", 3, False),
        ("a pair of old men", 2, False),
        ("two men and a woman", 3, False),
        ("a group of people", 3, True),
        ("several people", 3, True),
        ("a lone man", 1, False),
        ("men", 0, False),
        ("two tall red double doors and a man", 0, False),
        ("two buses and a man", 0, False),
    ],
)
def test_numbers_count_the_next_noun(text: str, count: int, or_more: bool):
    (people,) = [m for m in ENGLISH.read(text).mentions if m.labels == {"person"} and m.sure]
    assert (people.count, people.or_more) == (count, or_more)


def test_digits_that_count_nothing_known_are_numbers_and_quotes_are_kept():
    reading = ENGLISH.read('2 dogs and bus 42 say "Oxford Street" at 10:30, \u201chello\u201d and \u2018you two\u2019')
    assert reading.numbers == ("42", "10", "30")
    assert reading.quotes == ("Oxford Street", "hello", "you two")
    assert ENGLISH.read("the man's hat, the dogs' bowl").quotes == ()


def test_words_that_say_something_leave_common_and_short_ones_out():
    words = [forms[0] for forms in ENGLISH.read("This is the Golden Gate with 1000 cars near it").words]
    assert words == ["golden", "gate", "cars"]


def test_korean_words_are_found_under_their_particles():
    assert named("남자들이 강아지와 자전거를 탄다", of=KOREAN) == {"person", "dog", "bicycle"}
    assert named("곰 인형", of=KOREAN) == {"teddy bear"}
    assert named("사과 두 개", of=KOREAN) == {"apple"}
    (people,) = [m for m in KOREAN.read("두 남자가 걷는다").mentions if m.kind == "object"]
    assert people.count == 2


def test_every_language_names_all_80_labels_by_words_of_its_own():
    for language, section in SHIPPED.items():
        assert section["objects"].keys() == rarities().keys(), language
        read = lexicon(SHIPPED, language)
        for label, words in section["objects"].items():
            first = words.split(",")[0]
            assert label in {one for m in read.read(first).mentions for one in m.labels}, (language, label)


def test_every_word_of_the_english_lexicon_names_its_label():
    for label, words in SHIPPED["en"]["objects"].items():
        for part in (part.strip() for part in words.split(",")):
            phrase, _, company = part.partition("@")
            found = ENGLISH.read(f"{phrase} {company.split()[0] if company else ''}").mentions
            assert label in {one for m in found for one in m.labels}, (label, part)


def test_the_table_holds_shares():
    assert len(rarities()) == 80
    assert all(0 < rarity.share < 1 and 0 < rarity.found < 1 for rarity in rarities().values())


def test_a_language_is_found_by_its_first_subtag_and_an_unknown_one_has_no_words():
    assert lexicon(SHIPPED, "en-GB").labels == ENGLISH.labels
    assert lexicon(SHIPPED, "fi").read("a man").mentions == ()


def test_any_text_can_be_read():
    for text in (
        "\u202eabc\u0000",
        "🚌🚌",
        "a " * 5000,
        "x" * 10_000,
        "'" * 99,
        "مرحبا بالعالم",
        "\ud83d",
        "² dogs",
        "9" * 5000 + " dogs",
    ):
        assert isinstance(ENGLISH.read(text), Reading)
    assert tokens("Don\u2019t e\u0301teindre") == ["don't", "éteindre"]


@pytest.mark.shared
def test_the_sounds_are_audiosets(shared: Path):
    with (shared / "weights" / "audio" / "yamnet_class_map.csv").open(encoding="utf-8") as file:
        events = {row["display_name"] for row in csv.DictReader(file)}
    assert all(section["sounds"].keys() <= events for section in SHIPPED.values())
