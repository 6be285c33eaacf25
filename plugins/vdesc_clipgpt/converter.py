"""The converter `clipgpt`: a checkpoint of another program becomes a model folder."""

from __future__ import annotations

import zipfile
from pathlib import Path

from vdesc import Converter

from .foreign.facts import Facts, beside, facts


class Checkpoints(Converter):
    """Turns a checkpoint of clip-gpt-captioning, ClipCap or NYU's CLIPVideoCap into a clipgpt model folder.

    What the file does not say of itself is given as options, or in a YAML file beside it (model.yaml for model.pt).
    """

    name = "clipgpt"
    Options = Facts

    def reads(self, source: Path) -> bool:
        """Whether it is named like a checkpoint of torch, and holds no projector for an LLM: that is llava's."""
        return source.suffix in (".pt", ".pth", ".ckpt", ".bin") and not _of_llava(source)

    def convert(self, source: Path, out: Path) -> list[str]:
        """What the checkpoint was. Raises `ModelError`, `OutputError`, `SettingsError`."""
        from .foreign import convert

        said = beside(source).model_dump(exclude_unset=True) | self.options.model_dump(exclude_unset=True)
        found = convert(source, out, facts(said, "vdesc convert"))
        return [*found.lines(), f"wrote {out}; use it with --set clipgpt.model={out}"]


def _of_llava(source: Path) -> bool:
    """Whether a file names the key under which the Korean video captioner keeps its projector; nothing is unpickled."""
    try:
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            return any(b"projector_state_dict" in archive.open(name).read(1 << 20) for name in names)
    except (OSError, zipfile.BadZipFile):
        return False
