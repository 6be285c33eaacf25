"""The page as a file: what it holds, that all of it is data, how large it is."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_samples import LABELS, comparison, photo
from PIL import Image
from vdesc import Box, Evidence, OutputError, Picture, Span
from vdesc_compare.comparison import Comparison
from vdesc_compare.figures import described
from vdesc_compare.page import write_page
from vdesc_compare.page.data import address, page_data
from vdesc_compare.page.page import embedded, page
from vdesc_compare.page.thumbnails import STEPS, fitting, jpeg, thumbnails

NASTY = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \" ' ` {{data}} \u2028\u2029"
NAMES = ['a "b" & c.mp4', "100 %41 #1?.mp4", "x:y;z.mp4", "<b>.mp4", "거리 \U0001f6b2.mp4", "it's.mp4", "{{title}}.mp4"]


class Parts(HTMLParser):
    """The elements of a page, and the text of its scripts, styles and title."""

    def __init__(self, html: bytes):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(html.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style", "title"):
            self.texts.append((self.tags[-1][0], data))

    def text(self, tag: str, place: int = 0) -> str:
        return [text for name, text in self.texts if name == tag and text.strip()][place]

    def data(self) -> dict:
        return json.loads(self.text("script"))


def parts(made: Comparison) -> Parts:
    return Parts(page(made, Path("out")))


def with_words(text: str) -> Comparison:
    """A comparison in which everything that can hold words holds these."""
    made = comparison(2, (text, "other"))
    scene = made.scene
    evidence = (Evidence("text", Span(0, 500), text, 0.9, text, Box(0, 0, 1, 1)),)
    columns = tuple(
        replace(
            column, error=text, options={text: text},
            candidates=tuple(replace(c, text=text, scores={text: 1.0}) for c in column.candidates),
            picks=tuple(pick and replace(pick, text=text, language=text) for pick in column.picks),
            cues=tuple(replace(cue, text=text) for cue in column.cues), scores={text: 0.5},
        )
        for column in made.columns
    )  # fmt: skip
    said = tuple(replace(reference, text=text) for reference in made.references)
    return replace(made, scene=replace(scene, evidence=evidence), columns=columns, references=said)


def test_words_from_anywhere_stay_data() -> None:
    found = parts(with_words(NASTY))
    plain = parts(comparison(2))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]
    data = found.data()
    assert data["columns"][0]["label"] == data["evidence"][0]["value"] == data["references"][0]["text"] == NASTY
    assert data["columns"][0]["cells"][0][0]["text"] == data["columns"][0]["error"] == NASTY


@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda part: st.lists(part) | st.dictionaries(st.text(), part))
)
def test_embedded_json_is_read_back_and_holds_no_markup(value: object) -> None:
    text = embedded(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


def test_numbers_that_json_lacks_become_null() -> None:
    assert (
        embedded({"a": float("nan"), "b": [float("inf"), 1 / 3], "c": True}) == '{"a":null,"b":[null,0.3333],"c":true}'
    )


def test_a_lone_surrogate_does_not_stop_the_page() -> None:
    assert parts(with_words("half \ud800 a pair")).data()["references"][0]["text"] == "half ? a pair"


@pytest.mark.parametrize("name", NAMES)
def test_file_names_are_escaped_in_title_and_address(name: str, tmp_path: Path) -> None:
    found = parts(comparison(1, path=tmp_path / name))
    assert found.text("title") == f"{name} - vdesc"
    url = found.data()["video"]["src"]
    split = urlsplit(url)
    assert not (split.scheme or split.netloc or split.query or split.fragment)
    assert unquote_to_bytes(split.path).endswith(os.fsencode(name))


def test_the_video_is_named_as_seen_from_the_page(tmp_path: Path) -> None:
    assert address(tmp_path / "a" / "v.mp4", tmp_path / "a") == "v.mp4"
    assert address(tmp_path / "a" / "v.mp4", tmp_path / "b c") == "../a/v.mp4"
    assert address(Path(os.fsdecode(b"a\xff.mp4")), Path()) == "a%FF.mp4"


def test_the_policy_lets_only_this_script_and_style_run() -> None:
    found = parts(comparison(1))
    policy = next(attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    for rule, text in (("script-src", found.text("script", 1)), ("style-src", found.text("style"))):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert "http" not in policy


def test_nothing_is_fetched_and_no_handler_is_in_the_markup() -> None:
    for tag, attrs in parts(comparison(1)).tags:
        assert not [name for name in attrs if name.startswith("on") or name == "style"], tag
        assert not [
            value for name, value in attrs.items() if name in ("src", "href") and not value.startswith(("#", "data:"))
        ]


def test_the_script_makes_no_markup_of_data() -> None:
    script = parts(comparison(1)).text("script", 1)
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "fetch("):
        assert way not in script


def test_what_a_comparison_says_is_in_the_data() -> None:
    made = comparison(6, LABELS, failed="vlm")
    data = page_data(made, Path())
    assert data["kind"] == "compare"
    assert [column["label"] for column in data["columns"]] == list(LABELS)
    assert data["columns"][3]["error"] and not any(data["columns"][3]["cells"])
    assert [cell[0]["text"] for cell in data["columns"][0]["cells"]] == [pick.text for pick in made.columns[0].picks]
    assert len(data["columns"][0]["cells"][0]) == 2
    assert len(data["slots"]) == len(data["keyframes"]) == 6
    assert data["differences"][0] == {"figure": "alignment", "first": "clipgpt", "second": "clipgpt@beam=5",
                                      "value": 0.02, "low": -0.01, "high": 0.08, "noise": True}  # fmt: skip
    assert data["choices"]["oracle"]["alignment"] == pytest.approx(0.29)
    assert data["figures"]["alignment"]["better"] == "higher"
    assert data["columns"][0]["cost"]["tokensPerSecond"] == pytest.approx(1000 * 66 / 720)


def test_a_candidate_that_says_what_the_pick_says_is_not_shown_twice() -> None:
    made = comparison(1)
    column = made.columns[0]
    said = tuple(replace(candidate, text="The same.") for candidate in column.candidates)
    made = replace(made, columns=(replace(column, candidates=said, picks=said[:1]),))
    assert [c["text"] for c in page_data(made, Path())["columns"][0]["cells"][0]] == ["The same."]


def test_boxes_of_evidence_are_those_that_were_seen_and_nonsense_is_left_out() -> None:
    made = comparison(2)
    boxes = ((1, [0.1, 0.2, 0.3, 0.4]), (9, [0, 0, 1, 1]), (0, None), (0, [0, 1, "x", 1]), (0, [0, 0, float("nan"), 1]))
    seen = [7, *({"keyframe": keyframe, "box": box} for keyframe, box in boxes)]
    found = (
        Evidence("object", Span(0, 9), "dog", 0.5, "x", None, {"seen": seen}),
        Evidence("face", Span(0, 9), "face 1", 0.5, "x", Box(0, 0, 0.5, 0.5), {"seen": "nowhere"}),
        Evidence("speech", Span(0, 9), "hello", 0.5, "x"),
    )
    data = page_data(replace(made, scene=replace(made.scene, evidence=found)), Path())["evidence"]
    assert [one["boxes"] for one in data] == [[[1, 0.1, 0.2, 0.3, 0.4]], [[None, 0, 0, 0.5, 0.5]], []]


def test_unknown_figures_keep_their_names_and_come_last() -> None:
    assert list(described(["zeal", "words", "alignment"])) == ["alignment", "words", "zeal"]
    assert described(["my_own"])["my_own"]["title"] == "My own"


@pytest.mark.parametrize("made", [comparison(0), comparison(1, LABELS[:1]), photo(Path("photo.jpg"))])
def test_nothing_one_column_and_photos_are_pages_too(made: Comparison, tmp_path: Path) -> None:
    path = write_page(made, tmp_path / "page.html")
    data = Parts(path.read_bytes()).data()
    assert len(data["slots"]) == len(made.scene.slots)
    assert data["video"]["still"] == made.scene.video.still


def test_equal_comparisons_give_equal_bytes() -> None:
    assert page(comparison(3), Path("out")) == page(comparison(3), Path("out"))


def test_an_hour_is_small_enough() -> None:
    assert len(page(comparison(600, LABELS), Path())) < 15_000_000


def test_thumbnails_share_one_size_that_stays_within_the_budget() -> None:
    frames = comparison(6).scene.keyframes
    for step in STEPS[::2]:
        each = [len(jpeg(frame, *step)) for frame in frames]
        budget = 6 * max(each)
        assert STEPS.index(fitting(frames, budget)) <= STEPS.index(step)
        made = [len(base64.b64decode(uri.partition(",")[2])) for uri in thumbnails(frames, budget)]
        assert sum(made) <= budget
    assert fitting(frames, 0) == STEPS[-1] and fitting((), 1) == STEPS[0]


def test_thumbnails_keep_the_shape_of_the_picture() -> None:
    with Image.open(io.BytesIO(jpeg(comparison(1).scene.keyframes[0], 320, 70))) as image:
        assert image.size == (320, 180)


def test_a_keyframe_that_was_lost_leaves_a_gap(tmp_path: Path) -> None:
    made = comparison(2)
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"no picture")
    lost = [Picture(tmp_path / "gone.jpg"), Picture(damaged)]
    frames = tuple(replace(frame, image=image) for frame, image in zip(made.scene.keyframes, lost, strict=True))
    assert list(thumbnails(frames)) == ["", ""]


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        write_page(comparison(1), tmp_path / "file" / "page.html")
