"""The start of a plugin: a project of one module that can be installed, with a passing test."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from . import __all__ as public
from .errors import OutputError, SettingsError, nearest
from .files import write_atomic


def new(name: str, folder: Path, kind: str = "captioner") -> Path:
    """The folder `vdesc-NAME` of a new plugin project: its pyproject.toml, module, test and README.

    Args:
        name: the plugin's name: lower-case letters, digits, - and _, a letter first, at most 30 in all.
        folder: where the project's folder is made.
        kind: keyframer, observer, captioner, ranker or writer.
    Raises:
        SettingsError: the name or the kind cannot be used.
        OutputError: the project's folder is there already, or cannot be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,29}", name):
        raise SettingsError(f"'{name}' is no name for a plugin: use up to 30 lower-case letters, digits, - and _")
    if kind not in PARTS:
        raise SettingsError(f"no project can be written for a plugin of kind '{kind}' ({nearest(kind, PARTS)})")
    project = folder / f"vdesc-{name}"
    if project.exists():
        raise OutputError(f"{project} is there already: choose another name, or another folder with -o")
    stem = name.replace("-", "_")
    title = "".join(part.capitalize() for part in re.split("[-_]", name))
    title += "Plugin" if title in public else ""
    names = dict(name=name, stem=stem, module=f"vdesc_{stem}", title=title, kind=kind, base=kind.capitalize())
    names |= dict(
        zip(("imports", "body", "use"), (Template(part).substitute(names) for part in PARTS[kind]), strict=True)
    )
    for path, text in FILES.items():
        write_atomic(project / Template(path).substitute(names), Template(text).substitute(names))
    return project


FILES = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "vdesc-$name"
version = "0.1.0"
description = "A $kind for vdesc."
readme = "README.md"
requires-python = ">=3.10"
dependencies = ["vdesc"]

[project.entry-points.vdesc]
$name = "$module"

[tool.setuptools]
py-modules = ["$module"]

[tool.pytest.ini_options]
pythonpath = ["."]
""",
    "$module.py": '''\
"""The $kind `$name`, a plugin of vdesc."""

$imports


class $title($base):
$body

@hookimpl
def ${kind}s():
    """The plugins of this package."""
    return [$title]
''',
    "tests/test_$stem.py": '''\
"""Tests of vdesc-$name."""

from vdesc.testing import assert_contract

from $module import $title


def test_it_keeps_the_contract():
    assert_contract($title)
''',
    "README.md": """\
# vdesc-$name

A $kind for vdesc.

    pip install -e .
    $use
    pytest
""",
}

CAPTIONER = '''\
    """Says whether a scene is bright or dark."""

    name = "$name"

    class Options($base.Options):
        """What can be set with --set $name.OPTION=VALUE."""

        threshold: int = Field(127, ge=0, le=255, description="Brighter is bright.")

    def propose(self, slots, n=1):
        """A sentence for each slot, from its first picture."""
        for slot in slots:
            bright = slot.keyframes[0].pixels().mean() > self.options.threshold
            word = "bright" if bright else "dark"
            yield Candidate(slot.index, f"A {word} scene.", self.name)
'''
KEYFRAMER = '''\
    """Takes the first frame of the video."""

    name = "$name"

    def select(self, video):
        """One keyframe, whose shot is the whole video."""
        from vdesc.media import decode

        for frame in decode(video):
            yield Keyframe(0, frame.at, Shot(0, video.span), frame)
            return
'''
OBSERVER = '''\
    """Sees whether a picture is bright."""

    name = "$name"

    def observe(self, video, keyframes):
        """Evidence for the shots of bright keyframes."""
        for keyframe in keyframes:
            share = float(keyframe.pixels().mean()) / 255
            if share > 0.5:
                yield Evidence("light", keyframe.shot.span, "bright", share, self.name)
'''
RANKER = '''\
    """Likes short sentences."""

    name = "$name"

    def score(self, slots, candidates):
        """A number in 0..1 for each candidate: 1 for a word, less for more."""
        return [1 / max(1, len(candidate.text.split())) for candidate in candidates]
'''
WRITER = '''\
    """Writes the texts of the cues, a line each."""

    name = "$name"
    extension = ".$name"

    def write(self, description, folder):
        """The path of the file."""
        text = "".join(f"{cue.text}\\n" for cue in description.cues)
        path = folder / (description.video.path.stem + self.extension)
        return write_atomic(path, text)
'''
RUN = "vdesc run video.mp4"
PARTS = {
    "keyframer": ("from vdesc import Keyframe, Keyframer, Shot, hookimpl", KEYFRAMER, f"{RUN} --keyframes $name"),
    "observer": ("from vdesc import Evidence, Observer, hookimpl", OBSERVER, f"{RUN} --plugins clipgpt,$name"),
    "captioner": (
        "from pydantic import Field\nfrom vdesc import Candidate, Captioner, hookimpl",
        CAPTIONER,
        f"{RUN} --plugins $name",
    ),
    "ranker": ("from vdesc import Ranker, hookimpl", RANKER, f"{RUN} --plugins clipgpt,$name"),
    "writer": ("from vdesc import Writer, hookimpl, write_atomic", WRITER, f"{RUN} --format $name"),
}
"""For each kind: its imports, the body of its class, and how it is run."""
