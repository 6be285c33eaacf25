"""The files of VideoDescription: into a description and back, with every field that they hold."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vdesc import Evidence, InputError, OutputError, Picture, Span
from vdesc.document import dump, load
from vdesc.media import probe, save_picture
from vdesc.registry import create
from vdesc.testing import assert_contract, description, picture, small_video
from vdesc_videodescription import VideoDescription
from vdesc_videodescription.times import span, stamp

FILES = (
    "deepface_ocr.json", "yolo_results.json", "final_input.json", "caption_candidates.json", "video_script_large.json",
    "final_caption.json",
)  # fmt: skip
CONVERTER = create(VideoDescription)

Files = dict[str, list[dict[str, Any]]]


def put(folder: Path, files: Files) -> Path:
    """A folder as the program leaves it."""
    for name, rows in files.items():
        path = (
            folder / "keyframes_pyscenedetect" / "drama" / name if name == "keyframes_timestamp.json" else folder / name
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return folder


def got(folder: Path) -> Files:
    """All files of a folder that was written."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.rglob("*.json")}


def there_and_back(files: Files, tmp_path: Path) -> Files:
    document, out = tmp_path / "document.json", tmp_path / "out"
    CONVERTER.convert(put(tmp_path / "in", files), document)
    CONVERTER.convert(document, out)
    return got(out)


def some(**changed: Any) -> Files:
    """The files of a drama of two scenes, in which one line is spoken and one caption was dropped as a duplicate."""
    times = ["00:00:00,000 --> 00:00:04,204", "00:00:04,204 --> 01:02:03,004"]
    base = [
        {"image": "frame_0000.png", "timestamp": times[0], "deepface": "happy", "ocr": ["출구", "EXIT", "EXIT"]},
        {"image": "frame_0001.png", "timestamp": times[1], "deepface": "", "ocr": []},
    ]
    yolo = [{"yolo": [{"class": "car"}, {"class": "person"}]}, {"yolo": []}]
    dialogue = [{"dialogue": ["안녕하세요", "네"]}, {"dialogue": ["네"]}]
    captions = [{"captions": ["남자가 걷는다", "한 남자", "거리"]}, {"captions": ["남자가 걷는다.", "밤", "문"]}]
    merged = [a | b | c for a, b, c in zip(base, yolo, dialogue, strict=True)]
    return {
        "keyframes_timestamp.json": [
            {"frame_file": row["image"], "timestamp": row["timestamp"]} for row in base
        ],
        "deepface_ocr.json": base,
        "yolo_results.json": [a | b for a, b in zip(base, yolo, strict=True)],
        "final_input.json": merged,
        "caption_candidates.json": [a | b for a, b in zip(merged, captions, strict=True)],
        "video_script_large.json": [
            {"timestamp": "00:00:01,000 --> 00:00:02,000", "dialogue": "안녕하세요"},
            {"timestamp": "00:00:04,000 --> 00:00:05,000", "dialogue": "네"},
        ],
        "final_caption.json": [{"image": "frame_0000.png", "timestamp": times[0], "caption": "한 남자"}],
        **changed,
    }  # fmt: skip


def like_label(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as they are written: each thing under both of its names, dialogue as a list."""
    rows = [dict(row) for row in rows]
    for row in rows:
        if "yolo" in row:
            names = [thing.get("class", thing.get("label")) for thing in row["yolo"]]
            row["yolo"] = [{"class": name, "label": name} for name in names]
        if "image" in row and isinstance(row.get("dialogue"), str):
            row["dialogue"] = [row["dialogue"]] if row["dialogue"] else []
    return rows


def test_a_whole_folder_comes_back_as_it_was(tmp_path: Path):
    back = there_and_back(some(), tmp_path)
    spoken = back.pop("captions_dialogue.json")
    assert back == {name: like_label(rows) for name, rows in some().items()}
    assert spoken == [{"timestamp": "00:00:00,000 --> 00:00:04,204", "caption": "한 남자", "dialogue": "안녕하세요"}]
    assert (tmp_path / "out/keyframes_pyscenedetect/drama/keyframes_timestamp.json").is_file()


def test_what_the_description_says(tmp_path: Path):
    out = tmp_path / "document.json"
    assert CONVERTER.convert(put(tmp_path / "in", some()), out) == [f"wrote 2 scenes and 1 captions to {out}"]
    made = load(out.read_bytes())
    assert made.video.path.name == "drama.mp4" and made.video.digest == "" and made.video.fps is None
    assert made.video.span == Span(0, 3_723_004)
    assert [(k.at, k.shot.span.end, k.image.path.name) for k in made.keyframes] == [
        (0, 4204, "frame_0000.png"), (4204, 3_723_004, "frame_0001.png"),
    ]  # fmt: skip
    seen = [(e.kind, e.value, e.confidence, e.span.start) for e in made.evidence]
    assert seen == [
        ("text", "출구", 0.3, 0), ("text", "EXIT", 0.3, 0), ("text", "EXIT", 0.3, 0), ("object", "car", 0.9, 0),
        ("object", "person", 0.9, 0), ("expression", "happy", 0.5, 0), ("speech", "안녕하세요", 0.5, 1000),
        ("speech", "네", 0.5, 4000),
    ]  # fmt: skip
    assert [c.text for c in made.candidates] == ["남자가 걷는다", "한 남자", "거리", "남자가 걷는다.", "밤", "문"]
    (cue,) = made.cues
    assert (cue.text, cue.slots, cue.language, cue.chosen) == ("한 남자", (0,), "ko", made.candidates[1])
    assert [c.text for c in cue.runners_up] == ["남자가 걷는다", "거리"]
    assert "confidences are the least" in made.findings[0].message


def test_the_video_tells_what_the_files_do_not(tmp_path: Path):
    clip, out = small_video(tmp_path / "clip.mp4"), tmp_path / "document.json"
    create(VideoDescription, video=clip, language="en").convert(put(tmp_path / "in", some()), out)
    made = load(out.read_bytes())
    assert replace(made.video, path=clip) == probe(clip)
    assert {cue.language for cue in made.cues} == {"en"}


@pytest.mark.parametrize("name", FILES)
def test_each_file_alone_comes_back(name: str, tmp_path: Path):
    (tmp_path / "in").mkdir()
    source, document = tmp_path / "in" / name, tmp_path / "document.json"
    source.write_text(json.dumps(some()[name]))
    CONVERTER.convert(source, document)
    CONVERTER.convert(document, tmp_path / "out")
    assert got(tmp_path / "out")[name] == like_label(some()[name])


@pytest.mark.parametrize(
    "thing", [{"label": "dog"}, {"class": "dog"}, {"class": "dog", "label": "dog"}, {"class": "dog", "x": 1}]
)
def test_a_thing_may_be_a_class_or_a_label(thing: dict[str, Any], tmp_path: Path):
    rows = [{"image": "frame_0000.png", "timestamp": "00:00:00,000 --> 00:00:01,000", "yolo": [thing]}]
    back = there_and_back({"yolo_results.json": rows}, tmp_path)
    assert back["yolo_results.json"][0]["yolo"] == [{"class": "dog", "label": "dog"}]
    assert back["final_input.json"][0]["yolo"] == [{"class": "dog", "label": "dog"}]


@pytest.mark.parametrize(
    ("dialogue", "held"), [("네", ["네"]), (["네", "아니"], ["네", "아니"]), ("", []), ([], []), (None, [])]
)
def test_dialogue_may_be_a_text_or_a_list(dialogue: Any, held: list[str], tmp_path: Path):
    rows = [{"image": "frame_0000.png", "timestamp": "00:00:00,000 --> 00:00:01,000", "dialogue": dialogue}]
    assert there_and_back({"final_input.json": rows}, tmp_path)["final_input.json"][0]["dialogue"] == held


def test_dialogue_that_the_script_does_not_hold_stays_with_its_scene(tmp_path: Path):
    files = some()
    files["final_input.json"][0]["dialogue"] = ["고친 말"]
    del files["caption_candidates.json"]
    back = there_and_back(files, tmp_path)
    assert back["final_input.json"][0]["dialogue"] == ["고친 말"]
    assert back["video_script_large.json"] == files["video_script_large.json"]


def test_files_that_disagree_are_told_and_the_later_one_is_taken(tmp_path: Path):
    files = some()
    files["final_input.json"] = [row | {"ocr": ["다른"], "dialogue": []} for row in files["final_input.json"]]
    del files["caption_candidates.json"]
    lines = CONVERTER.convert(put(tmp_path / "in", files), tmp_path / "document.json")
    assert lines[:2] == [
        "final_input.json tells another ocr than the files before it of 2 scenes: it is taken",
        "video_script_large.json has words for 2 scenes without dialogue: they stay",
    ]
    texts = [e.value for e in load((tmp_path / "document.json").read_bytes()).evidence if e.kind == "text"]
    assert texts == ["다른", "다른"]


def test_a_chosen_caption_that_is_no_candidate_is_kept(tmp_path: Path):
    files = some()
    files["final_caption.json"][0]["caption"] = "손으로 쓴 문장"
    back = there_and_back(files, tmp_path)
    assert back["final_caption.json"] == files["final_caption.json"]
    assert back["caption_candidates.json"] == like_label(files["caption_candidates.json"])


def test_a_chosen_caption_is_the_candidate_without_its_spaces(tmp_path: Path):
    files = some()
    files["caption_candidates.json"][0]["captions"][2] = " 한 남자 \n"
    files["caption_candidates.json"][0]["captions"][1] = "다른"
    CONVERTER.convert(put(tmp_path / "in", files), tmp_path / "d.json")
    (cue,) = load((tmp_path / "d.json").read_bytes()).cues
    assert (cue.text, cue.chosen.text, len(cue.runners_up)) == ("한 남자", " 한 남자 \n", 2)


def test_scenes_of_the_same_time_keep_what_is_theirs(tmp_path: Path):
    time = "00:00:00,000 --> 00:00:01,000"  # what the program writes where it knows none
    rows = [{"image": f"frame_000{i}.png", "timestamp": time, "deepface": "sad", "ocr": [f"{i}"]} for i in range(2)]
    assert there_and_back({"deepface_ocr.json": rows}, tmp_path)["deepface_ocr.json"] == rows


def test_a_time_may_stand_in_another_file(tmp_path: Path):
    files = {name: some()[name] for name in ("keyframes_timestamp.json", "final_caption.json")}
    files["final_caption.json"][0]["timestamp"] = ""
    back = there_and_back(files, tmp_path)
    assert back["final_caption.json"][0]["timestamp"] == "00:00:00,000 --> 00:00:04,204"


def test_pictures_come_along(tmp_path: Path):
    folder = put(tmp_path / "in", some())
    frames = folder / "keyframes_pyscenedetect/drama"
    save_picture(picture(1), tmp_path / "a.jpg")
    from PIL import Image

    Image.open(tmp_path / "a.jpg").save(frames / "frame_0000.png")
    document = folder / "document.json"
    CONVERTER.convert(folder, document)
    lines = CONVERTER.convert(document, tmp_path / "out")
    copied = tmp_path / "out/keyframes_pyscenedetect/drama"
    assert (copied / "frame_0000.png").read_bytes() == (frames / "frame_0000.png").read_bytes()
    assert "1 pictures cannot be read where the document says" in lines[0]


def test_a_description_of_ours_becomes_files(tmp_path: Path):
    made = description(2)
    stored = [replace(k, image=save_picture(k.image, tmp_path / f"{k.index:06}.jpg")) for k in made.keyframes]
    whole = Span(0, 1500)
    more = (
        Evidence("object", whole, "dog", 0.9, "yolox", None, {"count": 2}),
        Evidence("object", whole, "dog", 0.4, "yolo"),
        Evidence("expression", whole, "sad", 0.4, "faces"),
        Evidence("expression", whole, "happy", 0.8, "faces"),
        Evidence("speech", Span(900, 1000), "네", 0.8, "whisper"),
        Evidence("speech", Span(990, 1100), "아니", 0.8, "whisper"),
    )
    made = replace(made, keyframes=tuple(stored), evidence=(*made.evidence, *more))
    made = replace(made, slots=tuple(replace(s, keyframes=(stored[s.index],)) for s in made.slots))
    document = tmp_path / "fake.json"
    document.write_bytes(dump(made, tmp_path))
    CONVERTER.convert(document, tmp_path / "out")
    back = got(tmp_path / "out")
    assert back["caption_candidates.json"][0] == {
        "image": "frame_0000.png", "timestamp": "00:00:00,000 --> 00:00:01,000", "ocr": ["word 0"],
        "captions": ["Scene 0 said in way 0.", "Scene 0 said in way 1."], "deepface": "happy",
        "yolo": [{"class": "dog", "label": "dog"}], "dialogue": ["네", "아니"],
    }  # fmt: skip
    assert [row["dialogue"] for row in back["final_input.json"]] == [["네", "아니"], ["아니"]]
    assert [row["dialogue"] for row in back["captions_dialogue.json"]] == ["네", ""]
    assert [row["caption"] for row in back["final_caption.json"]] == [cue.text for cue in made.cues]
    (tmp_path / "000000.jpg").write_bytes(b"no picture")
    assert "1 pictures cannot be read" in CONVERTER.convert(document, tmp_path / "again")[0]
    frame = tmp_path / "out/keyframes_pyscenedetect/fake/frame_0001.png"
    assert frame.read_bytes()[1:4] == b"PNG"
    assert Picture(frame).pixels().shape == (48, 64, 3)


YOLO, SPEECH, FINAL = "yolo_results.json", "video_script_large.json", "final_caption.json"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (YOLO, "[{", "Invalid JSON: .* line 1"),
        (YOLO, "{}", "valid array"),
        (YOLO, "[3]", "at entry 1: Input should be"),
        (YOLO, '[{"image": "a"}, {"timestamp": "x"}]', "at entry 2, image: Field required"),
        (YOLO, '[{"image": "a", "yolo": [{"klass": "dog"}]}]', r"at entry 1, yolo\.0\.class: Field required"),
        (YOLO, '[{"image": "a", "ocr": [1]}]', r"at entry 1, ocr\.0: Input should be a valid string"),
        (YOLO, '[{"image": "a", "ocr": 1}]', "at entry 1, ocr: Input should be a valid"),
        (
            FINAL,
            '[{"image": "a", "timestamp": "00:61:00,000 --> x"}]',
            "at entry 1, timestamp: '00:61.* is no timestamp",
        ),
        (SPEECH, '[{"timestamp": "00:00:02,000 --> 00:00:01,000", "dialogue": ""}]', "ends before it starts"),
        (SPEECH, '[{"timestamp": "", "dialogue": ""}]', "timestamp: '' is no timestamp"),
        (SPEECH, '[{"timestamp": 3, "dialogue": ""}]', "timestamp: 3 is no timestamp"),
        (FINAL, '[{"image": "a", "caption": "x"}]', "no timestamp of a is there: put keyframes_timestamp.json"),
        ("keyframes_timestamp.json", '[{"frame_file": "", "timestamp": ""}]', "at entry 1, frame_file"),
        (FINAL, '["\\ud83d"]', "Invalid JSON"),
        (FINAL, "\x00\xff", "Invalid JSON"),
    ],
)
def test_a_broken_file_is_a_sentence_that_names_the_place(name: str, text: str, said: str, tmp_path: Path):
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=said) as error:
        CONVERTER.convert(tmp_path / name, tmp_path / "out.json")
    assert name in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out.json").exists()


def test_keyframes_of_several_videos_are_not_mixed(tmp_path: Path):
    for name in ("one", "two"):
        folder = tmp_path / "keyframes_pyscenedetect" / name
        folder.mkdir(parents=True)
        (folder / "keyframes_timestamp.json").write_text("[]")
    with pytest.raises(InputError, match=r"keyframes of several videos \(one, two\)"):
        CONVERTER.convert(tmp_path, tmp_path / "out.json")


def test_what_it_reads(tmp_path: Path):
    assert CONVERTER.reads(put(tmp_path / "in", some()))
    assert CONVERTER.reads(tmp_path / "in" / "final_input.json")
    assert CONVERTER.reads(put(tmp_path / "frames", {"keyframes_timestamp.json": []}))
    document = tmp_path / "d.json"
    document.write_bytes(dump(description(1)))
    assert CONVERTER.reads(document)
    (tmp_path / "other.json").write_text("[]")
    (tmp_path / "film.mp4").write_bytes(b"\x00" * 99)
    (tmp_path / "empty").mkdir()
    for other in ("other.json", "film.mp4", "empty", "absent"):
        assert not CONVERTER.reads(tmp_path / other)
        with pytest.raises(InputError, match=f"{other} holds no file of VideoDescription"):
            CONVERTER.convert(tmp_path / other, tmp_path / "out.json")


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        CONVERTER.convert(put(tmp_path / "in", some()), tmp_path / "file" / "out.json")


def test_nothing_gives_nothing(tmp_path: Path):
    back = there_and_back({"keyframes_timestamp.json": []}, tmp_path)
    assert set(map(tuple, back.values())) == {()} and len(back) == 8


def test_a_document_cannot_lead_out_of_the_folder(tmp_path: Path):
    made = description(1)
    evil = dump(made).replace(b"fake.mp4", b"../...mp4").replace(b"painted-0.png", b"../../frame_0000.png/../x")
    (tmp_path / "d.json").write_bytes(evil)
    CONVERTER.convert(tmp_path / "d.json", tmp_path / "deep/out")
    assert {path.name for path in tmp_path.iterdir()} == {"d.json", "deep"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"out"}


def test_it_keeps_the_contract():
    assert_contract(VideoDescription)


@given(st.integers(0, 400 * 3_600_000), st.integers(0, 10**7))
def test_timestamps_are_exact_both_ways(start: int, length: int):
    time = Span(start, start + length)
    assert span(stamp(time)) == time
    assert stamp(span(stamp(time))) == stamp(time)


@pytest.mark.parametrize(
    "text",
    [
        "00:00:01,5 --> 00:00:02,000",
        "1 --> 2",
        "",
        "00:00:60,000 --> 00:01:00,000",
        "\u0660\u0660:00:00,000 --> 00:00:00,001",
    ],
)
def test_other_timestamps_are_refused(text: str):
    with pytest.raises(ValueError, match="is no timestamp"):
        span(text)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)


LINES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5), TEXT), max_size=4).map(sorted)
BASE = ["image", "timestamp", "deepface", "ocr"]
FIELDS = {
    "deepface_ocr.json": BASE,
    "yolo_results.json": [*BASE, "yolo"],
    "final_input.json": [*BASE, "yolo", "dialogue"],
    "caption_candidates.json": [*BASE, "yolo", "dialogue", "captions"],
}


@st.composite
def scenes(draw: st.DrawFn, script: list[tuple[int, int, str]]) -> list[dict[str, Any]]:
    """All that is told of scenes that follow each other."""
    ends = sorted(draw(st.sets(st.integers(1, 10**6), min_size=1, max_size=4)))
    things = st.sets(TEXT, max_size=3)
    return [
        {
            "image": f"frame_{i:04}.png",
            "timestamp": stamp(Span(start, end)),
            "deepface": draw(st.sampled_from(["", "happy", "fear"])),
            "ocr": draw(st.lists(TEXT, max_size=3)),
            "yolo": [{draw(st.sampled_from(["class", "label"])): thing} for thing in draw(things)],
            "dialogue": [text for at, length, text in script if max(at, start) < min(at + length, end)],
            "captions": draw(st.lists(TEXT, max_size=3)),
        }
        for i, (start, end) in enumerate(zip([0, *ends], ends, strict=False))
    ]


@st.composite
def works(draw: st.DrawFn) -> Files:
    """Files as the program makes them one from the other, and of these any that are left."""
    script = draw(LINES)
    rows = draw(scenes(script))
    chosen = [row for row in rows if row["captions"] and draw(st.booleans())]
    files: Files = {name: [{key: row[key] for key in keys} for row in rows] for name, keys in FIELDS.items()}
    files["keyframes_timestamp.json"] = [{"frame_file": row["image"], "timestamp": row["timestamp"]} for row in rows]
    files["video_script_large.json"] = [
        {"timestamp": stamp(Span(at, at + length)), "dialogue": text} for at, length, text in script
    ]
    files["final_caption.json"] = [
        {"image": row["image"], "timestamp": row["timestamp"], "caption": row["captions"][-1].strip()} for row in chosen
    ]
    left = draw(st.sets(st.sampled_from(sorted(files)), min_size=1))
    return {name: rows for name, rows in files.items() if name in left}


@settings(max_examples=40)
@given(works())
def test_every_field_of_every_file_comes_back(tmp_path_factory: pytest.TempPathFactory, files: Files):
    back = there_and_back(files, tmp_path_factory.mktemp("work"))
    for name, rows in files.items():
        assert back[name] == like_label(rows), name
