"""The published JSON of a description, and nouns as JSON values."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vdesc import document
from vdesc.data import (
    AudioTrack,
    Box,
    Candidate,
    Context,
    Cue,
    Description,
    Evidence,
    Finding,
    Keyframe,
    Picture,
    Shot,
    Slot,
    Span,
    Video,
)
from vdesc.errors import InputError

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "description-1.0.json"

whole = st.integers(0, 10**7)
share = st.floats(0, 1)
words = st.text(st.characters(codec="utf-8"), max_size=12)
spans = st.tuples(whole, whole).map(lambda pair: Span(*sorted(pair)))
details = st.dictionaries(words, st.none() | st.booleans() | whole | words | st.lists(whole, max_size=2), max_size=2)
boxes = st.builds(Box, share, share, share, share)
observed = st.builds(Evidence, words, spans, words, share, words, st.none() | boxes, details)
proposed = st.builds(
    Candidate, whole, words, words, words, st.none() | share, st.dictionaries(words, share, max_size=2),
    st.lists(observed, max_size=2).map(tuple),
)  # fmt: skip
names = st.text("abé 가'\"#%", min_size=1, max_size=8)


def tuples(strategy, least: int = 0):
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


@st.composite
def described(draw) -> Description:
    shots = tuple(Shot(i, draw(spans)) for i in range(draw(st.integers(1, 3))))
    keyframes = tuple(
        Keyframe(
            i, draw(whole), draw(st.sampled_from(shots)), Picture(Path(draw(names) + ".jpg")), draw(share), draw(whole)
        )
        for i in range(draw(st.integers(1, 3)))
    )
    evidence, sought = draw(tuples(observed)), draw(tuples(words))
    context = Context(evidence, sought)
    slots = tuple(
        Slot(
            i,
            span,
            draw(tuples(st.sampled_from(keyframes))),
            context.during(span),
            draw(st.none() | whole),
        )
        for i, span in enumerate(draw(tuples(spans)))
    )
    cues = st.builds(
        Cue,
        whole,
        spans,
        words,
        proposed,
        tuples(whole),
        tuples(proposed),
        words,
        st.sampled_from(["caption", "speech"]),
    )
    video = Video(
        Path(draw(names) + ".mp4"), "ab" * 32, draw(spans), draw(st.none() | st.fractions(1, 240)), 16, 9,
        audio=(AudioTrack(1, "aac", 2, 48000, "ko"),),
    )  # fmt: skip
    return Description(
        video=video, shots=shots, keyframes=keyframes, evidence=evidence, sought=sought, slots=slots,
        candidates=draw(tuples(proposed)), cues=draw(tuples(cues)),
        findings=(Finding("test", draw(words)),), settings=draw(details),
        made_by=draw(st.dictionaries(words, words, max_size=2)), timings={"look": draw(whole)},
    )  # fmt: skip


def small(**changes) -> Description:
    shot = Shot(0, Span(0, 4000))
    keyframe = Keyframe(0, 2002, shot, Picture(Path("/cache/frames/000000.jpg")), 0.5, 60)
    candidate = Candidate(0, "A dog runs.", "clipgpt", confidence=0.5, scores={"total": 0.5, "confidence": 0.5})
    values = {
        "video": Video(Path("/home/someone/films/dog.mp4"), "ab" * 32, Span(0, 4000), Fraction(30000, 1001), 640, 360),
        "shots": (shot,), "keyframes": (keyframe,), "evidence": (), "slots": (Slot(0, Span(0, 4000), (keyframe,)),),
        "candidates": (candidate,), "cues": (Cue(1, Span(0, 4000), "A dog runs.", candidate, (0,)),),
        "timings": {"look": 12},
    }  # fmt: skip
    return Description(**values | changes)


def test_what_is_published() -> None:
    value = json.loads(document.dump(small()))
    assert list(value)[:2] == ["schema_version", "video"] and "timings" not in value
    assert value["video"]["path"] == "dog.mp4" and value["video"]["fps"] == "30000/1001"
    assert value["keyframes"] == [
        {"index": 0, "at": 2002, "shot": 0, "image": "000000.jpg", "sharpness": 0.5, "frame": 60}
    ]
    assert value["slots"] == [{"index": 0, "span": {"start": 0, "end": 4000}, "keyframes": [0], "budget": None}]
    assert value["cues"][0]["chosen"]["scores"] == {"confidence": 0.5, "total": 0.5}


@given(described())
def test_load_gives_back_what_was_dumped(description: Description) -> None:
    data = document.dump(description)
    assert document.load(data) == replace(description, timings={})
    assert document.dump(document.load(data)) == data


@given(described())
def test_dumps_fit_the_schema(description: Description) -> None:
    jsonschema.Draft202012Validator(document.schema()).validate(json.loads(document.dump(description)))


def test_the_committed_schema_is_current() -> None:
    """After a change: `python -m vdesc.document > docs/schema/description-1.0.json`."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == document.schema()
    jsonschema.Draft202012Validator.check_schema(document.schema())


@pytest.mark.parametrize("wrong", [{"cues": [{"id": 1}]}, {"video": None}, {"schema_version": "9"}, {"shots": 3}])
def test_the_schema_refuses_what_is_wrong(wrong: dict) -> None:
    value = json.loads(document.dump(small())) | wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(document.schema()).validate(value)


def test_equal_descriptions_give_equal_bytes() -> None:
    one = small(settings={"a": 1, "b": {"x": 1, "y": 2}}, made_by={"p": "1", "q": "2"}, timings={"look": 1})
    other = small(settings={"b": {"y": 2, "x": 1}, "a": 1}, made_by={"q": "2", "p": "1"}, timings={"look": 99})
    assert document.dump(one) == document.dump(other)


def test_no_home_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("USERPROFILE", "/home/someone")
    told = small(
        settings={"options": {"clipgpt": {"model": "/home/someone/models/mini"}}, "other": "/home/someoneelse/x"},
        findings=(Finding("ocr", "cannot read /home/someone/models/mini/config.json"),),
    )
    value = json.loads(document.dump(told))
    assert value["settings"] == {"options": {"clipgpt": {"model": "~/models/mini"}}, "other": "/home/someoneelse/x"}
    assert value["findings"][0]["message"] == "cannot read ~/models/mini/config.json"


def test_a_root_that_is_home_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert json.loads(document.dump(small(settings={"url": "http://x/y"})))["settings"] == {"url": "http://x/y"}


def test_pictures_are_relative_to_the_document(tmp_path: Path) -> None:
    (keyframe,) = small().keyframes
    kept = replace(keyframe, image=Picture(tmp_path / "dog.frames" / "0001.jpg"))
    description = small(keyframes=(kept,), slots=())
    data = document.dump(description, tmp_path)
    assert json.loads(data)["keyframes"][0]["image"] == "dog.frames/0001.jpg"
    assert document.load(data, tmp_path).keyframes == (kept,)


def test_slots_find_their_evidence_again() -> None:
    seen, later = (Evidence("text", Span(at, at + 10), "exit", 0.9, "ocr") for at in (100, 9000))
    loaded = document.load(document.dump(small(evidence=(seen, later))))
    assert loaded.slots[0].context == Context((seen,))


def test_a_name_that_is_no_unicode_is_still_written() -> None:
    video = replace(small().video, path=Path("caf\udce9.mp4"))
    assert json.loads(document.dump(small(video=video)))["video"]["path"] == "caf?.mp4"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": "2.0"}, "has schema version '2.0', this vdesc reads '1.0'"),
        ({"schema_version": None}, "has schema version None"),
        ({"video": {"path": "x"}}, "video.digest"),
        ({"shots": [{"index": 0, "span": {"start": 5, "end": 1}}]}, "shots.0.span"),
        ({"keyframes": [{"index": 0, "at": 0, "shot": 7, "image": "", "sharpness": 0, "frame": None}]}, "7"),
        ({"cues": [{"id": "one"}]}, "cues.0"),
    ],
)
def test_what_does_not_fit_is_named(change: dict, said: str) -> None:
    data = json.dumps(json.loads(document.dump(small())) | change).encode()
    with pytest.raises(InputError, match=r"dog\.json") as raised:
        document.load(data, source="dog.json")
    assert said in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", b"{", b"[]", b"3"])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"dog\.json"):
        document.load(data, source="dog.json")


@given(described(), tuples(proposed))
def test_nouns_survive_as_json_values(description: Description, candidates: tuple[Candidate, ...]) -> None:
    def through(kind, value):
        return document.decode(kind, json.loads(json.dumps(document.encode(kind, value))))

    assert through(tuple[Candidate, ...], candidates) == candidates
    assert through(tuple[Keyframe, ...], description.keyframes) == description.keyframes
    assert through(tuple[Slot, ...], description.slots) == description.slots
    assert through(tuple[Cue, ...], description.cues) == description.cues
    assert through(Video, description.video) == description.video
    assert through(Description, description) == description


def test_target_follows_the_stem() -> None:
    assert document.target(small(), Path("out"), "_caption.srt") == Path("out/dog_caption.srt")
    dotted = small(video=replace(small().video, path=Path("a.b.mp4")))
    assert document.target(dotted, Path("out"), ".srt") == Path("out/a.b.srt")
