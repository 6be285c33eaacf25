"""`vdesc compare` as a person meets it: exit codes, files, sentences; with captioners that say what they are told."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import Field
from vdesc import Candidate
from vdesc.testing import FakeCaptioner, FakeKeyframer, FakeObserver, FakeRanker, description, module, small_video
from vdesc_training.metrics import java

CLIP = ("--keyframes", "fake-keyframer:4", "--set", "ranking.similarity=tokens", "--set", "slots.shortest=0")
SRT = "1\n00:00:00,000 --> 00:00:01,500\nred dog runs\n\n2\n00:00:01,500 --> 00:00:03,000\nblue cat sleeps\n"
ROWS = [(0, 1.5, "red dog runs"), (1.5, 3, "blue cat sleeps")]


class Says(FakeCaptioner):
    """Says what it is told to of every slot."""

    name = "says"
    loads = 0

    class Options(FakeCaptioner.Options):
        """What to say."""

        text: str = Field("red dog runs", description="What it says.")

    def load(self, device):
        type(self).loads += 1

    def propose(self, slots, n=1):
        return [Candidate(slot.index, self.options.text.format(slot.index), self.name) for slot in slots]


class NoLoad(FakeCaptioner):
    """Cannot be loaded."""

    name = "noload"

    def load(self, device):
        raise RuntimeError("its weights <b>are</b> gone")


@pytest.fixture(autouse=True)
def installed(monkeypatch) -> None:
    """The fakes are what is installed; no Java, whose programs take half a minute to start."""
    classes = (FakeKeyframer, FakeObserver, FakeCaptioner, FakeRanker, Says, NoLoad)
    point = SimpleNamespace(load=lambda: module(*classes))
    found = [
        SimpleNamespace(name=one.name, value="fakes", package="fakes", version="1", point=point) for one in classes
    ]
    monkeypatch.setattr("vdesc.registry.entries", lambda: found)
    monkeypatch.setattr(java, "version", lambda: "")
    monkeypatch.setattr("vdesc_compare.hearing.gc", SimpleNamespace(collect=lambda: None))  # it takes long here
    monkeypatch.setattr(Says, "loads", 0)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return small_video(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
def clip(original, tmp_path) -> Path:
    return Path(shutil.copy(original, tmp_path))


@pytest.fixture
def compare(vdesc, clip):
    """Compares on the clip; gives exit code, output, errors, and the comparison as JSON where it was written."""

    def run(plugins: str, *others: object) -> tuple[int, str, str, dict]:
        code, out, err = vdesc("compare", clip, "--plugins", plugins, *CLIP, *others)
        file = clip.with_suffix(".compare.json")
        return code, out, err, json.loads(file.read_text()) if file.exists() else {}

    return run


def rows(clip: Path) -> list[dict[str, str]]:
    with clip.with_suffix(".compare.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_words_and_figures_are_printed_and_three_files_written(compare, clip):
    code, out, err, made = compare("says,says@text='a cat',fake-ranker")
    assert code == 0, err
    assert "clip.mp4  4 slots" in out and "  says: red dog runs" in out and "  says@text='a cat': a cat" in out
    for row in ("Words a caption", "Agreement with the others", "Seconds a slot", "Device", "Choosing among all"):
        assert row in out
    assert "ahead of all others by more than chance (95 %, paired bootstrap over 4 slots)" in out
    assert [column["label"] for column in made["columns"]] == ["says", "says@text='a cat'"]
    assert [row["text"] for row in rows(clip)[:2]] == ["red dog runs", "a cat"]
    assert all(float(row["seconds"]) >= 0 and not row["error"] for row in rows(clip))
    assert "red dog runs" in clip.with_suffix(".compare.html").read_text()
    assert "wrote" in err and "clip.compare.csv" in err


def test_what_is_written_and_where_can_be_chosen(compare, clip, tmp_path):
    code, out, err, _ = compare("says", "--format", "json, csv", "-o", tmp_path / "out", "-q")
    assert (code, out, err) == (0, "", "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clip.compare.json", "clip.compare.csv"}
    assert [path.name for path in tmp_path.glob("clip*")] == ["clip.mp4"]
    code, _, err, _ = compare("says", "--format", "xlsx")
    assert code == 2 and "a comparison is not written as 'xlsx' (known: csv, html, json)" in err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.srt", SRT),
        ("r.vtt", "WEBVTT\n\n00:00.000 --> 00:01.500\nred dog runs\n\n00:01.500 --> 00:03.000\nblue cat sleeps\n"),
        ("r.json", json.dumps([{"start": a, "end": b, "text": text} for a, b, text in ROWS])),
        ("r.csv", "start,end,text\n" + "".join(f"{a},{b},{text}\n" for a, b, text in ROWS)),
        ("coco.json", json.dumps({"annotations": [{"start": a, "end": b, "caption": text} for a, b, text in ROWS]})),
    ],
)
def test_references_of_every_form_are_held_against_captions(compare, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    code, out, err, made = compare("says,says@text=x", "--references", tmp_path / name, "--format", "json")
    assert code == 0, err
    assert [one["text"] for one in made["references"]] == ["red dog runs", "blue cat sleeps"]
    assert made["columns"][0]["scores"]["rouge"] == 0.5 and made["columns"][1]["scores"]["rouge"] == 0
    for row in ("CIDEr-D", "ROUGE-L", "BLEU-4", "R@1 of neighbours"):
        assert row in out
    assert made["scene"]["findings"][-1]["message"].startswith("no METEOR: ")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("r.srt", SRT.replace("00:00:", "01:00:"), "is of another video: its 2 references lie outside of clip.mp4"),
        ("r.srt", SRT.replace("01,500 -->", "01.5x -->"), "line 6 of "),
        ("r.csv", "start,end,text\n0,1,a\nsoon,2,b\n", "line 3 of "),
        ("r.json", None, "cannot read "),
    ],
)
def test_references_that_cannot_be_used_are_told_before_any_work(compare, tmp_path, name, text, sentence):
    if text:
        (tmp_path / name).write_text(text)
    code, out, err, made = compare("says", "--references", tmp_path / name)
    assert (code, out, made, Says.loads) == (1, "", {}, 0)
    assert err.startswith("vdesc: clip.mp4: ") and sentence in err and str(tmp_path / name) in err
    assert len(err.splitlines()) == 1


def test_a_list_of_captioners_with_options_of_their_own(compare, tmp_path):
    listed = tmp_path / "list.yaml"
    listed.write_text("- says@text=x\n- {plugin: says, label: wide, options: {text: 'slot {}'}}\n")
    code, out, _, made = compare("says", "--captioners", listed)
    assert code == 0 and "  wide: slot 3" in out
    assert [(c["label"], c["options"]["text"]) for c in made["columns"]] == [
        ("says", "red dog runs"), ("says@text=x", "x"), ("wide", "slot {}"),
    ]  # fmt: skip


def test_one_captioner_only_is_measured_by_itself(compare, clip):
    code, out, err, made = compare("says")
    assert code == 0, err
    assert "chance" not in out and "Agreement" not in out
    assert made["differences"] == [] and made["agreement"] == [[1.0]]
    assert clip.with_suffix(".compare.html").is_file()


def test_where_none_works_the_reasons_are_told_and_nothing_is_written(compare, clip):
    code, out, err, _ = compare("nobody,noload")
    assert (code, out) == (1, "")
    assert err.startswith("vdesc: clip.mp4: there is no captioner") and "'nobody'" in err
    assert "noload could not be loaded: RuntimeError: its weights <b>are</b> gone" in err
    assert [path.name for path in clip.parent.glob("clip*")] == ["clip.mp4"]


def test_one_that_fails_among_others_keeps_its_column_with_its_error_everywhere(compare, clip):
    code, out, err, made = compare("noload,says,says@text=x")
    reason = "noload could not be loaded: RuntimeError: its weights <b>are</b> gone"
    assert code == 3
    assert f"clip.mp4: noload: {reason}" in err
    table = " ".join(" ".join(line.split("│")[2].split()) for line in out.splitlines() if line.count("│") == 5)
    assert reason in table
    assert made["columns"][0]["error"] == reason and not made["columns"][1]["error"]
    assert {row["error"] for row in rows(clip) if row["captioner"] == "noload"} == {reason}
    assert not any(row["error"] for row in rows(clip) if row["captioner"] != "noload")
    html = clip.with_suffix(".compare.html").read_text()
    assert reason.replace("<", "\\u003c").replace(">", "\\u003e") in html and reason not in html


def test_a_broken_video_stops_no_other(vdesc, clip, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    code, out, err = vdesc("compare", broken, clip, "--plugins", "says", *CLIP)
    assert code == 1 and "vdesc: broken.mp4: " in err and "clip.mp4  4 slots" in out
    assert {path.suffix for path in tmp_path.glob("*.compare.*")} == {".html", ".json", ".csv"}
    code, out, err = vdesc("compare", broken, "--plugins", "says", *CLIP)
    assert (code, out) == (1, "") and Says.loads == 1, "nothing is loaded where there is nothing to caption"


def test_references_of_one_video_that_are_broken_stop_no_other(vdesc, clip, tmp_path):
    other = shutil.copy(clip, tmp_path / "other.mp4")
    (tmp_path / "good.srt").write_text(SRT)
    (tmp_path / "bad.srt").write_text(SRT.replace("-->", "->"))
    said = ("--references", tmp_path / "bad.srt", "--references", tmp_path / "good.srt")
    code, out, err = vdesc("compare", clip, other, "--plugins", "says", *CLIP, *said)
    assert code == 1 and "line 2 of" in err and "other.mp4  4 slots" in out and "clip.mp4  4" not in out
    code, _, err = vdesc("compare", clip, other, "--plugins", "says", *CLIP, *said[:2])
    assert code == 1 and "1 files of references for 2 videos: give one for each" in err


@pytest.mark.parametrize("slots", [0, 2000])
def test_no_slot_and_two_thousand_are_no_trouble(compare, clip, monkeypatch, slots):
    made = replace(description(max(1, slots)), candidates=(), cues=())
    made = replace(made, video=replace(made.video, path=clip), slots=made.slots[:slots])
    monkeypatch.setattr("vdesc_compare.comparing.scene", lambda path, crew, report: made)
    code, out, err, found = compare("says@text='slot {}',fake-captioner")
    assert code == 0, err
    assert f"clip.mp4  {slots:,} slots" in out
    assert ("... and 1,980 more, which the files hold" in out) == (slots == 2000)
    assert [len(column["picks"]) for column in found["columns"]] == [slots] * 2
    assert len(rows(clip)) == 2 * slots
    assert clip.with_suffix(".compare.html").stat().st_size < 15_000_000
