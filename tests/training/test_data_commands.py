"""`vdesc data`: the commands, the contact sheet, and the figures of a table."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from data_samples import photo, text
from PIL import Image
from typer.testing import CliRunner
from vdesc.errors import InputError
from vdesc_training import readers
from vdesc_training.commands.data import app
from vdesc_training.figures import figures
from vdesc_training.sheet import draw
from vdesc_training.table import Item, read_table, write_table


def run(*args: object) -> str:
    done = CliRunner().invoke(app, [str(arg) for arg in args])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def source(folder: Path) -> Path:
    for i, colour in enumerate(("red", "green", "blue")):
        photo(folder / f"{i}.jpg", colour)
        text(folder / f"{i}.txt", f"A {colour} picture.\nIt is {colour}.\n")
    return folder


def test_a_command_says_how_much_it_read_and_what_not(tmp_path: Path):
    source(tmp_path / "in")
    text(tmp_path / "in/3.jpg", "no photo"), text(tmp_path / "in/3.txt", "Lost.")
    said = run("folder", tmp_path / "in", tmp_path / "table", "--val", "0", "--test", "0")
    assert re.search(r"train +3 +6\n", said) and re.search(r"all +3 +6\n", said)
    assert re.search(r"broken photo +1 +3 *\n", said)
    assert "100 / 0 / 0 %" in said and "no item is in val or test" in said
    assert len(list(read_table(tmp_path / "table"))) == 3


def test_several_sources_come_before_the_folder(tmp_path: Path):
    source(tmp_path / "in")
    for i in (0, 1):
        text(tmp_path / f"{i}.csv", f"image,caption\n{i}.jpg,x\n")
    run("csv", tmp_path / "0.csv", tmp_path / "1.csv", tmp_path / "in", tmp_path / "table")
    assert [item.id for item in read_table(tmp_path / "table")] == ["0", "1"]


def test_columns_of_a_csv_are_chosen(tmp_path: Path):
    text(tmp_path / "a.csv", "id,script\n1,Someone cooks.\n")
    run("text", tmp_path / "a.csv", tmp_path / "table", "--column", "script")
    assert next(read_table(tmp_path / "table")).captions == ("Someone cooks.",)


def test_every_reader_has_its_command():
    names = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert names == {name.replace("_", "-") for name in readers.__all__} | {"show", "sft"}


def test_help_imports_nothing_heavy():
    code = "import sys; import vdesc_training.commands.data, vdesc_training.readers; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av", "cv2", "h5py", "transformers", "PIL"} & set(loaded)


def test_show_prints_figures_and_draws_a_sheet(tmp_path: Path):
    run("folder", source(tmp_path / "in"), tmp_path / "table", "--val", "0", "--test", "0")
    said = run("show", tmp_path / "table", "-o", tmp_path / "sheet.png", "--n", "2")
    assert re.search(r"train +3 +3 +6 +2 to 2 +18 +3 to 3, 3\.0 +7\n", said)
    assert "sheet.png" in said
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 2 * 320 + 20


def test_the_sheet_shows_pictures_and_words(tmp_path: Path):
    photo(tmp_path / "a.jpg", "red", (60, 45)), photo(tmp_path / "b.jpg", "blue", (60, 45))
    caption = "a long caption of many words that does not fit into one line of a cell of the sheet"
    items = [Item("photo", ("a.jpg",), "train", (caption,)), Item("video", ("a.jpg", "b.jpg"), "train", ("x",), "v"),
             Item("words", (), "train", ("only words",)), Item("lost", ("c.jpg",), "val", ("y",))]  # fmt: skip
    write_table(tmp_path, items)
    with Image.open(draw(tmp_path, tmp_path / "sheet.png")) as sheet:
        colours = {colour for _, colour in sheet.getcolors(1 << 24) or ()}
    assert any(r > 200 and g < 60 and b < 60 for r, g, b in colours)
    assert any(b > 200 and r < 60 and g < 60 for r, g, b in colours)
    assert any(max(colour) < 60 for colour in colours)  # ink


def test_equal_seeds_choose_equal_items(tmp_path: Path):
    write_table(tmp_path, [Item(str(i), (), "val" if i % 2 else "train", (f"words {i}",)) for i in range(40)])
    sheets = [draw(tmp_path, tmp_path / f"{i}.png", n=4, seed=seed).read_bytes() for i, seed in enumerate((1, 1, 2))]
    assert sheets[0] == sheets[1] != sheets[2]
    with pytest.raises(InputError, match="no items of the split test"):
        draw(tmp_path, tmp_path / "x.png", "test")


def test_the_figures_of_a_table():
    items = [Item("a", ("x",), "train", ("A dog's life", "One")), Item("b", (), "train", ("a dog's  day out",)),
             Item("c", ("x", "y"), "val", ("개 한 마리",))]  # fmt: skip
    found = figures(items)
    train = found["train"]
    assert list(found) == ["train", "val", "all"]
    assert (train.items, train.images, train.captions, train.words) == (2, 1, 3, 8)
    assert (train.least, train.most, train.shortest, train.longest) == (1, 2, 1, 4)
    assert train.vocabulary == {"a", "dog's", "life", "one", "day", "out"}
    assert found["all"].items == 3 and found["val"].words == 3
