"""The page: whole in one file, nothing of the data is read as HTML, and the drawings say what the numbers say."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from vdesc_training.cases import Case
from vdesc_training.evaluation import Evaluation
from vdesc_training.metrics import Figure
from vdesc_training.page import BINS, histogram, number, page
from vdesc_training.pictures import thumbnail
from vdesc_training.scores import write_predictions, write_scores

EVIL = '<script>alert("x")</script>&amp;'
VOID = {"meta", "img", "rect", "line", "br"}


class Reader(HTMLParser):
    """The tags, attributes and texts of a page; tags must close in order."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.new("RGBA", (450, 300), (30, 160, 40, 255)).save(path)
    return path


def evaluation(photo: Path, n: int = 40) -> Evaluation:
    """Item i has a CIDEr-D of i / 10; the first has text that would be HTML wherever there can be text."""
    cases = [
        Case(f"item{i}", f"caption {i}", (f"caption {i}", f"other {i}"), (f"reference {i}",), (photo,))
        for i in range(n)
    ]
    cases[0] = Case(EVIL, EVIL, (EVIL, EVIL + "2"), (EVIL,), (photo,))
    cider = Figure("cider", 1.95, EVIL, {case.id: i / 10 for i, case in enumerate(cases)})
    length = Figure("length", 5.0, "how", {case.id: 5 for case in cases})
    figures = [cider, length, Figure("meteor", None, "needs Java"), Figure(EVIL, 0.3, "a ranker", {EVIL: 0.3})]
    return Evaluation(cases, figures, {"first": [cider], "oracle": [cider]}, {EVIL: EVIL}, {"title": EVIL, "x": EVIL})


def test_text_from_data_stays_text(photo: Path):
    html = page(evaluation(photo))
    read = Reader(html)
    assert not [tag for tag, _ in read.tags if tag == "script"]
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    for place in ("h1", "title"):
        assert re.search(f"<{place}>&lt;script&gt;alert\\(&quot;x&quot;\\)&lt;/script&gt;&amp;amp;</{place}>", html)
    assert sum(EVIL in text for text in read.texts) >= 8


def test_the_page_needs_nothing_beside_it(photo: Path):
    read = Reader(page(evaluation(photo)))
    for tag, attributes in read.tags:
        assert tag not in ("link", "iframe", "object", "base"), tag
        for name in ("src", "href", "srcset", "data"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    style = page(evaluation(photo)).split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style


def test_best_worst_and_random_examples_are_shown_with_photo_and_references(photo: Path):
    html = page(evaluation(photo))
    sections = dict(re.findall(r"<section>\n<h2>(.*?)</h2>\n(.*?)\n</section>", html, re.S))
    shown = {name: re.findall(r'class="said">caption (\d+)<', sections[name]) for name in ("Best", "Worst", "Random")}
    assert shown["Best"] == [str(i) for i in range(39, 27, -1)]
    assert shown["Worst"] == [str(i) for i in range(1, 12)] and "&lt;script&gt;" in sections["Worst"]
    assert len(re.findall("<article>", sections["Random"])) == 12
    assert page(evaluation(photo)) == html, "random, but the same ones each time"
    assert "CIDEr-D 3.900" in sections["Best"] and "reference 39" in sections["Best"]
    assert "1 other candidates" in sections["Best"] and "other 39" in sections["Best"]
    images = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)"', sections["Best"])
    with Image.open(io.BytesIO(base64.b64decode(images[0]))) as image:
        assert image.size == (320, 213) and image.getpixel((9, 9)) == pytest.approx((30, 160, 40), abs=6)


def test_a_few_items_are_not_shown_as_best_and_worst_at_once(photo: Path):
    html = page(evaluation(photo, 3))
    best, worst = html.split("<h2>Best</h2>")[1].split("<h2>Worst</h2>")
    worst = worst.split("<h2>Random</h2>")[0]
    assert ("caption 2" in best, "caption 1" in best, "&lt;script" in best) == (True, True, False)
    assert ("caption 1" in worst, "&lt;script" in worst) == (False, True)
    assert "<h2>Worst</h2>" not in page(evaluation(photo, 1))


def test_a_picture_that_cannot_be_read_leaves_a_card_without_one(photo: Path):
    photo.write_bytes(b"broken")
    html = page(evaluation(photo))
    assert "<img" not in html and "caption 39" in html
    assert thumbnail(photo) == thumbnail(photo.with_name("none.png")) == ""


def test_what_was_left_out_and_what_is_missing_is_said(photo: Path):
    read = Reader(page(evaluation(photo)))
    assert f"{EVIL}: {EVIL}" in read.texts and "needs Java" in read.texts
    assert "40 items measured, 1 left out." in read.texts


def test_a_histogram_counts_every_item_and_marks_the_mean():
    values = [0.0, 0.01, 0.5, 0.99, 1.0, 1.0, 3.0]
    drawn = Reader(histogram(Figure("cider", 0.5, "", {str(i): value for i, value in enumerate(values)})))
    bars = [attributes for tag, attributes in drawn.tags if tag == "rect"]
    counts = [int(count) for text in drawn.texts for count in re.findall(r"(\d+) items", text)]
    assert len(bars) == len(counts) == 4 and sum(counts) == 7
    assert max(float(bar["height"]) for bar in bars) == pytest.approx(102)
    assert {round(float(bar["x"]) / (300 / BINS)) for bar in bars} == {0, 3, 6, 19}
    (line,) = (attributes for tag, attributes in drawn.tags if tag == "line")
    assert float(line["x1"]) == pytest.approx(sum(values) / 7 / 3 * 300, abs=0.1)
    assert drawn.texts[-3:] == ["0", "mean 0.929", "3"]


def test_counts_get_a_bar_for_each_number():
    drawn = Reader(histogram(Figure("length", 2, "", {"a": 1, "b": 2, "c": 2, "d": 5})))
    bars = [(attributes["x"], attributes["width"]) for tag, attributes in drawn.tags if tag == "rect"]
    assert bars == [("50.0", "49.0"), ("100.0", "49.0"), ("250.0", "49.0")]
    assert Reader(histogram(Figure("cider", 0, "", {"a": 0.0}))).tags


def test_numbers_read_well():
    assert [number(value) for value in (None, 0.12345, 1234, 2.0)] == ["-", "0.123", "1,234", "2.000"]


def test_halves_of_characters_do_not_stop_the_files(photo: Path, tmp_path: Path):
    made = evaluation(photo, 2)
    broken = Case("half", "\ud800 dog", ("\ud800 dog",), ("x",))
    figures = [Figure("cider", 1.0, "", {"half": 1.0, **made.figures[0].items})]
    write_predictions([broken], tmp_path)
    write_scores(Evaluation([broken, *made.cases], figures), tmp_path)
    assert "? dog" in (tmp_path / "index.html").read_text() and "? dog" in (tmp_path / "predictions.json").read_text()
