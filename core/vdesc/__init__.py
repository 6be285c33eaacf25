"""vdesc puts a video into words.

    from vdesc import describe
    description = describe("talk.mp4")
    for cue in description.cues:
        print(cue.span.start, cue.text)

Names are imported when they are first used, so that `import vdesc` costs nothing.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import vision_ops

if TYPE_CHECKING:
    from .audio import Audio, listen
    from .cache import Cache
    from .data import (
        AudioTrack,
        Box,
        Candidate,
        Context,
        Cue,
        Description,
        Evidence,
        Finding,
        Keyframe,
        Picture,
        Shot,
        Slot,
        Span,
        Video,
    )
    from .errors import (
        InputError,
        MediaError,
        MissingExtra,
        ModelError,
        OutputError,
        PluginError,
        SettingsError,
        VdescError,
    )
    from .files import write_atomic
    from .hookspecs import hookimpl
    from .kinds import Captioner, Converter, Keyframer, Metric, Observer, Plugin, Ranker, Trainer, Writer
    from .pipeline import describe
    from .settings import Settings

vision_ops.install()  # before anything imports transformers
for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # ONNX Runtime would tell its makers of its use
    os.environ.setdefault(_name, "1")

_HOMES = {
    "audio": ["Audio", "listen"],
    "cache": ["Cache"],
    "data": [
        "AudioTrack", "Box", "Candidate", "Context", "Cue", "Description", "Evidence", "Finding", "Keyframe", "Picture",
        "Shot", "Slot", "Span", "Video",
    ],
    "errors": [
        "InputError", "MediaError", "MissingExtra", "ModelError", "OutputError", "PluginError", "SettingsError",
        "VdescError",
    ],
    "files": ["write_atomic"],
    "hookspecs": ["hookimpl"],
    "kinds": [
        "Captioner", "Converter", "Keyframer", "Metric", "Observer", "Plugin", "Ranker", "Trainer", "Writer",
    ],
    "pipeline": ["describe"],
    "settings": ["Settings"],
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Audio",
    "AudioTrack",
    "Box",
    "Cache",
    "Candidate",
    "Captioner",
    "Context",
    "Converter",
    "Cue",
    "Description",
    "Evidence",
    "Finding",
    "InputError",
    "Keyframe",
    "Keyframer",
    "MediaError",
    "Metric",
    "MissingExtra",
    "ModelError",
    "Observer",
    "OutputError",
    "Picture",
    "Plugin",
    "PluginError",
    "Ranker",
    "Settings",
    "SettingsError",
    "Shot",
    "Slot",
    "Span",
    "Trainer",
    "VdescError",
    "Video",
    "Writer",
    "describe",
    "hookimpl",
    "listen",
    "write_atomic",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vdesc' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
