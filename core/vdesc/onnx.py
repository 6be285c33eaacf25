"""ONNX networks: a session on the device of the run, or a sentence that says why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .errors import MissingExtra, ModelError


def session(path: Path, plugin: str, extra: str, device: str = "cpu", threads: int = 0) -> Any:
    """An `onnxruntime.InferenceSession` of the network in a file.

    Args:
        plugin: who asks; its name stands in the error.
        extra: the extra that brings ONNX Runtime for it.
        device: a torch device; `cuda` is used where this ONNX Runtime can, else the CPU.
        threads: how many one forward pass may use; 0 takes as many as there are cores.
    Raises:
        MissingExtra: ONNX Runtime is not installed.
        ModelError: the file is missing, or holds no network that can be read.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(plugin, "onnxruntime", extra) from error
    if not path.is_file():
        raise ModelError(f"{plugin}: there is no model file {path}: check the path")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; warnings about graphs help nobody
    options.intra_op_num_threads = threads
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    able = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[*able, "CPUExecutionProvider"])
    except Exception as error:  # its errors share no base
        reason = str(error).partition("\n")[0]
        raise ModelError(f"{plugin}: {path} is no ONNX network that can be read: {reason}") from error
