"""The plan of the house: which module may know which, and what costs nothing until it is used."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import vdesc

CORE = Path(vdesc.__file__).parent
HEAVY = ("av", "cv2", "numpy", "scenedetect", "sentence_transformers", "torch", "transformers")
ENGINE = {"data", "errors", "kinds", "cache", "files", "settings", "registry"}
MAY_IMPORT = {
    # what everybody may know
    "data": set(),
    "errors": set(),
    "files": {"errors"},
    "cache": {"errors", "files"},
    "kinds": {"data", "cache"},
    "hookspecs": {"kinds"},
    # pure functions
    "lines": set(),
    "planning": {"data"},
    "sightings": {"data"},
    "prompts": {"data", "errors", "lines", "settings"},
    "answers": {"lines", "prompts"},
    "transcript": {"data", "lines", "timing"},
    "ranking": {"data"},
    "similarity": {"ranking", "errors"},
    "timing": {"data", "lines"},
    # the outside world
    "container": {"data", "errors"},
    "upright": set(),
    "media": {"container", "data", "errors", "files", "upright"},
    "document": {"data", "errors"},
    "audio": {"cache", "container", "data", "errors", "files"},
    "cuefiles": {"data", "errors"},
    "hub": {"errors"},
    "onnx": {"errors"},
    "vision_ops": set(),
    "memory": set(),
    # the engine
    "registry": {"entries", "hookspecs", "errors", "kinds"},
    "settings": {"errors", "registry"},
    "crew": ENGINE,
    "record": {"data"},
    "entries": set(),
    "catalogue": {"cache", "entries", "errors", "registry"},
    "stages": ENGINE | {"crew", "document"},
    "pipeline": ENGINE | {"crew", "media", "planning", "ranking", "record", "similarity", "stages", "timing"},
    "converting": {"crew", "errors", "kinds", "registry", "settings"},
    "pretrained": {"errors"},
    "prompted": {"answers", "data", "files", "kinds", "prompts"},
    # the plugin author's kit
    "fakes": {"data", "files", "hookspecs", "kinds", "media"},
    "verbs": {"crew", "data", "errors", "fakes", "kinds", "media"},
    "contract": {"cache", "errors", "kinds", "registry", "verbs"},
    "testing": {"contract", "fakes", "kinds"},
    "scaffold": {"errors", "files", "__init__"},
    "doctor": {"cache", "crew", "registry"},
    # the command line
    "timeline": {"data", "lines"},
    "cli": {"catalogue", "converting", "entries", "errors", "session", "listing", "memory", "scaffold", "settings"},
    "session": {"cache", "cli", "data", "errors", "lines", "pipeline", "settings", "timeline"},
    "listing": {"cache", "doctor", "errors", "kinds", "registry", "settings", "testing"},
}


def _imported(tree: ast.AST) -> set[str]:
    """The core modules that a module imports, at its top or later."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names |= {node.module.split(".")[0]} if node.module else {
                name.name if (CORE / f"{name.name}.py").exists() else "__init__" for name in node.names
            }  # fmt: skip
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vdesc":
            names.add("absolute: write it relative")
    return names


def test_the_table_holds_every_module():
    assert set(MAY_IMPORT) == {path.stem for path in CORE.glob("*.py")} - {"__init__", "__main__"}


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_a_core_module_imports_only_what_it_may(module):
    tree = ast.parse((CORE / f"{module}.py").read_text(encoding="utf-8"))
    assert _imported(tree) <= MAY_IMPORT[module]


def test_no_core_module_knows_a_plugin_or_the_training():
    for path in CORE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.startswith("vdesc_") for name in names), path.name


def test_plugins_import_nothing_private_of_the_core():
    for path in (CORE.parents[1] / "plugins").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vdesc":
                assert not any(name.name.startswith("_") for name in node.names), path


def _after(code: str) -> list[str]:
    """The heavy packages that are imported after some code ran in a process of its own."""
    code += f"\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


COMMAND = """
import sys
from vdesc import cli
sys.argv = ["vdesc", *{args!r}]
try:
    cli.main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


def test_importing_the_package_or_its_light_names_imports_nothing_heavy():
    assert _after("import vdesc") == []
    assert _after("from vdesc import Captioner, Settings, hookimpl, write_atomic") == []


@pytest.mark.parametrize("args", [["--help"], ["run", "--help"], ["plugins"], ["plugins", "info", "shots"], ["cache"]])
def test_commands_that_do_no_work_import_nothing_heavy(args):
    assert _after(COMMAND.format(args=args)) == []


def test_the_public_names_are_sorted_and_are_those_that_are_served():
    assert vdesc.__all__ == sorted(vdesc.__all__)
    assert set(vdesc.__all__) == set(vdesc._HOME)


def test_every_public_name_is_served_from_its_home_and_is_documented():
    for name in vdesc.__all__:
        value = getattr(vdesc, name)
        assert value.__module__ == f"vdesc.{vdesc._HOME[name]}" or name == "hookimpl"
        assert value.__doc__


def test_type_checkers_see_the_same_names():
    tree = ast.parse((CORE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {(name.name, node.module) for node in block.body for name in node.names}
    assert seen == {(name, home) for name, home in vdesc._HOME.items()}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'describ'"):
        vdesc.describ  # noqa: B018
