"""What models say is made plain, and what cannot be used is told apart from what can."""
# ruff: noqa: RUF001 - marks of other scripts are meant

import csv
import gzip
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from vdesc.answers import (
    BROKEN,
    ECHO,
    EMPTY,
    FAULTS,
    FOREIGN,
    LONG,
    LOOP,
    REFUSAL,
    TIMES,
    UNFINISHED,
    WORDLESS,
    checked,
    cleaned,
    shortened,
    worth_retrying,
    wrong,
)
from vdesc.lines import clusters, one_line
from vdesc.prompts import CLOSE, OPEN, STYLES, instruction

DOG = "A dog runs across the grass."
KOREAN = [
    "개가 잔디밭을 달린다.",
    "두 아이가 바닷가에서 모래성을 쌓고 있다.",
    "빨간 옷을 입은 남자가 산에 오른다.",
    "여자가 창가에 앉아 책을 읽는다",
    "버스가 정류장에 선다.",
    "요리사가 도마 위에서 양파를 썬다.",
    "흰 고양이 한 마리가 소파 위에서 잔다.",
    "네 마리의 개가 눈밭에서 뛰논다.",
    "남자가 마이크를 들고 무대에서 노래한다.",
    "간판에 'OPEN 24 HOURS'라고 적혀 있다.",
    "NIKE 로고가 있는 운동화를 신은 선수가 공을 찬다.",
    "남자가 '죄송합니다'라고 말하며 고개를 숙인다.",
    "얼굴을 확인할 수 없는 사람이 복도를 걸어간다.",
    "아기가 하하하하 웃으며 손뼉을 친다.",
    "한 남자가 건물 앞에 서서 휴대전화를 보고 한 여자가 그 옆을 지나간다.",
    "시계가 10:30을 가리킨다.",
    "대한민국(大韓民國) 지도가 벽에 걸려 있다.",
    "설명을 듣는 학생들이 고개를 끄덕인다.",
    "밤하늘에 불꽃이 펑펑 터진다.",
    "3층 건물 앞에 1234번 버스가 서 있다.",
]
HUMAN = [
    "Two men and two women are talking and two men and a child are listening.",
    'A sign says "Sorry, we are closed".',
    'A man says "I cannot see you" to a woman.',
    "The clock shows 10:30.",
    "A shop with a sign that reads '9:00-18:00' is seen.",
    "A very, very big dog.",
    "Three caption writers describe a picture on the wall.",
    "Here is a dog and there is a cat.",
    "Mr. Smith's car, No. 7, leads the race...",
    "A banner reads “서울역 환영합니다 서울역으로 오세요”.",
    "OK sign of a diver under water!",
    "A 10000000 dollar note.",
    "Nyan Cat, a pop-tart cat, flies over a re-rendered city_map.",
    "Sentence by sentence, an answer is written on the board.",
]


@pytest.mark.parametrize(
    "said",
    [
        DOG,
        f"  {DOG}\n",
        f"<think>\nThe user wants a caption. A cat?\n</think>\n\n{DOG}",
        f"Hmm, maybe a cat.</think>{DOG}",
        f"<THINKING>x</THINKING>{DOG}<think>was that right?",
        f"◁think▷a b c◁/think▷{DOG}",
        f"{DOG}<|im_end|>\n<|im_start|>user\nAnd now?",
        f"<|start_header_id|>assistant<|end_header_id|>\n\n{DOG}<|eot_id|>",
        f"assistant\n{DOG}</s>",
        f"<start_of_turn>model\n{DOG}<end_of_turn>",
        f"```\n{DOG}\n```",
        f"```text\n{DOG}\n```\nI hope this helps!",
        f"`{DOG}`",
        f'"{DOG}"',
        f"“{DOG}”",
        f"「{DOG}」",
        f"Caption: {DOG}",
        f"**Caption:** {DOG}",
        f"Video description: {DOG}",
        f'Sure! Here is a caption for the video: "{DOG}"',
        f"Of course. Here's a short description of what is seen:\n\n{DOG}",
        f"Certainly, here are three captions:\n1. {DOG}\n2. A dog is outside.\n3. Grass.",
        f"- {DOG}\n- It is sunny.",
        f"## Description\n{DOG}".replace("Description", "Description:"),
        f"{DOG}\n\nNote: the frames are blurred.",
        f"{DOG}\n\n**Explanation:** I saw a dog.",
        "A **dog** runs __across__ the [grass](http://x.org).",
        f"> {DOG}",
        f"[00:01] {DOG}",
        f"(0:01 - 0:05): {DOG}",
        f"00:00:01,000 --> 00:00:04,000\n{DOG}",
        f"1\n00:00:01,000 --> 00:00:04,000\n{DOG}",
        f"00:05 {DOG}",
        f"12:30 - {DOG}",
        f"{DOG}\ufffd",
        f"\u202e{DOG}\u202c\x00\x1b",
    ],
)
def test_the_answer_alone_is_kept(said: str) -> None:
    assert cleaned(said) == DOG
    assert checked(said, language="en") == (DOG, None)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("캡션: 개가 달린다.", "개가 달린다."),
        ("네, 다음은 영상 설명입니다: 개가 달린다.", "개가 달린다."),
        ("물론입니다! 영상 설명: “개가 달린다.”\n\n참고: 흐릿하다.", "개가 달린다."),
        (unicodedata.normalize("NFD", "개가 달린다."), "개가 달린다."),
        ('"Stop" says the sign "x"', '"Stop" says the sign "x"'),
        ("10:30 is on the clock.", "10:30 is on the clock."),
        ("3 dogs run.", "3 dogs run."),
        ("A family 👨‍👩‍👧 waves.", "A family 👨‍👩‍👧 waves."),
        ("2 * 3 * 4 on a board", "2 * 3 * 4 on a board"),
    ],
)
def test_other_answers_made_plain(said: str, kept: str) -> None:
    assert cleaned(said) == kept


@pytest.mark.parametrize("text", KOREAN)
def test_good_korean_passes_unchanged(text: str) -> None:
    assert checked(text, language="ko", longest=60, prompt=instruction("strict", "ko", 60)) == (text, None)


@pytest.mark.parametrize("text", HUMAN)
def test_good_english_passes_unchanged(text: str) -> None:
    assert checked(text, language="en", longest=120, prompt=instruction("strict", "en", 120)) == (text, None)


@pytest.mark.shared
def test_what_people_wrote_passes_unchanged(shared: Path) -> None:
    with gzip.open(shared / "flickr8k" / "captions.csv.gz", "rt", encoding="utf-8") as file:
        captions = [row["caption"] for row in csv.DictReader(file)]
    assert len(captions) > 40_000
    prompt = instruction("strict", "en", 400)
    for caption in captions[::5]:  # a caption a photo
        assert checked(caption, language="en", longest=400, prompt=prompt) == (one_line(caption), None)


EVIDENCE = 'Objects: person (2), bus\nOn-screen text: "Welcome to London today."'
PROMPT = instruction("basic", "en", evidence=EVIDENCE)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("", EMPTY),
        ("<think>a dog, perhaps", EMPTY),
        ("\n\n", EMPTY),
        ("Caption:", EMPTY),
        ("...", WORDLESS),
        ("12:30", WORDLESS),
        ("1 2", WORDLESS),
        ("00:01 --> 00:05", TIMES),
        ("[0:07]", TIMES),
        ("A man enters at 00:05 and sits.", TIMES),
        ("A man enters (0:05-0:07) and sits.", TIMES),
        ("From 1:05 to 1:10 a man sits.", TIMES),
        ("A man sits 5 seconds into the clip.", TIMES),
        ("A d\ufffd\ufffdg runs.", BROKEN),
        ("dog dog dog dog", LOOP),
        ("a man and a man and a man and a man", LOOP),
        ("A dog runs on the grass. A dog runs on the grass.", LOOP),
        ("aaaaaaaaaaaaaaaa", LOOP),
        ("hahahahahahahaha", LOOP),
        ("the the- the the. The", LOOP),
        ("A dog !!!!!!!!!!!!!!!!!!!!", LOOP),
        ("개가 개가 개가 개가 달린다", LOOP),
        ("개개개개개개개개", LOOP),
        ("一只狗在跑一只狗在跑一只狗在跑", LOOP),
        ("किकिकिकिकिकिकि", LOOP),
        ("собака собака собака собака", LOOP),
        (
            " ".join(f"a man with a {x} and" for x in ["hat", "bag", "dog", "hat", "bag", "cat", "hat", "dog", "bag"]),
            LOOP,
        ),
        ("I'm sorry, but I can't see the video.", REFUSAL),
        ("I’m sorry, I cannot help with that.", REFUSAL),
        ("As an AI language model, I have no eyes.", REFUSAL),
        ("The picture is dark. I cannot describe it.", REFUSAL),
        ("I don't have access to videos.", REFUSAL),
        ("No image was provided.", REFUSAL),
        ("Please provide the video.", REFUSAL),
        ("죄송합니다. 영상을 볼 수 없습니다.", REFUSAL),
        ("영상을 확인할 수 없습니다.", REFUSAL),
        ("저는 AI 언어 모델로서 영상을 보지 못합니다.", REFUSAL),
        ("Describe what this video shows.", ECHO),
        ("Describe what this video shows. A bus.", ECHO),
        ("Objects: person (2), bus", ECHO),
        ("Welcome to London today", ECHO),
    ],
)
def test_what_cannot_be_used(said: str, fault: str) -> None:
    assert checked(said, prompt=PROMPT)[1] == fault


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("language", ["en", "ko", "fr"])
def test_the_instruction_itself_is_an_echo(style: str, language: str) -> None:
    prompt = instruction(style, language, 30, EVIDENCE)
    assert wrong(prompt, prompt=prompt) == ECHO
    assert wrong(prompt.split(CLOSE)[1].split(OPEN)[0].strip(), prompt=prompt) == ECHO


def test_evidence_may_be_used() -> None:
    assert wrong("Two people wait for a bus.", prompt=PROMPT) is None
    assert wrong('A sign says "Welcome to London today."', prompt=PROMPT) is None
    assert wrong("A picture of a dog.", prompt="A picture of") is None


@pytest.mark.parametrize(
    ("text", "language", "fault"),
    [
        (DOG, "ko", FOREIGN),
        ("一个男人在街上走路", "ko", FOREIGN),
        ("남자가 街道上跑步着走", "ko-KR", FOREIGN),
        ("The man is walking down the street 다", "ko", FOREIGN),
        ("개가 달린다.", "en", FOREIGN),
        ("一只狗在跑", "en", FOREIGN),
        ("Собака бежит.", "en-GB", FOREIGN),
        ("犬が走っている。", "zh", FOREIGN),
        ("犬が走っている。", "ja", None),
        ("一只狗在跑", "zh-Hans", None),
        ("Un chien court.", "fr", None),
        ("Собака бежит.", "ru", None),
        ("ＤＯＧ ＲＵＮＳ", "en", None),
        ("개가 달린다.", "xx", None),
        ("개가 달린다.", None, None),
        ("A sign reads 서울역.", "en", None),
        ('"서울역"', "en", FOREIGN),
    ],
)
def test_the_language_is_told_by_its_script(text: str, language: str | None, fault: str | None) -> None:
    assert wrong(text, language=language) == fault


def test_what_is_too_long_is_cut_at_the_end_of_a_sentence() -> None:
    assert checked(f"{DOG} It is a sunny day in the park.", longest=40) == (DOG, None)
    assert checked(DOG, longest=len(DOG)) == (DOG, None)
    assert checked(DOG, longest=len(DOG) - 1) == (DOG, LONG)
    assert checked("Mr. Smith and J. R. Jones walk.", longest=10)[1] == LONG
    assert checked("개가 달린다. 고양이가 개를 쫓아 달린다.", longest=10) == ("개가 달린다.", None)
    assert checked("狗在跑。猫在追狗。", longest=5) == ("狗在跑。", None)
    assert wrong("👨‍👩‍👧" * 3 + " a", longest=5) is None


def test_what_is_unfinished_is_cut_too() -> None:
    assert checked(f"{DOG} It is a sun", finished=False) == (DOG, None)
    assert checked("A dog runs over the", finished=False) == ("A dog runs over the", UNFINISHED)
    assert checked("", finished=False)[1] == EMPTY
    assert checked("dog dog dog dog dog dog", finished=False)[1] == LOOP


def test_a_refusal_is_not_asked_again() -> None:
    assert [fault for fault in FAULTS if not worth_retrying(fault)] == [REFUSAL]


PIECES = [*HUMAN, *KOREAN, "<think>", "</think>", "**", "```", "[0:01]", '"', "\n", "Caption:", "1. ", "<|x|>"]


@given(st.text() | st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join))
def test_what_is_cleaned_is_one_line_and_stays_so(said: str) -> None:
    text = cleaned(said)
    assert cleaned(text) == text
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text)
    assert "\n" not in text and text == text.strip()


@given(st.text(), st.sampled_from(["en", "ko", "fr", None]), st.none() | st.integers(0, 50), st.text(), st.booleans())
def test_whatever_is_said_it_is_good_or_has_a_fault(
    said: str, language: str | None, longest: int | None, prompt: str, finished: bool
) -> None:
    text, fault = checked(said, language=language, longest=longest, prompt=prompt, finished=finished)
    assert fault is None or fault in FAULTS
    if fault is None:
        assert text and wrong(text, language=language, longest=longest, prompt=prompt) is None
        assert longest is None or len(clusters(text)) <= longest


@given(st.text(alphabet="ab. 다", max_size=40), st.integers(0, 40))
def test_what_is_shortened_is_a_start(text: str, longest: int) -> None:
    short = shortened(text, longest)
    assert text.startswith(short)
    assert short == text or (len(short) <= longest and short.endswith("."))


@given(st.text(st.characters(categories=["Ll", "Lo"]), min_size=1, max_size=6), st.integers(12, 40))
@example("\u01f0", 12)  # lower case as two characters
def test_a_loop_is_found_in_any_script(unit: str, times: int) -> None:
    assert wrong(unit * times) == LOOP
    assert wrong(" ".join([unit] * times)) == LOOP


NOUNS = ["dog", "cat", "man", "hat", "bag", "red", "big", "sun", "sea", "car", "boy", "top"]


@given(st.lists(st.sampled_from(NOUNS), min_size=1, unique=True))
def test_words_that_differ_are_no_loop(words: list[str]) -> None:
    assert wrong(" ".join(words)) is None


@pytest.mark.parametrize(
    "piece", ["<think>", "Caption: ", "> ", "* ", "[0:01] ", "**", '"', "(", "a ", "가", "1:00-", "``` "]
)
def test_endless_answers_take_no_time(piece: str) -> None:
    start = time.process_time()
    assert checked(piece * 3000, language="en", longest=100, prompt=PROMPT)[1] in FAULTS
    assert time.process_time() - start < 5
