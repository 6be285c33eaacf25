"""Comparing captioners: one scene for all, costs of their own, figures that can be checked by hand."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import Field
from vdesc import Cache, Candidate, InputError, PluginError, SettingsError
from vdesc.document import dump
from vdesc.registry import Registry
from vdesc.settings import Settings
from vdesc.testing import FakeCaptioner, FakeKeyframer, FakeObserver, FakeRanker, module, small_video
from vdesc_compare.columns import Asked, asked
from vdesc_compare.comparing import compare
from vdesc_compare.comparison import Comparison
from vdesc_compare.figures import title
from vdesc_compare.files import to_json, write_csv, write_json
from vdesc_compare.tables import marked, tables
from vdesc_training.metrics import Figure, java

SETTINGS = Settings(
    keyframes="fake-keyframer:4",
    plugins=("fake-observer", "fake-ranker"),
    ranking={"similarity": "tokens", "weights": {"fake-ranker": 1, "confidence": 0, "novelty": 0}, "merge": 0.99},
    slots={"shortest": 0},
    candidates=2,
)


class Says(FakeCaptioner):
    """Says what it is told to of every slot; knows its size."""

    name = "says"

    class Options(FakeCaptioner.Options):
        """What to say."""

        text: str = Field("A scene.", description="What it says.")
        fail_at: int = Field(-1, description="The slot at which it fails.")

    loads = 0

    def load(self, device):
        type(self).loads += 1

    def propose(self, slots, n=1):
        for slot in slots:
            if slot.index == self.options.fail_at:
                raise RuntimeError("it was asked to fail")
            yield Candidate(slot.index, self.options.text.format(slot.index), self.name, confidence=0.5)

    def tokens(self, text):
        return len(text.split())

    def parameters(self):
        return 7


class NoLoad(Says):
    """Cannot be loaded."""

    name = "noload"

    def load(self, device):
        raise RuntimeError("no weights")


@pytest.fixture(autouse=True)
def no_java(monkeypatch) -> None:
    """Its programs take half a minute to start; tests/training has them computed. Nor is garbage collected."""
    monkeypatch.setattr(java, "version", lambda: "")
    monkeypatch.setattr("vdesc_compare.hearing.gc", SimpleNamespace(collect=lambda: None))


@pytest.fixture
def registry() -> Registry:
    made = Registry()
    made.entries = []
    made.register(module(FakeKeyframer, FakeObserver, FakeCaptioner, FakeRanker, Says, NoLoad))
    return made


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return small_video(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture
def compared(registry, clip):
    """Compares captioners on the clip."""

    def run(*texts: str, references: str = "", settings: Settings = SETTINGS) -> Comparison:
        columns, _ = asked(",".join(texts), None, registry)
        said = {clip: clip.with_suffix(".srt")} if references else {}
        if said:
            said[clip].write_text(references)
        found = compare([clip], columns, settings, said, Cache(), registry=registry)[clip]
        if isinstance(found, Exception):
            raise found
        return found

    return run


def test_names_are_parted_into_captioners_with_options_and_what_all_share(registry):
    columns, shared = asked("says, says@text='a, b'@fail=true,fake-observer,nobody,fake-ranker", None, registry)
    assert columns[0] == Asked("says", "says") and columns[-1] == Asked("nobody", "nobody")
    assert shared == ("fake-observer", "fake-ranker")
    assert columns[1].options == {"text": "a, b", "fail": True}
    columns, _ = asked("says@text=[a,b]@fail=true", None, registry)
    assert columns == [Asked("says@text=[a,b]@fail=true", "says", {"text": ["a", "b"], "fail": True})]


def test_captioners_may_stand_in_a_yaml_list(registry, tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- says@text=x\n- {plugin: says, label: other, options: {text: y}}\n")
    columns, _ = asked("fake-captioner", path, registry)
    assert columns[1:] == [Asked("says@text=x", "says", {"text": "x"}), Asked("other", "says", {"text": "y"})]


@pytest.mark.parametrize(
    ("texts", "listed", "sentence"),
    [
        ("says,says", None, "'says' is to be compared with itself"),
        ("fake-observer", None, "no captioner to compare"),
        ("says@text", None, "write option=value after the @"),
        ("says", "plugin: says", "must be a YAML list of captioners"),
        ("says", "- {plugin: says, colour: red}", "a captioner is a name or has plugin, label, options"),
        ("says", "- {plugin: says, label: x, options: [1]}", "the options of 'says' must map names to values"),
        ("says", "- [", "cannot read the captioners from"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(registry, tmp_path, texts, listed, sentence):
    path = tmp_path / "list.yaml"
    path.write_text(listed or "")
    with pytest.raises(SettingsError, match=sentence):
        asked(texts, path if listed else None, registry)


def test_all_share_one_scene_and_each_candidate_bears_its_column(compared, monkeypatch):
    looks = []
    select = FakeKeyframer.select
    monkeypatch.setattr(FakeKeyframer, "select", lambda self, video: looks.append(1) or select(self, video))
    found = compared("says@text=one", "says@text=two", "fake-captioner")
    assert looks == [1] and len(found.scene.slots) == 4 and not found.scene.candidates
    assert [column.label for column in found.columns] == ["says@text=one", "says@text=two", "fake-captioner"]
    for column in found.columns:
        assert {candidate.source for candidate in column.candidates} == {column.label}
        assert [pick.slot for pick in column.picks] == [0, 1, 2, 3]
    assert [len(column.candidates) for column in found.columns] == [4, 4, 8]
    assert [cue.text for cue in found.columns[0].cues] == ["one"], "neighbours that say the same are one subtitle"


def test_picks_are_those_with_the_highest_rank(compared):
    (column,) = compared("fake-captioner").columns
    for slot, pick in enumerate(column.picks):
        own = [candidate.scores["fake-ranker"] for candidate in column.candidates if candidate.slot == slot]
        assert pick.scores["fake-ranker"] == max(own) and len(own) == 2
    assert column.scores["fake-ranker"] == pytest.approx(sum(p.scores["fake-ranker"] for p in column.picks) / 4)


def test_figures_can_be_checked_by_hand(compared):
    same, other = compared("says@text='a red dog'", "says@text='slot {}'").columns
    assert same.scores["answered"] == 1 and same.scores["diversity"] == 0.25 and other.scores["diversity"] == 1
    assert same.slot_scores["repetition"] == (0, 1, 1, 1) and same.scores["repetition"] == 0.75
    assert same.slot_scores["words"] == (3, 3, 3, 3)
    assert same.slot_scores["reading"] == pytest.approx([len("a red dog") / 0.75] * 4, rel=0.01)


def test_agreement_and_disagreement(compared):
    found = compared("says@text='red dog'", "says@text='dog red'", "says@text='red cat'", "nobody")
    assert found.agreement[0] == pytest.approx((1, 1, 0.5, 0))
    assert found.agreement[1][0] == 1 and found.agreement[3] == (0, 0, 0, 1)
    assert found.disagreement == pytest.approx([1 - (1 + 0.5 + 0.5) / 3] * 4)


def test_costs_are_told(compared):
    (column,) = compared("says@text='a red dog'").columns
    cost = column.cost
    assert (cost.tokens, cost.parameters, cost.device) == (4 * 3, 7, "cpu")
    assert len(cost.slots) == 4 and sum(cost.slots) == pytest.approx(cost.propose) and cost.propose > 0
    assert cost.tokens_per_second == pytest.approx(12_000 / cost.propose)


def test_a_captioner_is_loaded_once_for_several_videos(registry, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(Says, "loads", 0)
    other = small_video(tmp_path / "other.mp4", seconds=2)
    found = compare([clip, other], [Asked("says", "says")], SETTINGS, {}, Cache(), registry=registry)
    assert Says.loads == 1
    assert {path: len(one.scene.slots) for path, one in found.items()} == {clip: 4, other: 4}


def test_a_video_that_cannot_be_read_stops_no_other(registry, clip, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_text("no video")
    found = compare([broken, clip], [Asked("says", "says")], SETTINGS, {}, Cache(), registry=registry)
    assert "broken.mp4" in str(found[broken]) and isinstance(found[clip], Comparison)


@pytest.mark.parametrize(
    ("text", "sentence", "picks"),
    [
        ("nobody", "there is no captioner or observer or ranker called 'nobody'", 0),
        ("says@colour=red", "says has no option 'colour'", 0),
        ("noload", "noload could not be loaded: RuntimeError: no weights", 0),
        ("says@fail_at=0", "says failed: RuntimeError: it was asked to fail", 0),
    ],
)
def test_a_captioner_that_fails_keeps_its_column_and_its_error(compared, text, sentence, picks):
    found = compared("says", text)
    assert sentence in found.columns[1].error and not found.columns[0].error
    assert sum(pick is not None for pick in found.columns[1].picks) == picks and len(found.columns[1].picks) == 4
    assert found.columns[1].scores.get("answered") == 0


def test_where_none_works_that_is_said_with_every_reason(compared):
    with pytest.raises(PluginError, match=r"no captioner.*'nobody'.*; .*no weights"):
        compared("nobody", "noload")


def test_options_for_nobody_are_a_mistake_told_before_any_work(registry, clip):
    settings = SETTINGS.model_copy(update={"options": {"sais": {"text": "x"}}})
    with pytest.raises(SettingsError, match=r"options are given for 'sais'.*did you mean 'says'"):
        compare([clip], [Asked("says", "says")], settings, {}, Cache(), registry=registry)


def test_settings_for_all_lie_under_the_options_of_a_column(compared):
    settings = SETTINGS.model_copy(update={"options": {"says": {"text": "all"}}})
    found = compared("says", "says@text=own", settings=settings)
    assert [column.picks[0].text for column in found.columns] == ["all", "own"]


SRT = "1\n00:00:00,000 --> 00:00:01,500\nred dog runs\n\n2\n00:00:01,500 --> 00:00:03,000\nblue cat sleeps\n"


def test_references_give_the_papers_figures_and_recall_among_neighbours(compared):
    good, bad, half = compared(
        "says@text='red dog runs'", "says@text='an old car'", "says@text='blue cat sleeps'", references=SRT
    ).columns
    assert good.slot_scores["rouge"] == pytest.approx((1, 1, 0, 0)) and bad.scores["rouge"] == 0
    assert good.scores["bleu1"] == pytest.approx(0.5) and good.scores["cider"] > bad.scores["cider"] == 0
    assert half.slot_scores["rouge"] == pytest.approx((0, 0, 1, 1))
    # the two slots of each reference are equally like it: the own one is first in half of the orders
    assert good.slot_scores["recall1"] == pytest.approx((0.5, 0.5, 0, 0))
    assert bad.slot_scores["recall1"] == pytest.approx((0.25,) * 4)


def test_the_program_for_meteor_is_started_once_for_all_columns(compared, monkeypatch):
    asked_for = []

    def meteor(words, language):
        asked_for.append((words, language))
        return Figure("meteor", 0.5, "", {key: float(key[0]) for key in words.said})

    monkeypatch.setattr("vdesc_compare.truth.programs.meteor", meteor)
    found = compared("says@text='red dog runs'", "nobody", "says@text=x", references=SRT)
    [(words, language)] = asked_for
    assert len(words.said) == len(words.truth) == 8 and language == "en"
    assert words.said["0/1"] == ["red", "dog", "runs"] and words.truth["2/3"] == [["blue", "cat", "sleeps"]]
    assert found.columns[0].slot_scores["meteor"] == (0, 0, 0, 0) and found.columns[2].scores["meteor"] == 2
    assert "meteor" not in found.columns[1].scores and not found.scene.findings


def test_choosing_is_held_against_chance_and_the_best_there_was(compared):
    found = compared("says@text='red dog runs'", "says@text='blue cat sleeps'", references=SRT)
    ways = {way: figures["rouge"] for way, figures in found.choices.items()}
    assert ways == pytest.approx({"random": 0.5, "first": 0.5, "ranked": 0.5, "oracle": 1.0})


def test_references_of_another_time_are_told(compared):
    late = SRT.replace("00:00:", "01:00:")
    with pytest.raises(InputError, match=r"is of another video: its 2 references lie outside of clip.mp4"):
        compared("says", references=late)


def test_a_difference_that_may_be_chance_is_called_noise(compared):
    found = compared("says@text='red dog runs'", "says@text='red dog naps'", "says@text='x'", references=SRT)
    by_name = {(d.figure, d.first[10:13], d.second[10:]): d for d in found.differences}
    words = next(d for d in found.differences if d.figure == "words" and d.second.endswith("'x'"))
    assert (words.value, words.low, words.high, words.noise) == (2, 2, 2, False)
    noisy = [d for d in found.differences if d.figure == "rouge"]
    assert any(d.noise for d in noisy) and by_name


def test_json_csv_and_tables_hold_what_was_found(compared, tmp_path):
    found = compared("says@text='=1+1'", "nobody", references=SRT)
    plain = json.loads(write_json(found, tmp_path / "c.json").read_text())
    assert plain == json.loads(json.dumps(to_json(found)))
    assert plain["scene"] == json.loads(dump(found.scene))
    assert [column["label"] for column in plain["columns"]] == ["says@text='=1+1'", "nobody"]
    text = write_csv(found, tmp_path / "c.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["slot"], row["captioner"], row["text"]) for row in rows[:2]] == [
        ("0", "says@text='=1+1'", "'=1+1"), ("0", "nobody", ""),
    ]  # fmt: skip
    assert rows[0]["end"] == "0.750" and float(rows[0]["words"]) == 2 and rows[1]["words"] == ""
    assert next(iter(tables(found))).row_count > 5


def test_a_star_marks_what_is_better_by_more_than_chance_alone(compared):
    found = compared("says@text='red dog runs'", "says@text='x'", references=SRT.replace("blue cat sleeps", "red dog"))
    assert marked(found, "rouge") == ["* 0.915", "0.000"]
    assert "*" not in "".join(marked(found, "words")), "more words are not better"
    noise = [replace(d, low=-1.0) for d in found.differences]
    assert "*" not in "".join(marked(replace(found, differences=tuple(noise)), "rouge"))
    assert title("cider") == "CIDEr-D" and title("of_a_stranger") == "Of a stranger"


def test_no_slots_and_one_captioner_are_no_trouble(compared):
    found = compared("says")
    empty = replace(found, scene=replace(found.scene, slots=()), columns=tuple(
        replace(c, picks=(), candidates=(), scores={}, slot_scores={}) for c in found.columns
    ), differences=(), choices={})  # fmt: skip
    assert next(iter(tables(empty))).row_count
    assert json.dumps(to_json(empty))
