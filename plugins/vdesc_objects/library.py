"""Ultralytics: imported so that nobody else in this process is disturbed, and its models read without running them.

Importing it, or choosing its device, changes the process: it replaces `PIL.Image.open` by one that installs packages
for files it does not know, and `torch.save`; it turns off OpenCV's threads and most of torch's; it sets environment
variables. It also asks the network whether there is one, sends its makers what is used, writes its settings to the home
folder, and installs packages that it misses. None of that happens here.

A `.pt` file is a pickle, which can run any code. Ultralytics' own restricted loading (ULTRALYTICS_SAFE_LOAD, sound from
8.4.70 on: `torch.load(weights_only=True)`, its own classes allowed) rebuilds only its own and torch's layers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vdesc import ModelError, SettingsError
from vdesc.errors import nearest
from vdesc.hub import reachable
from vdesc.onnx import session

HOME = "https://github.com"
"""Where Ultralytics keeps its models."""
SUFFIXES = (".pt", ".onnx")


@contextmanager
def undisturbed(folder: Path) -> Iterator[None]:
    """Lets Ultralytics be imported or set up in the block, and puts back what that changes for everybody.

    Args:
        folder: where it keeps its settings, unless YOLO_CONFIG_DIR says otherwise.
    """
    import cv2
    import torch
    from PIL import Image

    before = dict(os.environ)
    opened, saved, decoders = Image.open, torch.save, cv2.getNumThreads()
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder))
    os.environ |= {
        "ULTRALYTICS_SAFE_LOAD": "true", "YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false",
    }  # fmt: skip
    try:
        with threads(torch.get_num_threads()):
            yield
    finally:
        Image.open, torch.save = opened, saved
        cv2.setNumThreads(decoders)
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ |= {name: value for name, value in before.items() if os.environ.get(name) != value}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Lets torch use so many threads in the block, and as many as before after it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def model_file(name: str, folder: Path) -> Path:
    """The file of a model.

    Args:
        name: a path, or one of the names that Ultralytics publishes its models under, which is fetched once.
        folder: where fetched models are kept.
    Raises:
        SettingsError: no name is given.
        ModelError: there is no such file or name, it is of no kind that can be read, or it cannot be fetched.
    """
    if not name:
        raise SettingsError(
            "yolo needs a model: --set yolo.model=yolo11n.pt (fetched once), or the path of a .pt or .onnx file"
        )
    path = Path(name).expanduser()
    if not path.suffix and not path.exists():
        path = path.with_suffix(".pt")
    if path.suffix.lower() not in SUFFIXES:
        raise ModelError(f"yolo: {path} is neither a .pt nor an .onnx file: export the model to ONNX")
    kept = folder / path.name
    plain = path.name == str(path)
    if path.is_file() or not plain:
        return path
    return kept if kept.is_file() else _fetched(kept)


def _fetched(path: Path) -> Path:
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES, attempt_download_asset

    if path.name not in GITHUB_ASSETS_NAMES:
        near = nearest(path.name, GITHUB_ASSETS_NAMES)
        hint = "check the name" if near.startswith("known") else near  # they are too many to tell
        raise ModelError(f"yolo: there is no file {path.name}, and Ultralytics publishes no model of that name: {hint}")
    if not reachable(HOME):
        raise ModelError(
            f"yolo: the model '{path.name}' is not on disk and {HOME} cannot be reached: download it where there is a "
            "network, then give its path"
        )
    try:
        return Path(attempt_download_asset(path))
    except Exception as error:  # its own and those of the network
        raise ModelError(f"yolo: '{path.name}' could not be fetched ({_first(error)}): try again") from error


def model(path: Path) -> tuple[Any, int]:
    """An `ultralytics.YOLO` of the file, and how many pictures it takes at once: 0 where that is free.

    Raises:
        MissingExtra: ONNX Runtime is not installed and the file needs it.
        ModelError: the file is missing or damaged, holds no such model or one that finds no boxes, or could only be
            read by running code from it.
    """
    if not path.is_file():
        raise ModelError(f"yolo: there is no model file {path}: check the path")
    batch = _onnx_batch(path) if path.suffix.lower() == ".onnx" else _restricted(path)
    from ultralytics import YOLO

    try:
        made = YOLO(str(path))
    except Exception as error:  # damaged files, foreign classes, other libraries' models: each raises what it likes
        raise ModelError(
            f"yolo: {path} cannot be read without running code from it, or is no model of Ultralytics: "
            f"export it to ONNX where you trust it ({_first(error)})"
        ) from error
    if made.task not in ("detect", "segment", "pose", "obb"):
        raise ModelError(f"yolo: {path} is a model for '{made.task}', which finds no boxes: take one for detection")
    return made, batch


def _onnx_batch(path: Path) -> int:
    """How many pictures an exported network takes at once; 0 where that is free."""
    network = session(path, "yolo", "yolo")
    if not {"names", "task"} <= set(network.get_modelmeta().custom_metadata_map):
        raise ModelError(f"yolo: {path} was not exported by Ultralytics: it names no labels and no task")
    batch = network.get_inputs()[0].shape[0]
    return batch if isinstance(batch, int) else 0


def _restricted(path: Path) -> int:
    """0, where this Ultralytics and this torch can read a .pt file without running code from it."""
    import torch
    import ultralytics.utils

    able = hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint")  # torch 2.6
    if not able or not getattr(ultralytics.utils, "SAFE_LOAD", False):
        raise ModelError(
            f"yolo: {path} could run code when it is read: take its ONNX export, or ultralytics 8.4.70 and torch 2.6 "
            "or newer (and set ULTRALYTICS_SAFE_LOAD=true where a program imports ultralytics before vdesc does)"
        )
    return 0


def _first(error: Exception) -> str:
    lines = str(error).replace("ERROR ❌️ ", "").strip().splitlines()
    return lines[0] if lines else type(error).__name__
