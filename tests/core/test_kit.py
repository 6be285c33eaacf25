"""The plugin author's kit: the contract finds each broken rule, the fakes keep it, a new project passes its test."""

import importlib
import json
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel, Field
from vdesc import (
    Cache,
    Candidate,
    Captioner,
    Converter,
    Evidence,
    Keyframe,
    Keyframer,
    Observer,
    OutputError,
    Ranker,
    SettingsError,
    Shot,
    Span,
    Writer,
    hookimpl,
    testing,
)
from vdesc.doctor import examine
from vdesc.registry import Registry
from vdesc.scaffold import PARTS, new
from vdesc.testing import assert_contract, check, module

FAKES = [
    testing.FakeKeyframer, testing.FakeObserver, testing.FakeCaptioner, testing.FakeRanker, testing.FakeWriter,
]  # fmt: skip
ELSEWHERE = {
    "alignment", "fasterwhisper", "llava", "ocr", "openai", "selector", "transcript", "vlm", "whisper", "yolo",
}  # fmt: skip
"""They need a model or a file: their own tests in tests/plugins make a tiny one, and hold them to the contract."""
INSTALLED = sorted(
    (found for found in Registry().all() if found.plugin.name not in ELSEWHERE), key=lambda found: found.plugin.name
)


@pytest.mark.parametrize("fake", FAKES)
def test_the_fakes_keep_the_contract(fake):
    assert check(fake) == []


@pytest.mark.parametrize("fake", FAKES)
def test_a_fake_fails_when_asked_to_and_that_is_one_sentence(fake):
    (sentence,) = check(fake, {"fail": True})
    assert sentence.startswith(f"{fake.name} failed") and sentence.endswith("RuntimeError: it was asked to fail")


@pytest.mark.parametrize("found", INSTALLED, ids=lambda found: f"{found.plugin.kind}-{found.plugin.name}")
def test_every_installed_plugin_keeps_the_contract(found):
    assert check(found.plugin) == []


class Good(Captioner):
    """Says one thing."""

    name = "good"

    def propose(self, slots, n=1):
        return [Candidate(slot.index, "A scene.", self.name, confidence=0.5) for slot in slots]


def _said(**changes):
    """A captioner that breaks one rule in what it says."""

    class Said(Good):
        """Says one thing."""

        def propose(self, slots, n=1):
            return [replace(candidate, **changes) for candidate in super().propose(slots, n)]

    return Said


def _with(**attributes):
    return type("Bad", (Good,), {"__doc__": "Says one thing."} | attributes)


class Loose(BaseModel):
    """Options that allow all."""

    speed: int = 3
    need: int = Field(description="a number")


def _counting(self, slots, n=1):
    self.count = getattr(self, "count", 0) + 1
    return [Candidate(slot.index, f"Scene {self.count}.", "good") for slot in slots]


def _painting(self, slots, n=1):
    for slot in slots:
        object.__setattr__(slot, "budget", 5)
    return []


def _missing(self, device):
    import no_such_library  # noqa: F401


@pytest.mark.parametrize(
    ("plugin", "sentence"),
    [
        (_with(name="Good One"), "the name 'Good One' must be of lower-case letters"),
        (_with(__doc__=None), "Bad needs a docstring"),
        (_with(shorthand="beam"), "the shorthand 'beam' is none of its options"),
        (_with(Options=Loose), "must be frozen and forbid unknown keys"),
        (_with(Options=Loose), "the option 'speed' needs a description"),
        (_with(Options=Loose), "the option 'need' needs a default"),
        (_with(__init__=lambda self, options: 1 / 0), "good could not be made: ZeroDivisionError"),
        (_with(load=lambda self, device: 1 / 0), "good could not be loaded: ZeroDivisionError"),
        (_with(load=_missing), "good could not be loaded: No module named 'no_such_library'"),
        (_with(load=_missing, extra="sky"), "pip install 'vdesc[sky]'"),
        (_with(close=lambda self: 1 / 0), "good could not be closed twice"),
        (_with(propose=_counting), "propose answers otherwise when it is called again"),
        (_with(propose=_painting), "propose changes what it is given"),
        (_with(propose=lambda self, slots, n: ["A scene."] * len(slots)), "propose gives str, not Candidate"),
        (_with(propose=lambda self, slots, n: [Candidate(i, "A", "x") for i in range(len(slots))]), "use slot.index"),
        (_with(propose=lambda self, slots, n: list(Good.propose(self, slots)) * (n + 1)), "more candidates for a slot"),
        (_with(propose=lambda self, slots, n: [Candidate(slots[0].index, "A", "good")]), "failed at propose: Index"),
        (_said(text="A\nscene."), "no line breaks or control characters: 'A\\nscene.'"),
        (_said(text="A\x07scene."), "no line breaks or control characters"),
        (_said(text="  "), "a candidate's text must be words, not '  '"),
        (_said(source="other"), "a candidate's source must be 'good', not 'other'"),
        (_said(confidence=1.5), "confidence must be None or in 0..1, not 1.5"),
        (_said(confidence=float("nan")), "confidence must be None or in 0..1, not nan"),
    ],
)  # fmt: skip
def test_a_captioner_that_breaks_a_rule_is_told_which(plugin, sentence):
    assert any(sentence in problem for problem in check(plugin)), check(plugin)


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        (lambda self, slots, candidates: [0.5], "score gives 1 numbers for 0 candidates"),
        (lambda self, slots, candidates: [2.0] * len(candidates), "score must give numbers in 0..1, not 2.0"),
        (lambda self, slots, candidates: [None] * len(candidates), "score must give numbers in 0..1, not None"),
        (lambda self, slots, candidates: [c.scores.update(x=1) or 0 for c in candidates], "score changes what"),
        (lambda self, slots, candidates: [0.0 * candidates[0].slot], "failed at score: IndexError"),
    ],
)  # fmt: skip
def test_a_ranker_that_breaks_a_rule_is_told_which(score, sentence):
    plugin = type("Bad", (Ranker,), {"__doc__": "Bad.", "name": "bad", "score": score})
    assert any(sentence in problem for problem in check(plugin)), check(plugin)


@pytest.mark.parametrize(
    ("verbs", "sentence"),
    [
        ({"support": lambda self, slots, candidates: []}, "support gives evidence for 0 of 1 candidates"),
        ({"support": lambda self, s, c: [(Evidence("text", Span(0, 1), "x", 1.0, "x"),)] * len(c)}, "not in the slots"),
        ({"sentences": lambda self, texts: np.ones((1, 4), np.float32)}, "a float32 row for each of 3 texts"),
        ({"sentences": lambda self, texts: np.ones((len(texts), 4), np.float32)}, "vectors of length 1"),
        ({"sentences": lambda self, texts: np.eye(3, dtype=np.float32)}, "the same text another vector"),
    ],
)
def test_a_ranker_that_breaks_a_rule_of_its_other_verbs_is_told_which(verbs, sentence):
    attributes = {"__doc__": "Bad.", "name": "bad", "score": lambda self, slots, candidates: [0.5] * len(candidates)}
    plugin = type("Bad", (Ranker,), attributes | verbs)
    assert any(sentence in problem for problem in check(plugin)), check(plugin)


@pytest.mark.parametrize(
    ("reads", "sentence"),
    [
        (lambda self, source: True, "reads must be False of a file that is not its own, not True of empty.json"),
        (lambda self, source: json.loads(source.read_text()) == 3, "bad failed at reads of"),
        (lambda self, source: None, "not None of"),
    ],
)
def test_a_converter_that_breaks_a_rule_is_told_which(reads, sentence):
    attributes = {"__doc__": "Bad.", "name": "bad", "reads": reads, "convert": lambda self, source, out: []}
    plugin = type("Bad", (Converter,), attributes)
    assert any(sentence in problem for problem in check(plugin)), check(plugin)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"span": Span(0, 9999)}, "evidence at 0..9999 ms is not inside the video"),
        ({"confidence": -1}, "the confidence of evidence must be in 0..1, not -1"),
        ({"source": "other"}, "the observer's name as its source"),
        ({"kind": ""}, "evidence must have a kind"),
        ({"details": {"at": Path("x")}}, "must be plain JSON values"),
    ],
)
def test_an_observer_that_breaks_a_rule_is_told_which(changes, sentence):
    class Bad(Observer):
        """Bad."""

        name = "bad"

        def observe(self, video, keyframes):
            return [replace(Evidence("text", k.shot.span, "x", 0.5, self.name), **changes) for k in keyframes]

    assert any(sentence in problem for problem in check(Bad)), check(Bad)


Shown = namedtuple("Shown", "index at start end")


@pytest.mark.parametrize(
    ("frames", "sentence"),
    [
        ([], "select finds no keyframe in a video of three scenes"),
        ([Shown(0, 5000, 0, 3000)], "keyframe 0 at 5000 ms is not inside the video"),
        ([Shown(0, 0, 0, 9000)], "shot 0, 0..9000 ms, is empty or not inside the video"),
        ([Shown(0, 0, 5, 5)], "shot 0, 5..5 ms, is empty"),
        ([Shown(1, 1000, 1000, 2000), Shown(0, 0, 0, 1000)], "keyframe 0 comes after keyframe 1"),
        ([Shown(0, 0, 0, 2000), Shown(1, 1500, 1000, 3000)], "shot 1 overlaps shot 0"),
    ],
)
def test_a_keyframer_that_breaks_a_rule_is_told_which(frames, sentence):
    class Bad(Keyframer):
        """Bad."""

        name = "bad"

        def select(self, video):
            for f in frames:
                yield Keyframe(f.index, f.at, Shot(f.index, Span(f.start, f.end)), testing.picture())

    assert any(sentence in problem for problem in check(Bad)), check(Bad)


def _careless(self, description, folder):
    path = folder / "x.txt"
    path.write_text("".join(cue.text for cue in description.cues) or "none")
    return path


def _outside(self, description, folder):
    path = folder.parent / "x.txt"
    path.write_text("x")
    return path


@pytest.mark.parametrize(
    ("attributes", "sentence"),
    [
        ({"write": _careless}, "write changes the old file while it writes: use vdesc.write_atomic"),
        ({"write": _careless, "extension": ".srt"}, "x.txt, which does not end in its extension '.srt'"),
        ({"write": _outside}, "inside the folder"),
        ({"write": lambda self, d, folder: (folder / "x.txt").touch() or folder / "x.txt"}, "leaves x.txt empty"),
        ({"write": lambda self, d, folder: (folder / ".x").touch() or _careless(self, d, folder)}, "hidden files"),
        ({"write": lambda self, d, folder: folder / "x.txt"}, "must give the path of what it wrote"),
        ({"write": _careless, "extension": None}, "a writer needs an extension"),
    ],
)
def test_a_writer_that_breaks_a_rule_is_told_which(attributes, sentence):
    plugin = type("Bad", (Writer,), {"__doc__": "Bad.", "name": "bad", "extension": ".txt"} | attributes)
    assert any(sentence in problem for problem in check(plugin)), check(plugin)


def test_heavy_imports_at_the_top_of_a_module_are_found(tmp_path, monkeypatch):
    source = "import av\nfrom vdesc.testing import FakeCaptioner\nclass Heavy(FakeCaptioner):\n    'Heavy.'\n"
    (tmp_path / "heavy_plugin.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    import heavy_plugin

    assert check(heavy_plugin.Heavy) == ["importing or making it imports av: do that inside load"]


def test_a_wrong_option_is_the_callers_mistake_not_the_plugins():
    with pytest.raises(SettingsError, match="did you mean 'fail'"):
        check(testing.FakeCaptioner, {"fial": True})


def test_assert_contract_raises_with_every_broken_rule():
    assert_contract(Good)
    with pytest.raises(AssertionError, match=r"(?s)Bad breaks the contract:.*- the name 'X'.*- Bad needs a docstring"):
        assert_contract(_with(name="X", __doc__=None))


def test_small_inputs_are_the_same_each_time_and_fit_together(tmp_path):
    from vdesc.media import probe  # here: it imports PyAV, and the plugins of this module must not

    assert (testing.picture(3).pixels() == testing.picture(3).pixels()).all()
    assert (testing.picture(3).pixels() != testing.picture(4).pixels()).any()
    assert testing.picture((9, 8, 7), 4, 2).pixels().tolist() == [[[9, 8, 7]] * 4] * 2
    assert [len(slot.keyframes) for slot in testing.slots(2, 3)] == [3, 3]
    assert testing.description(2).video.span.end == testing.description(2).slots[-1].span.end
    first, second = testing.small_video(tmp_path / "a.mp4"), testing.small_video(tmp_path / "b.mp4")
    assert first.read_bytes() == second.read_bytes()
    assert probe(first).span == Span(0, 3000)


def test_a_new_project_has_four_files_and_passes_its_own_test(tmp_path):
    project = new("three-lines", tmp_path)
    assert project == tmp_path / "vdesc-three-lines"
    files = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert files == {"pyproject.toml", "README.md", "vdesc_three_lines.py", "tests/test_three_lines.py"}
    done = subprocess.run([sys.executable, "-m", "pytest"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_new_plugins_of_every_kind_keep_the_contract_and_are_well_formed(tmp_path, monkeypatch):
    for kind in PARTS:
        project = new(f"my-{kind}", tmp_path, kind)
        monkeypatch.syspath_prepend(project)
        assert_contract(getattr(importlib.import_module(f"vdesc_my_{kind}"), f"My{kind.capitalize()}"))
        for command in (["format", "--check"], ["check", "--extend-select", "I,UP,B"]):
            ruff = [sys.executable, "-m", "ruff", *command, "--isolated"]
            done = subprocess.run(ruff, cwd=project, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["", "Haiku", "3d", "a b", "../x", "x" * 31, "é"])
def test_a_name_that_no_plugin_can_have_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="is no name for a plugin"):
        new(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_kind_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(SettingsError, match="did you mean 'captioner'"):
        new("haiku", tmp_path, "captoner")


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "vdesc-haiku").mkdir()
    with pytest.raises(OutputError, match=r"vdesc-haiku is there already"):
        new("haiku", tmp_path)
    assert not list((tmp_path / "vdesc-haiku").iterdir())


def test_a_plugin_named_like_a_public_class_gets_a_class_of_another_name(tmp_path):
    assert "class CaptionerPlugin(Captioner):" in (new("captioner", tmp_path) / "vdesc_captioner.py").read_text()


class Wrong:
    """A module, as it were, whose hook gives no plugin."""

    @staticmethod
    @hookimpl
    def captioners():
        return [str]


def test_the_doctor_finds_what_is_broken_doubled_or_missing(tmp_path, monkeypatch):
    registry = Registry()
    registry.register(module(testing.FakeCaptioner, name="one"), "alpha")
    registry.register(module(testing.FakeCaptioner, name="two"), "beta")
    registry.register(Wrong, "gamma")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    checks = {check.topic: check for check in examine(registry, Cache(tmp_path / "cache"))}
    assert checks["Python"].text.startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert (checks["numpy"].state, checks["vdesc"].state, checks["cache"].state) == ("ok", "ok", "ok")
    assert "cpu" in checks["device"].text
    assert "alpha and beta" in checks["plugin fake-captioner"].text
    assert "gamma" in checks["plugin Wrong"].text
    assert all(check.next_step for check in checks.values() if check.state != "ok")


def test_the_doctor_names_the_command_that_brings_an_extra(monkeypatch):
    import importlib.metadata as metadata

    real = metadata.version

    def version(name: str) -> str:
        if name == "pycocoevalcap":
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "numpy" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    checks = {check.topic: check for check in examine(Registry(), Cache())}
    assert (checks["extra train"].state, checks["extra train"].next_step) == ("missing", "pip install 'vdesc[train]'")
    assert (checks["numpy"].state, checks["numpy"].text) == ("broken", "0.1 does not fit >=1.26")


def test_the_doctor_says_that_the_cache_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    checks = {check.topic: check for check in examine(Registry(), Cache(tmp_path / "file" / "cache"))}
    assert checks["cache"].state == "broken" and "VDESC_CACHE" in checks["cache"].next_step
