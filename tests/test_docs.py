"""The documentation says what the program does: commands run, generated parts are current, links lead somewhere."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from vdesc import hookspecs

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def part(name: str) -> str:
    """The block of the README between two marks, without its fence."""
    block = re.search(rf"<!-- {name} -->\n```\w+\n(.*?)```\n<!-- /{name} -->", README, re.S)
    assert block, name
    return block[1]


def vdesc(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("vdesc")
    return subprocess.run([program, *shlex.split(command)], cwd=folder, capture_output=True, text=True, timeout=300)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder with the files that the README's commands name."""
    clips = tmp_path / "clips"
    clips.mkdir()
    (tmp_path / "examples").mkdir()
    for name in ("talk.mp4", "film.mp4", "clips/one.mp4", "examples/street.mp4"):
        shutil.copy(ROOT / "examples" / "street.mp4", tmp_path / name)
    from PIL import Image

    Image.new("RGB", (64, 48), "green").save(tmp_path / "photo.jpg")
    (tmp_path / "my.yaml").write_text("keyframes: uniform:2\n")
    return tmp_path


def test_the_first_command_prints_what_the_readme_shows(desk: Path):
    command = part("run").split(".venv/bin/vdesc ", 1)[1].strip()
    done = vdesc(command + " --set ranking.similarity=tokens", desk)  # the measure of the base install
    assert done.returncode == 0, done.stderr
    assert done.stdout == part("output")
    assert {path.name for path in (desk / "out").iterdir()} == {"street.srt", "street.json"}


def test_every_other_command_of_the_readme_runs(desk: Path):
    block = README.split("## What it does", 1)[1].split("```console\n", 1)[1].split("```", 1)[0]
    commands = [line.removeprefix("$ vdesc ").split("  #")[0].strip() for line in block.splitlines()]
    assert len(commands) >= 8
    for command in commands:
        if "*" in command or command.startswith(("run", "image", "look", "plugins", "doctor")):
            done = vdesc(command, desk)
            assert done.returncode == 0, (command, done.stderr)


def test_the_commands_for_evidence_run(desk: Path):
    (desk / "film.en.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nMind the gap.\n")
    page = (ROOT / "docs" / "evidence.md").read_text(encoding="utf-8")
    block = page.split("```console\n", 1)[1].split("```", 1)[0]
    commands = [line.removeprefix("$ vdesc ").split("  #")[0].strip() for line in block.splitlines()]
    assert len(commands) == 4
    for command in commands:
        done = vdesc(command, desk)
        assert done.returncode in (0, 3 if "whisper" in command else 0), (command, done.stderr)
        if "whisper" in command:  # no speech model is on disk: it is named, and the others go on
            assert "fasterwhisper" in done.stderr and "object     car" in done.stdout
    assert "Mind the gap." in (desk / "film.srt").read_text()
    assert len(list((desk / "film.frames").glob("*.jpg"))) >= 4


def test_the_commands_for_comparing_run(desk: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))  # without Java, whose programs take long to start
    page = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ vdesc (.+?)(?:  #.*)?$", page, re.M)
    (desk / "list.yaml").write_text(re.search(r"```yaml\n(.*?)```", page, re.S)[1])
    (desk / "talk.en.srt").write_text("1\n00:00:01,000 --> 00:00:03,000\nA man in the rain.\n")
    assert len(commands) == 2 and all(command.startswith("compare ") for command in commands)
    for command in commands:
        done = vdesc(f"{command} --keyframes uniform:1 --candidates 1", desk)
        lacks = "llava" in command  # whoever follows has no model in runs/mine either: its column says so
        assert done.returncode == (3 if lacks else 0), (command, done.stderr)
        assert ("runs/mine" in done.stderr) == lacks
    assert {path.name for path in (desk / "out").iterdir()} == {"talk.compare.html", "talk.compare.csv"}
    assert {path.name for path in desk.glob("*.compare.*")} == {
        f"talk.compare.{end}" for end in ("html", "json", "csv")
    }


def test_the_python_example_runs(desk: Path):
    code = README.split("## In Python", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    done = subprocess.run([sys.executable, "-c", code], cwd=desk, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 1


def test_the_plugin_is_the_one_in_examples_and_in_the_guide():
    example = (ROOT / "examples" / "brightness" / "brightness.py").read_text(encoding="utf-8")
    code = README.split("## A plugin in fifteen lines", 1)[1].split("```python\n", 1)[1].split("```", 1)[0]
    assert code.strip() in example
    assert code.strip() in (ROOT / "docs" / "writing-plugins.md").read_text(encoding="utf-8")


def test_generated_pages_are_current():
    done = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_hook_has_a_heading():
    guide = (ROOT / "docs" / "writing-plugins.md").read_text(encoding="utf-8")
    hooks = [name for name, value in vars(hookspecs).items() if hasattr(value, "vdesc_spec")]
    assert len(hooks) >= 7
    for hook in hooks:
        assert f"### `{hook}()`" in guide


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of one's own, drawn here, each with a text of its name."""
    from PIL import Image, ImageDraw

    folder = tmp_path / "PHOTOS"
    folder.mkdir()
    for i in range(48):
        colour, shape = ("red", "green", "blue")[i % 3], ("ellipse", "rectangle")[i % 2]
        image = Image.new("RGB", (96, 72), "white")
        getattr(ImageDraw.Draw(image), shape)((8 + i % 9, 8, 60 + i % 9, 60), fill=colour)
        image.save(folder / f"{i}.png")
        said = "circle" if shape == "ellipse" else "square"
        (folder / f"{i}.txt").write_text(f"A {colour} {said}.\nThere is a {said} that is {colour}.\n")
    return folder


def test_the_readmes_way_to_a_captioner_of_ones_own_works(photos: Path):
    block = README.split("## Train your own", 1)[1].split("```console\n", 1)[1].split("```", 1)[0]
    commands = [line.removeprefix("$ vdesc ").split("  #")[0].strip() for line in block.splitlines()]
    assert [command.split()[0] for command in commands] == ["data", "data", "train", "eval", "run"]
    shutil.copy(ROOT / "examples" / "street.mp4", photos.parent / "film.mp4")
    for command in commands:
        done = vdesc(command + (" --tokenizer own" if command.startswith("eval") else ""), photos.parent)
        assert done.returncode == 0, (command, done.stderr)
    assert (photos.parent / "report" / "index.html").is_file()
    assert "-->" in (photos.parent / "film.srt").read_text()
