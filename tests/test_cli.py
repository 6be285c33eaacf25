"""The command line as a person meets it: outputs, exit codes, one clear sentence for each mistake."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from vdesc import cli

STREET = Path(__file__).resolve().parents[1] / "examples" / "street.mp4"
Vdesc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A copy of the example in a folder of its own."""
    return Path(shutil.copy(STREET, tmp_path / "street.mp4"))


def test_run_writes_subtitles_and_json_beside_the_video_and_prints_the_cues(vdesc: Vdesc, street: Path):
    code, out, err = vdesc("run", street, "--plugins", "clipgpt")
    document = json.loads(street.with_suffix(".json").read_text())
    assert code == 0, err
    assert len(out.splitlines()) == len(document["cues"]) >= 4
    assert all(cue["text"].replace("\n", " ") in out for cue in document["cues"])
    assert "-->" in street.with_suffix(".srt").read_text()
    assert "keyframes" in err and "wrote" in err


def test_every_cue_carries_its_choice_and_its_runners_up(vdesc: Vdesc, street: Path):
    vdesc("run", street, "--format", "json")
    cues = json.loads(street.with_suffix(".json").read_text())["cues"]
    for cue in cues:
        assert {"confidence", "novelty", "total"} <= cue["chosen"]["scores"].keys()
        totals = [other["scores"]["total"] for other in cue["runners_up"]]
        assert len(totals) >= 1 and all(0 <= total <= 1 for total in totals)


def test_machines_get_one_json_line_a_file_and_nothing_else(vdesc: Vdesc, street: Path, tmp_path: Path):
    code, out, _err = vdesc("run", street, tmp_path / "none.mp4", "--json", "-o", tmp_path / "out")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert [Path(line["file"]).name for line in lines] == ["street.mp4", "none.mp4"]
    assert [Path(path).suffix for path in lines[0]["written"]] == [".srt", ".json"]
    assert "none.mp4" in lines[1]["error"]


def test_one_bad_video_does_not_stop_the_rest(vdesc: Vdesc, street: Path):
    bad = street.with_name("bad.mp4")
    bad.write_text("this is no video")
    code, out, err = vdesc("run", str(street.parent / "*.mp4"), "--format", "txt")
    assert code == 1
    assert "bad.mp4" in err and "1 of 2 files failed" in err
    assert street.with_suffix(".txt").is_file() and not bad.with_suffix(".txt").exists()
    assert out.strip()


def test_quiet_prints_nothing_when_all_is_well(vdesc: Vdesc, street: Path):
    assert vdesc("run", street, "--quiet") == (0, "", "")


def test_a_photo_gets_a_sentence_and_no_file(vdesc: Vdesc, street: Path, tmp_path: Path):
    vdesc("run", street, "--format", "frames", "--keyframes", "uniform:1")
    photo = next(tmp_path.rglob("*.jpg"))
    before = sorted(tmp_path.rglob("*"))
    code, out, _ = vdesc("image", photo)
    assert code == 0 and len(out.splitlines()) == 1 and out.strip().endswith(".")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_second_run_uses_the_cache_and_writes_the_same_bytes(vdesc: Vdesc, street: Path):
    assert vdesc("run", street)[0] == 0
    first = street.with_suffix(".json").read_bytes()
    code, out, _ = vdesc("run", street, "--json")
    assert street.with_suffix(".json").read_bytes() == first
    spent = json.loads(out)["timings"]
    assert code == 0 and spent["propose"] < 1000


def test_settings_reach_the_plugin_and_the_json(vdesc: Vdesc, street: Path):
    vdesc("run", street, "--set", "clipgpt.beam=5", "--keyframes", "every:5s", "--set", "timing.profile=bbc")
    settings = json.loads(street.with_suffix(".json").read_text())["settings"]
    assert settings["options"]["clipgpt"]["beam"] == 5
    assert settings["keyframes"] == "every:5s" and settings["timing"]["profile"] == "bbc"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "no such file.mp4"], 1, ["no such file.mp4"]),
        (["run", "nothing*.mp4"], 1, ["nothing*.mp4"]),
        (["run", "VIDEO", "--plugins", "clipgtp"], 2, ["clipgtp", "did you mean 'clipgpt'?"]),
        (["run", "VIDEO", "--keyframes", "shotz"], 2, ["shotz", "shots"]),
        (["run", "VIDEO", "--keyframes", "uniform:many"], 2, ["uniform", "many"]),
        (["run", "VIDEO", "--format", "srtt"], 2, ["srtt", "did you mean 'srt'?"]),
        (["run", "VIDEO", "--set", "clipgpt.temprature=1"], 2, ["temprature", "did you mean 'temperature'?"]),
        (["run", "VIDEO", "--set", "clipgpt.beam=0"], 2, ["clipgpt", "beam"]),
        (["run", "VIDEO", "--set", "timing.profile=netflx"], 2, ["netflx", "netflix"]),
        (["run", "VIDEO", "--set", "nonsense"], 2, ["nonsense", "name.option=value"]),
        (["run", "VIDEO", "--config", "absent.yaml"], 2, ["absent.yaml"]),
        (["run", "VIDEO", "--device", "quantum"], 2, ["quantum"]),
        (["run", "VIDEO", "--set", "clipgpt.model=nobody/nothing"], 2, ["nobody/nothing", "network"]),
        (["cache", "clear", "lok"], 2, ["lok", "did you mean 'look'?"]),
        (["plugins", "info", "clipgp"], 2, ["clipgp", "clipgpt"]),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_sentence(vdesc: Vdesc, street: Path, args: list[str], code: int, words: list[str]):
    got, out, err = vdesc(*[street if arg == "VIDEO" else arg for arg in args])
    assert err.count("\n") == 1, err
    assert err.startswith("vdesc: ") and "Traceback" not in err
    assert all(word in err for word in words), err
    assert got in (code, 1)
    assert not out


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["vdesc", "run", "absent.mp4", "--debug"])
    with pytest.raises(cli.VdescError):
        cli.main()


def test_results_that_would_lie_on_each_other_are_refused(vdesc: Vdesc, street: Path, tmp_path: Path):
    other = tmp_path / "other" / "street.mp4"
    other.parent.mkdir()
    shutil.copy(street, other)
    code, _, err = vdesc("run", street, other, "-o", tmp_path / "out")
    assert code == 2 and "same files" in err
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_written_is_named(vdesc: Vdesc, street: Path, tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    code, _, err = vdesc("run", street, "-o", blocked / "out", "--format", "srt")
    assert code == 1 and "cannot write" in err and "-o" in err


def test_plugins_are_listed_with_their_kind(vdesc: Vdesc):
    code, out, _ = vdesc("plugins")
    rows = {tuple(line.split()[:2]) for line in out.splitlines()}
    assert code == 0 and {("captioner", "clipgpt"), ("keyframer", "shots"), ("writer", "srt")} <= rows


def test_plugin_info_shows_options(vdesc: Vdesc):
    _, out, _ = vdesc("plugins", "info", "clipgpt")
    assert "temperature" in out and "--set clipgpt." in out


def test_the_cache_is_shown_and_cleared(vdesc: Vdesc, street: Path, own_cache: Path):
    vdesc("run", street, "--format", "srt")
    _, out, _ = vdesc("cache")
    assert str(own_cache) in out and "frames" in out
    code, out, _ = vdesc("cache", "clear")
    assert code == 0 and "freed" in out and not list((own_cache / "frames").glob("*"))


def test_doctor_names_the_device_and_the_extras(vdesc: Vdesc):
    code, out, _ = vdesc("doctor")
    assert code == 0 and "torch" in out and "cpu" in out


def test_a_new_plugin_project_is_written(vdesc: Vdesc, tmp_path: Path):
    code, _out, _ = vdesc("plugins", "new", "haiku", "-o", tmp_path)
    assert code == 0 and (tmp_path / "vdesc-haiku" / "pyproject.toml").is_file()
    code, _, err = vdesc("plugins", "new", "haiku", "-o", tmp_path)
    assert code == 2 and "haiku" in err


def test_unusual_names_work(vdesc: Vdesc, street: Path):
    odd = street.rename(street.with_name("an 'odd' \"näme\" ✓ [1].mp4"))
    code, _, err = vdesc("run", odd, "--format", "srt", "--keyframes", "uniform:2")
    assert code == 0, err
    assert odd.with_suffix(".srt").is_file()


def test_looking_prints_the_shots_and_says_nothing_of_its_own(vdesc: Vdesc, street: Path):
    code, out, err = vdesc("look", street)
    assert code == 0 and "-- shot 1" in out and "keyframe" in out
    assert "cues" not in err and not street.with_suffix(".srt").exists()
    code, out, _ = vdesc("look", street, "--json")
    assert json.loads(out)["evidence"] == [] and json.loads(out)["cues"] == []


def test_a_transcript_is_of_one_video(vdesc: Vdesc, street: Path):
    other = Path(shutil.copy(street, street.with_name("other.mp4")))
    code, _, err = vdesc("run", street, other, "--speech", "a.srt")
    assert code == 2 and "a.srt is the transcript of one video" in err


def test_what_to_know_first_of_a_captioner_is_said(vdesc: Vdesc):
    assert "It looks at pictures only" in vdesc("plugins", "info", "clipgpt")[1]
