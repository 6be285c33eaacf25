"""Java, where it is there, and the COCO evaluation's tokeniser, as pycocoevalcap brings it."""

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from vdesc.errors import SettingsError

TOKENISER = "tokenizer/stanford-corenlp-3.4.1.jar"


@cache
def version() -> str:
    """What Java calls itself; "" where there is none, or no pycocoevalcap with the programs for it."""
    java = shutil.which("java")
    if not java or not find_spec("pycocoevalcap"):
        return ""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):  # macOS has a `java` that only says where to get one
        return ""
    return (said.stderr or said.stdout).splitlines()[0].strip()


def ptb(texts: Sequence[str]) -> list[list[str]]:
    """The tokens of each text, punctuation included, by one start of Stanford's tokeniser.

    Raises `SettingsError` where there is no Java, or it fails.
    """
    if not version():
        raise SettingsError(
            "the tokenizer 'ptb' needs Java and pycocoevalcap: install a Java runtime and "
            "pip install 'vdesc[metrics]', or use --tokenizer own"
        )
    command = ["java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", str(folder() / TOKENISER),
               "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]  # fmt: skip
    lines = "".join(" ".join(text.split()) + "\n" for text in texts)
    done = subprocess.run(command, input=lines.encode("utf-8", "replace"), capture_output=True)
    said = done.stdout.decode().split("\n")[:-1]
    if done.returncode or len(said) != len(texts):
        raise SettingsError(f"the PTB tokeniser failed ({_last(done.stderr)}): use --tokenizer own")
    return [line.split() for line in said]


def folder() -> Path:
    """Where pycocoevalcap keeps its programs."""
    spec = find_spec("pycocoevalcap")
    assert spec and spec.submodule_search_locations, "checked by `version`"
    return Path(spec.submodule_search_locations[0])


def _last(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
