"""`transcript`: existing files of many sorts as evidence, and a sentence that names the line where one is broken."""

import json
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import Evidence, InputError, SettingsError, Span
from vdesc.cuefiles import read
from vdesc.files import digest
from vdesc.registry import create
from vdesc.testing import assert_contract, video
from vdesc.transcript import words_of
from vdesc_speech import Transcript

LONG = video(10**7)


def heard(path: Path, length: int = 10**7, **options: str) -> tuple[list[Evidence], list[str]]:
    """The evidence of a file, and what the plugin had to say."""
    plugin = create(Transcript, file=str(path), **options)
    plugin.load("cpu")
    found = list(plugin.observe(video(length), ()))
    return found, [finding.message for finding in plugin.findings]


def file(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def brief(found: list[Evidence]) -> list[tuple[str, int, int, str]]:
    return [(e.kind, e.span.start, e.span.end, e.value) for e in found]


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> there,
{\\an8}how are <font color="#fff">you</font>?

2
00:00:03,000 --> 00:00:04,000
3 < 4 & 5 > 4

3
00:01:00,5 --> 01:00:00,000 X1:40 X2:600
2024
"""


def test_subrip(tmp_path: Path) -> None:
    found, said = heard(file(tmp_path, "a.srt", SRT))
    assert brief(found) == [
        ("speech", 1000, 2500, "Hello there, how are you?"),
        ("speech", 3000, 4000, "3 < 4 & 5 > 4"),
        ("speech", 60_500, 3_600_000, "2024"),
    ]
    assert said == [] and {e.confidence for e in found} == {1.0} and {e.source for e in found} == {"transcript"}
    assert found[0].details == {}


@pytest.mark.parametrize("ends", ["\r\n", "\r"])
def test_subrip_of_other_systems_and_without_numbers_and_empty_lines(tmp_path: Path, ends: str) -> None:
    whole = brief(heard(file(tmp_path, "a.srt", SRT))[0])
    assert brief(heard(file(tmp_path, "b.srt", "\ufeff" + SRT.replace("\n", ends)))[0]) == whole
    assert brief(heard(file(tmp_path, "c.srt", SRT.replace("\n\n", "\n")))[0]) == whole
    assert brief(heard(file(tmp_path, "d.srt", SRT.replace("Hello</i> there,\n", "Hello</i> there,\n\n")))[0]) == whole
    bare = "\n".join(line for line in SRT.split("\n") if not line.strip().isdigit() or line == "2024")
    assert brief(heard(file(tmp_path, "e.srt", bare))[0]) == whole
    years = "00:00:01,000 --> 00:00:02,000\n2024\n00:00:03,000 --> 00:00:04,000\n2025\n"
    assert [e.value for e in heard(file(tmp_path, "f.srt", years))[0]] == ["2024", "2025"]


VTT = """WEBVTT - a film
Kind: captions
Language: ko

NOTE
not said --

STYLE
::cue { color: red }

opening
00:01.000 --> 00:02.500 align:start position:10%
<v Boon's Mom>He's <i>very</i> <c.loud>excited</c> &amp; glad.</v>

00:00:03.000 --> 00:00:05.000
<v.first Anna> Here we go! <v Bo> Oh!

00:00:06.000 --> 00:00:07.000

00:00:08.000 --> 00:00:09.000
a &lt;b&gt; &nbsp;c
"""


def test_webvtt_with_voices_classes_comments_and_settings(tmp_path: Path) -> None:
    found, said = heard(file(tmp_path, "a.vtt", VTT))
    assert brief(found) == [
        ("speech", 1000, 2500, "He's very excited & glad."),
        ("speech", 3000, 5000, "Here we go!"),
        ("speech", 3000, 5000, "Oh!"),
        ("speech", 8000, 9000, "a <b> c"),
    ]
    assert [e.details for e in found] == [
        {"language": "ko", "speaker": "Boon's Mom"},
        {"language": "ko", "speaker": "Anna"},
        {"language": "ko", "speaker": "Bo"},
        {"language": "ko"},
    ]
    assert said == ["cues of a.vtt: 1 without words left out"]


def test_webvtt_of_machines_shows_lines_again_that_are_not_said_again(tmp_path: Path) -> None:
    text = """WEBVTT

00:00:01.000 --> 00:00:03.000
 
so<00:00:01.400><c> today</c><00:00:02.000><c> we</c>

00:00:03.000 --> 00:00:03.010
so today we


00:00:03.010 --> 00:00:05.000
so today we
go<00:00:03.500><c> out</c>

00:00:05.000 --> 00:00:05.010
go out
"""
    found, _ = heard(file(tmp_path, "a.vtt", text))
    assert brief(found) == [("speech", 1000, 3000, "so today we"), ("speech", 3010, 5000, "go out")]
    plain = "WEBVTT\n\n00:01.000 --> 00:02.000\nOh!\n\n00:02.000 --> 00:03.000\nOh!\n"
    assert len(heard(file(tmp_path, "b.vtt", plain))[0]) == 2, "people say the same again"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[jaunty piano tune]", [("sound", "jaunty piano tune", {})]),
        ("(laughs)", [("sound", "laughs", {})]),
        ("I (really) mean it", [("speech", "I (really) mean it", {})]),
        ("[thud] Who is it? [hum]", [("sound", "thud", {}), ("speech", "Who is it?", {}), ("sound", "hum", {})]),
        ("♪♪", [("sound", "music", {})]),
        ("♪ I am hungry ♪", [("speech", "I am hungry", {"sung": True})]),
        ("DR. WHO: Run!", [("speech", "Run!", {"speaker": "DR. WHO"})]),
        (">> Back to you.", [("speech", "Back to you.", {})]),
        ("Time: 12:30", [("speech", "Time: 12:30", {})]),
        ("- ...", []),
        ("[ ]", []),
        ("안녕하세요 \u202eabc 😀", [("speech", "안녕하세요 \u202eabc 😀", {})]),
    ],
)  # fmt: skip
def test_what_is_heard_but_not_said_is_sound(tmp_path: Path, text: str, parts: list) -> None:
    found, _ = heard(file(tmp_path, "a.srt", f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n"))
    assert [(e.kind, e.value, e.details) for e in found] == parts


def test_json_of_a_recogniser_with_word_times(tmp_path: Path) -> None:
    words = [
        {"word": " Ask", "start": 1.0, "end": 1.2, "probability": 0.5},
        {"word": " not.", "start": 1.3, "end": 2.0},
    ]
    rows = [
        {"start": 1.0, "end": 2.0004, "text": " Ask not.", "words": words},
        {"start": 3, "end": 4, "text": "[rain]"},
    ]
    found, _ = heard(file(tmp_path, "a.json", json.dumps({"language": "en", "segments": rows})))
    assert brief(found) == [("speech", 1000, 2000, "Ask not."), ("sound", 3000, 4000, "rain")]
    assert found[0].details == {"language": "en", "words": [[1000, 1200, "Ask", 0.5], [1300, 2000, "not.", 1.0]]}
    assert [word.span for word in words_of(found[0])] == [Span(1000, 1200), Span(1300, 2000)]
    assert brief(heard(file(tmp_path, "b.json", json.dumps(rows)))[0]) == brief(found)


@pytest.mark.parametrize("ending", ["ass", "ttml"])
def test_other_formats_of_pysubs2(tmp_path: Path, ending: str) -> None:
    whole = pysubs2.SSAFile()
    whole.append(pysubs2.SSAEvent(1000, 2000, "{\\i1}Hello\\Nthere"))
    whole.save(str(tmp_path / f"a.{ending}"))
    assert brief(heard(tmp_path / f"a.{ending}")[0]) == [("speech", 1000, 2000, "Hello there")]


def test_times_beyond_the_video_are_cut_or_left_out_with_one_note(tmp_path: Path) -> None:
    text = "\n\n".join(f"{i}\n00:00:0{i},000 --> 00:00:0{i + 1},500\nword {i}" for i in range(9))
    found, said = heard(file(tmp_path, "a.srt", text + "\n\n9\n00:00:01,000 --> 00:00:01,000\nflash\n"), length=3200)
    assert brief(found)[-2:] == [("speech", 2000, 3200, "word 2"), ("speech", 3000, 3200, "word 3")]
    assert said == [
        "cues of a.srt: 5 after the end of the video left out, 2 cut at the end of the video, 1 without length left out"
    ]


def test_a_file_of_another_kind_is_taken_with_a_warning(tmp_path: Path) -> None:
    text = "WEBVTT\nKind: descriptions\n\n00:01.000 --> 00:02.000\nA boy plays piano.\n"
    found, said = heard(file(tmp_path, "a.vtt", text))
    assert len(found) == 1 and said == ["a.vtt says that it holds descriptions: they are taken for what is said"]


@pytest.mark.parametrize(
    ("name", "head", "option", "language"),
    [
        ("a.srt", "", "", None),
        ("a.en.srt", "", "", "en"),
        ("a.pt-BR.srt", "", "fr", "fr"),
        ("my.film.srt", "", "", None),
    ],
)
def test_the_language_is_the_options_the_files_or_its_names(tmp_path: Path, name, head, option, language) -> None:
    found, _ = heard(file(tmp_path, name, SRT), language=option)
    assert found[0].details.get("language") == language


@pytest.mark.parametrize(
    ("encoding", "option"), [("utf-16", ""), ("utf-8-sig", ""), ("cp949", "cp949"), ("cp1252", "cp1252")]
)
def test_encodings(tmp_path: Path, encoding: str, option: str) -> None:
    words = "안녕하세요" if encoding != "cp1252" else "“café”"
    found, _ = heard(file(tmp_path, "a.srt", f"1\n00:00:01,000 --> 00:00:02,000\n{words}\n", encoding), encoding=option)
    assert found[0].value == words


BROKEN = [
    ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\nhi\n\n2\n00:00:0x --> 00:00:05,0", r"line 6 of .*a.srt holds no two"),
    ("a.srt", "1\n00:00:05,000 --> 00:00:02,000\nhi", r"line 2 of .*a.srt ends before it starts: '00:00:05,000"),
    ("a.srt", "just words", r"line 1 of .*a.srt is no time of a cue, as in 00:00:01,000 --> .*: 'just words'"),
    ("a.vtt", "1\n00:00:01.000 --> 00:00:02.000\nhi", r"line 1 of .*a.vtt is not WEBVTT"),
    ("a.vtt", "", r"line 1 of .*a.vtt is not WEBVTT"),
    ("a.vtt", "WEBVTT\n\n1 --> 2\nhi", r"line 3 of .*a.vtt holds no two times"),
    ("a.json", '{"segments": [\n{"start": 1,\n "end" 2}]}', r"line 3 of .*a.json is no JSON"),
    ("a.json", '{"words": 3}', r"a.json holds no list of segments"),
    ("a.json", '[{"start": 1, "end": 2, "text": ""}, {"start": 5, "end": 4, "text": ""}]', r"segment 2 of .*a.json"),
    ("a.json", "[3]", r"segment 1 of .*a.json has no start, end and text"),
    ("a.json", '[{"start": NaN, "end": 4, "text": "b"}]', r"segment 1 of .*a.json has no start"),
    ("a.ass", "nonsense", r"a.ass is no transcript that can be read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "sentence"), BROKEN)
def test_a_broken_file_is_a_sentence_that_names_the_place(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        heard(file(tmp_path, name, text))


def test_letters_of_another_encoding_name_the_line_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.encode() + "\n4\n00:02:00,000 --> 00:02:01,000\ncafé\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"line 16 of .*a.srt is not utf-8: name its encoding, as in --set transcript"):
        heard(path)
    with pytest.raises(InputError, match="there is no encoding 'klingon' for "):
        heard(path, encoding="klingon")


def test_a_file_without_cues_is_no_error(tmp_path: Path) -> None:
    assert heard(file(tmp_path, "a.srt", "")) == ([], ["a.srt holds no cue"])
    assert heard(file(tmp_path, "a.vtt", "WEBVTT\n")) == ([], ["a.vtt holds no cue"])


def test_a_missing_file_and_no_file_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read the transcript .*none.srt: No such file"):
        heard(tmp_path / "none.srt")
    with pytest.raises(InputError, match=r"cannot read .*none.srt"):
        create(Transcript, file=str(tmp_path / "none.srt")).fingerprint()
    with pytest.raises(SettingsError, match="transcript needs a file: --speech FILE"):
        create(Transcript).load("cpu")


def test_results_depend_on_the_files_bytes(tmp_path: Path) -> None:
    path = file(tmp_path, "a.srt", SRT)
    assert create(Transcript, str(path)).fingerprint() == digest(path) and create(Transcript).fingerprint() == ""


def test_the_contract_holds(tmp_path: Path) -> None:
    assert_contract(Transcript, file=str(file(tmp_path, "a.srt", SRT)))


@given(st.binary(max_size=200), st.sampled_from(["srt", "vtt", "json", "ass", "ttml", "sub"]))
def test_whatever_the_bytes_there_is_evidence_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("a") / f"a.{ending}"
    path.write_bytes((b"WEBVTT\n\n00:01.000 --> 00:02.000\n" if ending == "vtt" else b"") + data)
    try:
        found, _ = heard(path, length=5000)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert all(0 <= e.span.start < e.span.end <= 5000 and e.value.strip() for e in found)


@pytest.mark.shared
def test_real_captions(shared: Path) -> None:
    counts = {}
    for path in sorted((shared / "vtt").glob("*.vtt")):
        file_, found = read(path), heard(path)[0]
        counts[path.stem] = (len(file_.cues), len(found))
        arrows = path.read_text(encoding="utf-8").count("-->")
        assert len(file_.cues) == arrows and len(found) >= arrows - 1, path
        assert not any("<" in e.value or "♪" in e.value for e in found)
    boon, said = heard(shared / "vtt" / "blocks4all_captions_en.vtt")
    assert (boon[0].kind, boon[0].value) == ("sound", "jaunty piano tune")
    assert (boon[1].value, boon[1].details) == (
        "Boon, he's very excited about the world.", {"language": "en", "speaker": "Boon's Mom"},
    )  # fmt: skip
    assert said == [] and len({e.details.get("speaker") for e in boon}) > 5
