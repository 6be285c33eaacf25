"""`vdesc v2c` and `vdesc i2c`: the flags of VideoCaptionerWithClip's scripts, with a tiny random model."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clipgpt_models import folder
from PIL import Image
from vdesc import cli
from vdesc_clipgpt import catalogue

STREET = Path(__file__).resolve().parents[2] / "examples" / "street.mp4"
Vdesc = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vdesc(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Vdesc:
    """Runs the command line in this process and in a folder of its own; gives exit code, output, and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["vdesc", *map(str, args)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a dog.v1.png"
    Image.linear_gradient("L").resize((300, 200)).convert("RGB").save(path)
    return path


def files(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}


def test_v2c_writes_its_files_beside_the_video(vdesc: Vdesc, tiny: Path, tmp_path: Path):
    shutil.copy(STREET, tmp_path / "street.mp4")
    code, out, err = vdesc("v2c", "-V", "street.mp4", "-N", 3, "-S", "s", "-C", tiny)
    assert code == 0, err
    frames = {f"street_captioning_frames/frame_{i:04}{end}.jpg" for i in range(3) for end in ("", "-RS")}
    assert files(tmp_path) == {"street.mp4", "street_caption.srt", "street_caption.json", *frames}
    rows = json.loads((tmp_path / "street_caption.json").read_text())
    assert [row["start"] for row in rows] == ["00:00:00,000", "00:00:03,333", "00:00:06,666"]
    assert all(row["text"] in out for row in rows)


def test_i2c_prints_the_caption_and_draws_it_into_the_folder(vdesc: Vdesc, tiny: Path, photo: Path, tmp_path: Path):
    said = set()
    for i, temperature in enumerate((1, 0.2, 0, -3)):
        place = tmp_path / f"out/{i}"
        code, out, err = vdesc("i2c", "-I", photo, "-S", "S", "-C", tiny, "-R", place, "-T", temperature)
        assert code == 0, err
        assert files(place) == {"a dog-RS.jpg"}, "the name goes up to the first dot"
        with Image.open(place / "a dog-RS.jpg") as drawn:
            assert drawn.width == 300 and drawn.height > 200
        said.add(out)
    assert len(said) == 1 and said.pop().strip(), "the temperature changes nothing"


def test_long_flags_and_defaults_are_the_originals(vdesc: Vdesc, tiny: Path, photo: Path, tmp_path: Path):
    code, _, err = vdesc("i2c", "--img-path", photo, "--checkpoint-name", tiny, "--temperature", 1.0)
    assert code == 0, err
    assert files(tmp_path / "data/result/prediction") == {"a dog-RL.jpg"}


@pytest.mark.parametrize(
    ("flags", "wanted"), [((), "clip-gpt-l"), (("-S", "L"), "clip-gpt-l"), (("-S", "s"), "clip-gpt-s")]
)
def test_the_size_chooses_the_public_model(vdesc: Vdesc, photo: Path, tiny: Path, monkeypatch, flags, wanted: str):
    asked = []
    monkeypatch.setattr(catalogue, "public_folder", lambda name: asked.append(name) or tiny)
    code, _, err = vdesc("i2c", "-I", photo, *flags)
    assert code == 0, err
    assert set(asked) == {wanted}


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("v2c", "-V", "gone.mp4"), "cannot find gone.mp4"),
        (("v2c", "-V", "a dog.v1.png"), "a dog.v1.png is a photo: use vdesc i2c -I"),
        (("i2c", "-I", STREET), "street.mp4 is a video: use vdesc v2c -V"),
        (("i2c", "-I", "a dog.v1.png", "-C", "model.pt"), "there is no model 'model.pt'"),
        (("v2c", "-V", STREET, "-N", 0), "--num-frames"),
        (("i2c", "-I", "a dog.v1.png", "-S", "M"), "--size"),
        (("v2c",), "--video-path"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(vdesc: Vdesc, photo: Path, tmp_path: Path, args, told: str):
    code, out, err = vdesc(*args)
    assert code in (1, 2) and told in " ".join(err.split()) and not out
    assert files(tmp_path) == {photo.name}
