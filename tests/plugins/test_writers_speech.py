"""The writers' option `words`: captions, speech, or both, as subtitles and as text."""

from dataclasses import replace
from pathlib import Path

import pysubs2
import pytest
from vdesc import Description, Evidence, SettingsError, Span
from vdesc.registry import create
from vdesc.testing import assert_contract, description
from vdesc_writers import SubRip, Text, WebVtt

SPEECH = (
    Evidence("speech", Span(400, 1600), "Who <b>is</b> there?", 0.9, "ear", details={"speaker": "Anna & Bo"}),
    Evidence("speech", Span(1700, 2600), "Me: {\\an8} -->", 0.9, "ear"),
    Evidence("sound", Span(0, 100), "knock", 0.9, "ear"),
)
SETTINGS = {"timing": {"profile": "none"}}


def made(evidence: tuple[Evidence, ...] = SPEECH) -> Description:
    return replace(description(3), evidence=evidence, settings=SETTINGS)


def read(path: Path) -> list[tuple[int, int, str]]:
    return [(line.start, line.end, line.plaintext) for line in pysubs2.load(str(path))]


@pytest.mark.parametrize("writer", [SubRip, WebVtt, Text])
def test_captions_are_what_is_written_without_the_option(writer, tmp_path: Path) -> None:
    plain = create(writer).write(made(), tmp_path)
    assert plain.name == "fake" + writer.extension
    before = plain.read_bytes()
    assert create(writer, words="captions").write(made(()), tmp_path).read_bytes() == before


@pytest.mark.parametrize("writer", [SubRip, WebVtt])
def test_speech_has_a_file_of_its_own(writer, tmp_path: Path) -> None:
    path = create(writer, words="speech").write(made(), tmp_path)
    assert path.name == "fake.speech" + writer.extension and [p.name for p in tmp_path.iterdir()] == [path.name]
    (a, b, first), (c, d, second) = read(path)
    assert (a, b, c, d) == (400, 1600, 1700, 2600)
    assert "Anna & Bo: Who" in first.replace("&amp;", "&") and "is" in first and "there?" in first
    assert second.startswith("Me: ") and "an8" in path.read_text()


def test_both_stand_in_order_of_time_with_captions_in_brackets(tmp_path: Path) -> None:
    path = create(SubRip, words="both").write(made(), tmp_path)
    assert path.name == "fake.srt"
    shown = read(path)
    assert [start for start, _, _ in shown] == [0, 400, 1000, 1700, 2000]
    captions = [cue.text for cue in made().cues]
    assert [text for start, _, text in shown if start % 1000 == 0] == [f"[{text}]" for text in captions]
    numbers = [line for line in path.read_text().splitlines() if line.isdigit()]
    assert numbers == ["1", "2", "3", "4", "5"]


def test_text_has_a_row_for_each(tmp_path: Path) -> None:
    rows = create(Text, words="both").write(made(), tmp_path).read_text().splitlines()
    assert len(rows) == 5 and rows[0].startswith("[00:00:00] [") and rows[0].endswith("]")
    assert rows[1] == "[00:00:00] Anna & Bo: Who <b>is</b> there?"
    alone = create(Text, words="speech").write(made(), tmp_path)
    assert alone.name == "fake.speech.txt" and len(alone.read_text().splitlines()) == 2


@pytest.mark.parametrize("writer", [SubRip, WebVtt, Text])
def test_where_nobody_speaks_the_file_holds_no_cue(writer, tmp_path: Path) -> None:
    path = create(writer, words="speech").write(made(()), tmp_path)
    assert path.read_text().strip() in ("", "WEBVTT")


@pytest.mark.parametrize("writer", [SubRip, WebVtt, Text])
@pytest.mark.parametrize("words", ["captions", "both"])
def test_the_contract_holds(writer, words: str) -> None:
    assert_contract(writer, words=words)


def test_a_wrong_word_is_a_sentence() -> None:
    with pytest.raises(SettingsError, match="words"):
        create(SubRip, words="songs")
