"""`vdesc eval`: a captioner measured through its plugin's interface, files measured, and every mistake a sentence."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from vdesc import Candidate, Captioner, Slot, fakes
from vdesc.errors import ModelError
from vdesc.registry import Registry
from vdesc_training import evaluating
from vdesc_training.metrics import java, score
from vdesc_training.table import Item, write_table

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 200), "grey": (90, 90, 90)}
Vdesc = Callable[..., tuple[int, str, str]]


class Painter(Captioner):
    """Names the colour of a slot's pictures, after some wrong names where several are asked for."""

    name = "painter"

    class Options(Captioner.Options):
        """How it errs."""

        fail: bool = False
        mute: str = ""
        ending: str = "picture"

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        self.note("the painter has looked")
        for slot in slots:
            seen = [tuple(frame.pixels().mean((0, 1))) for frame in slot.keyframes]
            if self.options.fail:
                raise RuntimeError("it was asked to fail")
            colour = min(COLOURS, key=lambda name: sum(abs(a - b) for a, b in zip(COLOURS[name], seen[0], strict=True)))
            if colour == self.options.mute:
                continue
            wrong = [f"An odd {i} thing." for i in range(1, n)]
            for i, text in enumerate([*wrong, f"A {colour} {self.options.ending}."]):
                yield Candidate(slot.index, text, self.name, "en", confidence=0.5 + i / 100)


class Short(fakes.FakeRanker):
    """Prefers short texts."""

    name = "short"

    def score(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        self.called()
        frames = [frame.index for slot in slots for frame in slot.keyframes]
        assert len(set(frames)) == len(frames) and {c.slot for c in candidates} <= {slot.index for slot in slots}
        return [1 - len(candidate.text) / 100 for candidate in candidates]


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our plugins are installed; there is no Java and no sentence model, which take their time."""

    def registry() -> Registry:
        made = Registry()
        made.register(fakes.module(Painter, Short))
        return made

    monkeypatch.setattr(evaluating, "Registry", registry)
    monkeypatch.setattr(java, "version", lambda: "")
    monkeypatch.setattr("vdesc_training.metrics.meaning.similarity", lambda name: ("tokens", None))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of eight coloured photos, each called by its colour, and one of another split."""
    folder = tmp_path / "photos"
    (folder / "images").mkdir(parents=True)
    items = []
    for i in range(8):
        colour = list(COLOURS)[i % 4]
        Image.new("RGB", (80, 60), COLOURS[colour]).save(folder / f"images/{i}.png")
        items.append(Item(f"p{i}", (f"images/{i}.png",), "test", (f"a {colour} picture", f"the picture is {colour}")))
    items.append(Item("t", ("images/0.png",), "train", ("not of the test",)))
    write_table(folder, items)
    return folder


def add(table: Path, item: Item) -> None:
    from vdesc_training.table import read_table

    write_table(table, [*read_table(table), item])


def test_a_captioner_is_measured_by_name(vdesc: Vdesc, table: Path, tmp_path: Path):
    out = tmp_path / "out"
    code, said, err = vdesc("eval", "painter", "--data", table, "-o", out)
    assert code == 0, err
    assert "painter on photos, test: 8 items" in said and "CIDEr-D" in said and "the painter has looked" in err
    scores = json.loads((out / "scores.json").read_text())
    assert (
        scores["figures"]["bleu4"]["value"] < 0.05 < scores["figures"]["bleu2"]["value"] == pytest.approx(1, abs=1e-3)
    )
    assert "own PTB-like" in scores["figures"]["cider"]["how"]
    assert scores["figures"]["meteor"]["value"] is None and "Java" in scores["figures"]["meteor"]["how"]
    assert 0 < scores["figures"]["meteor_exact"]["value"] < 1
    assert scores["figures"]["diversity"]["value"] == 0.5 and scores["choices"] == {}
    assert scores["items"]["p3"].keys() >= {"cider", "rouge", "bleu4", "self_bleu"}
    made = scores["made"]
    assert made["captioner"]["options"]["ending"] == "picture" and made["captioner"]["name"] == "painter"
    assert made["data"]["split"] == "test" and len(made["data"]["sha256"]) == 64 and made["items"] == 8
    assert json.loads((out / "predictions.json").read_text())["p2"] == ["A blue picture."]
    assert (out / "index.html").read_text().startswith("<!doctype html>")


def test_nothing_is_written_where_no_folder_is_named(vdesc: Vdesc, table: Path, tmp_path: Path):
    before = sorted(tmp_path.rglob("*"))
    assert vdesc("eval", "painter", "--data", table)[0] == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_predictions_that_were_written_give_the_same_figures(vdesc: Vdesc, table: Path, tmp_path: Path):
    vdesc("eval", "painter", "--data", table, "-o", tmp_path / "one", "--n", 3)
    said = tmp_path / "one" / "predictions.json"
    code, _, err = vdesc("eval", "--predictions", said, "--references", table, "-o", tmp_path / "two")
    assert code == 0, err
    one, two = (json.loads((tmp_path / name / "scores.json").read_text())["figures"] for name in ("one", "two"))
    assert one == two and len(one) >= 12


def test_options_go_to_the_captioner_unless_they_name_another(vdesc: Vdesc, table: Path, tmp_path: Path):
    sets = ("--set", "ending=painting", "--set", "painter.mute=red", "--set", "short.fail=false")
    code, _, err = vdesc("eval", "painter", "--data", table, "--ranker", "short", *sets, "-o", tmp_path / "out")
    assert code == 0, err
    said = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert said["p1"] == ["A green painting."]
    assert said["p0"] == [""], "of what nothing is said counts as an empty caption"
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["items"]["p0"]["cider"] == 0 and scores["items"]["p0"]["short"] == 0
    assert scores["items"]["p1"]["short"] == pytest.approx(1 - len("A green painting.") / 100)
    assert scores["made"]["rankers"][0]["name"] == "short"


def test_first_ranked_and_oracle_are_told_apart(vdesc: Vdesc, table: Path, tmp_path: Path):
    """The wrong caption comes first; the last has more confidence; the ranker wants short ones."""
    code, out, err = vdesc("eval", "painter", "--data", table, "--n", 2, "-o", tmp_path / "one")
    assert code == 0, err
    choices = json.loads((tmp_path / "one" / "scores.json").read_text())["choices"]
    assert choices["first"]["cider"] < 0.1 < choices["ranked"]["cider"] == choices["oracle"]["cider"]
    assert "oracle" in out
    ranked = ("--ranker", "short", "--set", "ranking.weights.short=100", "--set", "ending=picture of one colour")
    vdesc("eval", "painter", "--data", table, "--n", 2, *ranked, "-o", tmp_path / "two")
    scores = json.loads((tmp_path / "two" / "scores.json").read_text())
    assert scores["choices"]["ranked"] == scores["choices"]["first"] != scores["choices"]["oracle"]
    assert scores["figures"]["cider"]["value"] == scores["choices"]["ranked"]["cider"]
    assert json.loads((tmp_path / "two" / "predictions.json").read_text())["p0"][0] == "An odd 1 thing."


def test_bad_photos_are_left_out_and_the_rest_is_measured(vdesc: Vdesc, table: Path, tmp_path: Path):
    (table / "images" / "2.png").write_bytes(b"no picture")
    (table / "images" / "5.png").write_bytes((table / "images" / "5.png").read_bytes()[:60])
    (table / "images" / "6.png").unlink()
    add(table, Item("words", (), "test", ("only words",)))
    code, said, err = vdesc("eval", "painter", "--data", table, "-o", tmp_path / "out")
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert code == 0, err
    assert scores["rejects"].keys() == {"p2", "p5", "p6", "words"} and scores["items"].keys() == {
        "p0", "p1", "p3", "p4", "p7",
    }  # fmt: skip
    assert "5 items" in said and "p2" in err and "its picture cannot be read" in err and "no picture: words" in err


def test_a_frame_that_only_a_ranker_looks_at_is_found_broken(
    vdesc: Vdesc, table: Path, monkeypatch: pytest.MonkeyPatch
):
    (table / "bad.png").write_bytes(b"no picture")
    add(table, Item("film", ("images/0.png", "bad.png"), "test", ("a film",)))
    monkeypatch.setattr(Painter, "propose", lambda self, slots, n=1: fakes.candidates(slots, n))

    def look(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        assert all(frame.pixels().size for slot in slots for frame in slot.keyframes)
        return [0.5] * len(candidates)

    monkeypatch.setattr(Short, "score", look)
    code, said, err = vdesc("eval", "painter", "--data", table, "--ranker", "short")
    assert code == 0 and "8 items" in said and "film" in err
    monkeypatch.setattr(Short, "score", lambda self, slots, candidates: [0.5])
    code, _, err = vdesc("eval", "painter", "--data", table, "--ranker", "short", "--fresh")
    assert code == 2 and "short gave 1 scores for 8 candidates" in err


def test_an_item_of_several_pictures_shows_them_all_in_order(table: Path):
    from vdesc_training.captioning import slots_of

    first, second = slots_of(
        table, [Item("v", ("a.png", "b.png"), "test", ("x",)), Item("w", ("c.png",), "test", ("x",))]
    )
    assert [frame.image.path.name for frame in (*first.keyframes, *second.keyframes)] == ["a.png", "b.png", "c.png"]
    assert [frame.index for frame in (*first.keyframes, *second.keyframes)] == [0, 1, 2]
    assert [frame.at for frame in (*first.keyframes, *second.keyframes)] == [250, 750, 1500]
    assert first.span.end == second.span.start and all(first.span.contains(frame.at) for frame in first.keyframes)


def test_captions_can_be_drawn_onto_the_photos(vdesc: Vdesc, table: Path, tmp_path: Path):
    Image.new("RGB", (80, 60), COLOURS["red"]).save(tmp_path / "outside.png")
    add(table, Item("out", ("../outside.png",), "test", ("a red picture",)))
    code, _, err = vdesc("eval", "painter", "--data", table, "-o", tmp_path / "out", "--draw")
    assert code == 0, err
    drawn = tmp_path / "out" / "drawn"
    names = sorted(path.relative_to(drawn).as_posix() for path in drawn.rglob("*.*"))
    assert names == [*(f"images/{i}.png" for i in range(8)), "outside.png"]
    with Image.open(drawn / "images" / "1.png") as image:
        assert image.width == 80 and image.height > 70 and image.convert("RGB").getpixel((5, 5)) == COLOURS["green"]
        band = image.convert("L").crop((0, 60, 80, image.height))
        assert len(set(band.tobytes())) > 5, "there are letters in the band"


def test_files_are_measured_without_any_plugin(vdesc: Vdesc, tmp_path: Path):
    said, truth = {"1": "a dog runs", "2": "a cat", "3": "x"}, {"1": ["the dog runs"], "2": ["a cat sits"], "4": ["y"]}
    (tmp_path / "said.json").write_text(json.dumps(said))
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    files = ("--predictions", tmp_path / "said.json", "--references", tmp_path / "truth.json")
    code, out, err = vdesc("eval", *files, "-o", tmp_path / "out")
    assert code == 0, err
    assert "said.json against truth.json: 2 items" in out
    assert "1 left out, not in truth.json: 3" in err and "1 left out, not in said.json: 4" in err
    common = {key: said[key] for key in ("1", "2")}
    figures = json.loads((tmp_path / "out" / "scores.json").read_text())["figures"]
    for name, value in score(common, truth).items():
        assert figures[name]["value"] == pytest.approx(value, abs=1e-12)


def test_candidates_in_a_file_have_an_oracle(vdesc: Vdesc, tmp_path: Path):
    (tmp_path / "said.json").write_text(json.dumps({"1": ["a cow", "a dog runs"], "2": ["a cat sits", "a pig"]}))
    (tmp_path / "truth.json").write_text(json.dumps({"1": ["the dog runs"], "2": ["a cat sits"]}))
    files = ("--predictions", tmp_path / "said.json", "--references", tmp_path / "truth.json")
    assert vdesc("eval", *files, "-o", tmp_path / "out")[0] == 0
    choices = json.loads((tmp_path / "out" / "scores.json").read_text())["choices"]
    assert choices["first"] == choices["ranked"] and choices["oracle"]["cider"] > choices["first"]["cider"]


def test_korean_is_measured_by_characters_and_says_so(vdesc: Vdesc, tmp_path: Path):
    (tmp_path / "said.json").write_text(json.dumps({"1": "개가 달린다.", "2": "고양이"}))
    (tmp_path / "truth.json").write_text(json.dumps({"1": ["개가 달렸다"], "2": ["고양이가 앉다"]}))
    files = ("--predictions", tmp_path / "said.json", "--references", tmp_path / "truth.json", "--language", "ko")
    assert vdesc("eval", *files, "-o", tmp_path / "one")[0] == 0
    assert vdesc("eval", *files, "-o", tmp_path / "two", "--tokenizer", "words")[0] == 0
    one, two = (json.loads((tmp_path / name / "scores.json").read_text())["figures"] for name in ("one", "two"))
    assert "characters" in one["cider"]["how"] and "between spaces" in two["cider"]["how"]
    assert one["bleu1"]["value"] > two["bleu1"]["value"] > 0
    assert "for English" in one["meteor"]["how"] and "ranking.similarity" in one["sbert"]["how"]
    assert one["meteor_exact"]["value"] > two["meteor_exact"]["value"] and "characters" in one["meteor_exact"]["how"]


def test_the_language_is_the_captioners_own_unless_one_is_named(
    vdesc: Vdesc, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def propose(self, slots: Sequence[Slot], n: int = 1) -> list[Candidate]:
        return [Candidate(slot.index, "빨간 그림", self.name, "ko") for slot in slots]

    monkeypatch.setattr(Painter, "propose", propose)
    for flags, how in (((), "characters"), (("--language", "en"), "own PTB-like")):
        assert vdesc("eval", "painter", "--data", table, "-o", tmp_path, *flags)[0] == 0
        assert how in json.loads((tmp_path / "scores.json").read_text())["figures"]["cider"]["how"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("paintr", "--data", "TABLE"), "no captioner called 'paintr' (did you mean 'painter'?)"),
        (("short", "--data", "TABLE"), "no captioner called 'short'"),
        (("painter",), "give a captioner and its data"),
        (("painter", "--data", "TABLE", "--predictions", "TABLE"), "give a captioner and its data"),
        (("--predictions", "TABLE"), "give a captioner and its data"),
        (("painter", "--data", "TABLE/none"), "no caption table"),
        (("painter", "--data", "TABLE", "--split", "val"), "no items in the split 'val' (splits: test, train)"),
        (("painter", "--data", "TABLE", "--set", "endin=x"), "painter has no option 'endin' (did you mean 'ending'?)"),
        (("painter", "--data", "TABLE", "--set", "short.fail=true"), "options are given for 'short'"),
        (("painter", "--data", "TABLE", "--ranker", "nobody"), "called 'nobody'"),
        (("painter", "--data", "TABLE", "--set", "fail=true"), "painter failed: RuntimeError: it was asked to fail"),
        (("painter", "--data", "TABLE", "--ranker", "short", "--set", "short.fail=true"), "short failed"),
        (("painter", "--data", "TABLE", "--tokenizer", "ptp"), "no tokenizer 'ptp' (did you mean 'ptb'?)"),
        (("painter", "--data", "TABLE", "--tokenizer", "ptb"), "needs Java"),
        (("painter", "--data", "TABLE", "--draw"), "give one with -o"),
        (("painter", "--data", "TABLE", "--device", "abacus", "--bertscore", "x/y"), "no device 'abacus'"),
        (("painter", "--data", "TABLE", "--bertscore", "nobody/nothing"), "--bertscore: the model 'nobody/nothing'"),
        (("painter", "more", "--data", "TABLE"), "more"),
    ],
)
def test_a_mistake_gets_a_sentence(vdesc: Vdesc, table: Path, args: tuple[str, ...], sentence: str):
    code, _, err = vdesc("eval", *(arg.replace("TABLE", str(table)) for arg in args))
    assert code in (1, 2) and sentence in " ".join(err.split()), err
    assert "Traceback" not in err


def test_a_table_without_one_good_photo_gets_a_sentence(vdesc: Vdesc, table: Path):
    for path in (table / "images").iterdir():
        path.write_bytes(b"")
    code, _, err = vdesc("eval", "painter", "--data", table)
    assert code == 1 and "can be measured: its picture cannot be read" in err


def test_captions_survive_figures_that_fail(vdesc: Vdesc, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def lost(name: str):
        raise ModelError(f"the sentence model '{name}' is not on disk")

    monkeypatch.setattr("vdesc_training.metrics.meaning.similarity", lost)
    args = ("--data", table, "-o", tmp_path / "out", "--set", "ranking.similarity=x/y")
    code, _, err = vdesc("eval", "painter", *args)
    assert code == 2 and "sentence model 'x/y'" in err
    assert len(json.loads((tmp_path / "out" / "predictions.json").read_text())) == 8


def test_a_folder_that_cannot_be_written_gets_a_sentence(vdesc: Vdesc, table: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    code, _, err = vdesc("eval", "painter", "--data", table, "-o", tmp_path / "file" / "out")
    assert code == 2 and "cannot write" in err and "-o" in err


def test_one_item_is_measured(vdesc: Vdesc, table: Path, tmp_path: Path):
    assert vdesc("eval", "painter", "--data", table, "--split", "train", "-o", tmp_path / "out")[0] == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert scores["made"]["items"] == 1 and scores["figures"]["self_bleu"]["value"] is None


def test_many_items_are_given_in_parts(vdesc: Vdesc, table: Path, monkeypatch: pytest.MonkeyPatch):
    sizes = []
    real = Painter.propose

    def propose(self, slots, n=1):
        sizes.append([slot.index for slot in slots])
        return real(self, slots, n)

    monkeypatch.setattr("vdesc_training.captioning.CHUNK", 3)
    monkeypatch.setattr(Painter, "propose", propose)
    assert vdesc("eval", "painter", "--data", table)[0] == 0
    assert sizes == [[0, 1, 2], [3, 4, 5], [6, 7]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The slots that the painter was asked for, three at a time; where `-1` is put first it is stopped at its sixth."""
    slots: list[int] = []
    real = Painter.propose

    def propose(self, some, n=1):
        for slot in some:
            if slots[:1] == [-1] and len(slots) == 6:
                raise KeyboardInterrupt
            slots.append(slot.index)
            yield from real(self, [slot], n)

    monkeypatch.setattr("vdesc_training.captioning.CHUNK", 3)
    monkeypatch.setattr(Painter, "propose", propose)
    return slots


def test_what_was_said_before_ctrl_c_is_kept_and_the_next_call_asks_for_the_rest(
    vdesc: Vdesc, table: Path, tmp_path: Path, asked: list[int]
):
    args = ("eval", "painter", "--data", table, "--n", 2, "--ranker", "short", "-o", tmp_path / "out")
    asked.append(-1)
    code, _, err = vdesc(*args)
    assert code == 130 and err.splitlines() == [
        "vdesc: stopped; what was done is kept: run the same command again to go on"
    ]
    asked.clear()
    code, _, err = vdesc(*args)
    assert code == 0 and asked == [3, 4, 5, 6, 7] and "--fresh makes it again" in err
    assert "the painter has looked" in err
    went_on = results(tmp_path / "out")
    asked.clear()
    code, _, err = vdesc(*args, "--fresh")
    assert code == 0 and asked == list(range(8)) and "--fresh" not in err
    assert went_on == results(tmp_path / "out")


def results(out: Path) -> list[object]:
    return [json.loads((out / name).read_text()) for name in ("scores.json", "predictions.json")]


def test_captions_are_kept_of_the_same_pictures_and_options_only(vdesc: Vdesc, table: Path, asked: list[int]):
    args = ("eval", "painter", "--data", table)
    vdesc(*args)
    Image.new("RGB", (80, 60), COLOURS["blue"]).save(table / "images" / "4.png")
    asked.clear()
    assert vdesc(*args)[0] == 0 and asked == [3, 4, 5]
    asked.clear()
    assert vdesc(*args, "--set", "ending=thing")[0] == 0 and asked == list(range(8))


def test_the_captioner_that_ships_is_measured_as_it_is_used(vdesc: Vdesc, table: Path, tmp_path: Path):
    import torch
    from vdesc import Settings, describe

    torch.set_num_threads(1)
    args = ("eval", "clipgpt", "--model", "mini", "--data", table, "--split", "train", "--set", "beam=2")
    code, _, err = vdesc(*args, "-o", tmp_path / "out")
    assert code == 0, err
    said = json.loads((tmp_path / "out" / "predictions.json").read_text())
    options = {"clipgpt": {"beam": 2}}
    photo = describe(table / "images" / "0.png", Settings(formats=(), candidates=1, options=options))
    assert said["t"] == [photo.cues[0].text]
    made = json.loads((tmp_path / "out" / "scores.json").read_text())["made"]
    assert made["captioner"]["options"]["beam"] == 2 and len(made["captioner"]["fingerprint"]) >= 32
