"""References of a video: every form that people have them in, and what is wrong with those that cannot be read."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from vdesc import InputError, Slot, Span, Video
from vdesc_compare.comparison import Reference
from vdesc_compare.references import of_slots, references

VIDEO = Video(Path("clip.mp4"), "0" * 64, Span(0, 10_000), Fraction(25), 64, 48)
TWO = [Reference(Span(0, 1500), "a red dog"), Reference(Span(61_000, 62_000), "late")]
OWN = {"schema_version": "1.0", "cues": [{"span": {"start": 0, "end": 1500}, "text": "a red dog"}]}
COCO = {"annotations": [{"start": 0, "end": 1.5, "caption": "a red dog"}]}
ACTIVITYNET = {"clip": {"duration": 10, "timestamps": [[0, 1.5]], "sentences": ["a red dog"]}, "other": {}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("r.srt", "1\n00:00:00,000 --> 00:00:01,500\n<i>a red</i>\ndog\n"),
        ("r.vtt", "WEBVTT\n\n00:00.000 --> 00:01.500\n<v Anna>a red &#100;og\n"),
        ("r.csv", "start,end,text\n0,1.5,a red dog\n"),
        ("r.csv", "\ufeffText;Start;End\n a  red dog ;0:00;00:00:01.5\n"),
        ("r.json", json.dumps([{"start": 0, "end": 1.5, "text": "a red dog"}])),
        ("r.json", json.dumps({"segments": [{"start": "0", "end": "1.5", "caption": "a red dog"}]})),
        ("r.json", json.dumps(OWN)),
        ("r.json", json.dumps(COCO)),
        ("r.json", json.dumps(ACTIVITYNET)),
    ],
)
def test_every_form_gives_times_and_texts(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert references(path, VIDEO) == (TWO[0],)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("r.srt", "1\n00:00:00,000 --> 00:00:01,500\na\n\n2\n00:00:0x --> 1\nb\n", r"line 6 of .*r\.srt"),
        ("r.csv", "begin,text\n0,a\n", r"line 1 of .*r\.csv must name the columns start, end and text"),
        ("r.csv", "start,end,text\n0,1,a\n5,4,b\n", r"line 3 of .*r\.csv has no start and end in seconds"),
        ("r.csv", "start,end,text\nsoon,1,a\n", r"line 2 of .*r\.csv has no start and end"),
        ("r.json", "[\n{]", r"line 2 of .*r\.json is no JSON"),
        ("r.json", '{"a": 1}', r"r\.json holds no references"),
        ("r.json", "[1]", r"r\.json has an entry without start, end and text"),
        ("r.json", '[{"text": "a"}]', r"entry 1 of .*r\.json has no start and end"),
        ("r.json", json.dumps([{"start": 20, "end": 30, "text": "a"}]), "is of another video: its 1 references lie"),
        ("r.json", "[]", "is of another video: it says nothing"),
        ("r.csv", None, r"cannot read .*r\.csv"),
        ("r.json", None, r"cannot read .*r\.json"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(tmp_path, name, text, sentence):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        references(path, VIDEO)


def test_a_reference_belongs_where_half_of_the_shorter_is_shared():
    slots = [Slot(0, Span(0, 1000), ()), Slot(1, Span(1000, 5000), ()), Slot(2, Span(5000, 6000), ())]
    said = [
        Reference(Span(0, 10_000), "all"),
        Reference(Span(400, 1600), "between"),
        Reference(Span(5600, 9000), "mostly after"),
        Reference(Span(6000, 7000), "after"),
    ]
    assert of_slots(slots, said) == {0: ["all", "between"], 1: ["all", "between"], 2: ["all"]}
    assert of_slots(slots[:1], said, still=True) == {0: [one.text for one in said]}
    assert of_slots(slots[:1], said[3:]) == {}
