"""The writers: what other programs read in their files, text that could break them, and writes that fail."""
# ruff: noqa: RUF001 - Hebrew is meant

import errno
import html
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from vdesc import (
    Candidate,
    Cue,
    Description,
    Keyframe,
    OutputError,
    Picture,
    Shot,
    Slot,
    Span,
    Video,
    Writer,
    document,
)
from vdesc_writers import Json, Pictures, SubRip, Text, WebVtt, words, writers
from vdesc_writers.band import font_for, under
from vdesc_writers.subtitles import subtitles

FILES = (SubRip, WebVtt, Json, Text)
hard = st.text(st.characters(codec="utf-8") | st.sampled_from("<>&{}\\-\n\r\u2028\x00\u202e אب"), max_size=30)


@dataclass(frozen=True, slots=True)
class Plain(Picture):
    """A picture of one colour."""

    colour: tuple[int, int, int] = (200, 30, 30)
    size: tuple[int, int] = (120, 160)

    def pixels(self) -> np.ndarray:
        return np.full((*self.size, 3), self.colour, np.uint8)


def described(*cues: tuple[int, int, str], name: str = "my film.mp4") -> Description:
    """A description with one keyframe and one cue a slot."""
    shots = tuple(Shot(i, Span(start, end)) for i, (start, end, _) in enumerate(cues))
    keyframes = tuple(Keyframe(i, shot.span.middle, shot, Plain(Path(f"{i}.jpg"))) for i, shot in enumerate(shots))
    candidates = tuple(Candidate(i, text, "test") for i, (_, _, text) in enumerate(cues))
    return Description(
        video=Video(Path("somewhere") / name, "ab" * 32, Span(0, 10**7), Fraction(25), 160, 120),
        shots=shots, keyframes=keyframes, evidence=(), candidates=candidates,
        slots=tuple(Slot(i, shot.span, (keyframes[i],)) for i, shot in enumerate(shots)),
        cues=tuple(Cue(i + 1, shots[i].span, c.text, c, (i,)) for i, c in enumerate(candidates)),
    )  # fmt: skip


FILM = described(
    (0, 2917, "A dog runs\nthrough the grass."), (3000, 6500, "Two men talk."), (3_661_042, 3_664_000, "End")
)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[type[Writer], Description], str]:
    def write(kind: type[Writer], description: Description) -> str:
        return kind().write(description, tmp_path).read_bytes().decode()

    return write


def test_srt_bytes(written) -> None:
    assert written(SubRip, FILM) == (
        "1\n00:00:00,000 --> 00:00:02,917\nA dog runs\nthrough the grass.\n\n"
        "2\n00:00:03,000 --> 00:00:06,500\nTwo men talk.\n\n"
        "3\n01:01:01,042 --> 01:01:04,000\nEnd\n\n"
    )


def test_vtt_bytes(written) -> None:
    assert written(WebVtt, FILM) == (
        "WEBVTT\n\n"
        "1\n00:00:00.000 --> 00:00:02.917\nA dog runs\nthrough the grass.\n\n"
        "2\n00:00:03.000 --> 00:00:06.500\nTwo men talk.\n\n"
        "3\n01:01:01.042 --> 01:01:04.000\nEnd\n\n"
    )


def test_txt_bytes(written) -> None:
    assert written(Text, FILM) == (
        "[00:00:00] A dog runs through the grass.\n[00:00:03] Two men talk.\n[01:01:01] End\n"
    )


def test_json_is_the_published_form(tmp_path: Path) -> None:
    path = Json().write(FILM, tmp_path)
    assert path.read_bytes() == document.dump(FILM, tmp_path)
    assert [cue["text"] for cue in json.loads(path.read_bytes())["cues"]] == [cue.text for cue in FILM.cues]


@pytest.mark.parametrize("kind", writers())
def test_files_are_named_after_the_video(kind: type[Writer], tmp_path: Path) -> None:
    path = kind().write(FILM, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / f"my film{kind.extension}" and path.exists()
    assert [child.name for child in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", writers())
def test_nothing_to_say_is_still_a_whole_file(kind: type[Writer], tmp_path: Path) -> None:
    assert kind().write(replace(FILM, cues=(), keyframes=(), slots=()), tmp_path).exists()


@given(st.lists(hard, min_size=1, max_size=4), st.sampled_from([SubRip, WebVtt]))
def test_any_words_survive_in_subtitles(tmp_path_factory, texts: list[str], kind: type[Writer]) -> None:
    """Each block of a file is one cue with its own time and words, but for what words.py replaces."""
    folder = tmp_path_factory.mktemp("any")
    film = described(*((i * 1000, i * 1000 + 900, text) for i, text in enumerate(texts)))
    safe = words.subrip if kind is SubRip else words.webvtt
    data = kind().write(film, folder).read_bytes().decode()
    blocks = data.removeprefix("WEBVTT\n\n").split("\n\n")
    assert blocks.pop() == ""
    said = [(i, text) for i, text in enumerate(texts) if words.lines(text)]
    assert len(blocks) == len(said)
    for block, (i, text) in zip(blocks, said, strict=True):
        _, times, *lines = block.split("\n")
        assert times.replace(",", ".") == f"00:00:{i:02}.000 --> 00:00:{i:02}.900"
        assert "\n".join(lines) == safe(text) and "-->" not in "\n".join(lines)
        assert len(lines) == len(words.lines(text))
    control = {unicodedata.category(c) for c in data.replace("\n", "")} & {"Cc", "Cs"}
    assert not control


@given(st.lists(st.text("abc<>/{}\\&;.an8iN ", max_size=20), min_size=1, max_size=3))
def test_pysubs2_reads_back_words_and_times(texts: list[str]) -> None:
    cues = [(i * 3000, i * 3000 + 2500, f"w{text}w") for i, text in enumerate(texts)]
    for kind, undo in (("srt", str), ("vtt", html.unescape)):
        safe = words.subrip if kind == "srt" else words.webvtt
        loaded = pysubs2.SSAFile.from_string(subtitles(described(*cues), kind, safe), kind)
        assert [(event.start, event.end) for event in loaded] == [cue[:2] for cue in cues]
        for event, cue in zip(loaded, cues, strict=True):
            kept = undo(event.text if kind == "vtt" else event.plaintext)
            assert re.findall(r"\w+", kept) == re.findall(r"\w+", cue[2])


@pytest.mark.parametrize(
    ("text", "srt", "vtt"),
    [
        ("a --> b", "a → b", "a --&gt; b"),
        ("1\n\n00:00:01,000 --> 00:00:02,000\nx", "1\n00:00:01,000 → 00:00:02,000\nx",
         "1\n00:00:01,000 --&gt; 00:00:02,000\nx"),
        ("<i>so</i> & so", "\u2039i\u203aso\u2039/i\u203a & so", "&lt;i&gt;so&lt;/i&gt; &amp; so"),
        ("3 < 5 > 4", "3 < 5 > 4", "3 &lt; 5 &gt; 4"),
        ("{\\an8}up", "(/an8)up", "{\\an8}up"),
        ("C:\\New\\hat", "C:/New/hat", "C:\\New\\hat"),
        ("a\x00b\x1b[0m\tc\x7f", "ab[0m c", "ab[0m c"),
        ("  a\r\n\r\n b\u2028", "a\nb", "a\nb"),
        ("\u202eevil", "evil", "evil"),
        ("\ud800x\ufeff", "x", "x"),
        ("שלום.", "\u202bשלום.\u202c", "\u202bשלום.\u202c"),
        ("The word שלום", "The word שלום", "The word שלום"),
        ("\U0001f468\u200d\U0001f469 한글", "\U0001f468\u200d\U0001f469 한글", "\U0001f468\u200d\U0001f469 한글"),
    ],
)  # fmt: skip
def test_what_could_break_a_format(text: str, srt: str, vtt: str, written) -> None:
    assert words.subrip(text) == srt and words.webvtt(text) == vtt
    film = described((0, 1000, text), (1000, 2000, "next"))
    assert written(SubRip, film).split("\n\n")[0] == f"1\n00:00:00,000 --> 00:00:01,000\n{srt}"
    assert written(WebVtt, film).split("\n\n")[1] == f"1\n00:00:00.000 --> 00:00:01.000\n{vtt}"


def test_vtt_cues_end_after_they_start(written) -> None:
    assert "00:00:01.000 --> 00:00:01.001" in written(WebVtt, described((1000, 1000, "now")))


def test_txt_keeps_a_cue_on_its_line(written) -> None:
    assert written(Text, described((0, 1, "一\n二\n\nb\x1b"))) == "[00:00:00] 一二 b\n"


def test_frames_are_named_after_their_times(tmp_path: Path) -> None:
    path = Pictures().write(FILM, tmp_path)
    assert sorted(child.name for child in path.iterdir()) == [
        "0001_00-00-01.458.jpg", "0002_00-00-04.750.jpg", "0003_01-01-02.521.jpg",
    ]  # fmt: skip
    with Image.open(path / "0001_00-00-01.458.jpg") as image:
        assert image.format == "JPEG" and image.size == (160, 120)
        assert np.abs(np.asarray(image).astype(int) - (200, 30, 30)).max() < 8


def test_captions_stand_under_the_picture(tmp_path: Path) -> None:
    writer = Pictures(Pictures.Options(caption=True, quality=95))
    with Image.open(next(writer.write(FILM, tmp_path).glob("0001*"))) as image:
        pixels = np.asarray(image).astype(int)
    assert pixels.shape[1] == 160 and pixels.shape[0] > 130
    assert np.abs(pixels[:118] - (200, 30, 30)).max() < 12
    assert pixels[120:].min() < 40 and pixels[120:].max() > 200, "light words on a dark band"
    assert writer.findings == []


@given(st.text("WMil한글 ", min_size=1, max_size=60), st.integers(60, 400))
def test_words_stay_inside_the_band(text: str, width: int) -> None:
    font = font_for("W", 14)
    assert font
    image = under(Image.new("RGB", (width, 10), (9, 9, 9)), text, font)
    pixels = np.asarray(image)
    assert image.width == width and (pixels[:, -1] < 30).all() and (pixels[-1] < 30).all()


def test_a_script_that_no_font_has_leaves_the_picture_bare_and_says_so(tmp_path: Path) -> None:
    writer = Pictures(Pictures.Options(caption=True))
    cuneiform = described((0, 10, "\U00012000\U00012001"), (10, 20, "\U00012002"))
    with Image.open(next(writer.write(cuneiform, tmp_path).glob("0001*"))) as image:
        assert image.size == (160, 120)
    assert [(finding.source, finding.level) for finding in writer.findings] == [("frames", "warning")]


def test_an_emoji_that_no_font_has_does_not_cost_the_words(tmp_path: Path) -> None:
    writer = Pictures(Pictures.Options(caption=True))
    folder = writer.write(described((0, 10, "A bird \U0001fabf flies."), (10, 20, "A bird flies.")), tmp_path)
    first, second = (np.asarray(Image.open(path)) for path in sorted(folder.iterdir()))
    assert np.array_equal(first, second) and writer.findings == []


def test_new_frames_replace_all_old_ones(tmp_path: Path) -> None:
    Pictures().write(FILM, tmp_path)
    path = Pictures().write(described((0, 2, "one")), tmp_path)
    assert [child.name for child in path.iterdir()] == ["0001_00-00-00.001.jpg"]
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


def test_a_folder_with_other_things_is_not_replaced(tmp_path: Path) -> None:
    path = Pictures().write(FILM, tmp_path)
    (path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other things"):
        Pictures().write(FILM, tmp_path)
    assert len(list(path.iterdir())) == 4


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("kind", "failing"),
    [(kind, failing) for kind in FILES for failing in ("write_bytes", "replace")]
    + [(Pictures, "write_bytes"), (Pictures, "rename")],
)
def test_a_full_disk_leaves_what_was_there(
    kind: type[Writer], failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind().write(described((0, 2, "old")), tmp_path)
    before = snapshot(tmp_path)
    monkeypatch.setattr(Path, failing, full_disk)
    with pytest.raises(OutputError, match="No space left on device"):
        kind().write(FILM, tmp_path)
    assert snapshot(tmp_path) == before


def test_old_frames_come_back_when_the_new_cannot_take_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Pictures().write(described((0, 2, "old")), tmp_path)
    before, rename = snapshot(tmp_path), Path.rename

    def failing(path: Path, to: Path) -> Path:
        return full_disk() if path.name == "new" else rename(path, to)  # type: ignore[func-returns-value]

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError):
        Pictures().write(FILM, tmp_path)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("kind", writers())
def test_a_folder_that_cannot_be_made_is_one_sentence(kind: type[Writer], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose another folder with -o"):
        kind().write(FILM, tmp_path / "file" / "out")
