"""The converter `clipgpt`: a checkpoint of another program becomes a model folder."""

from __future__ import annotations

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
        """Whether it is named like a checkpoint of torch."""
        return source.suffix in (".pt", ".pth", ".ckpt", ".bin")

    def convert(self, source: Path, out: Path) -> list[str]:
        """What the checkpoint was. Raises `ModelError`, `OutputError`, `SettingsError`."""
        from .foreign import convert

        said = beside(source).model_dump(exclude_unset=True) | self.options.model_dump(exclude_unset=True)
        found = convert(source, out, facts(said, "vdesc convert"))
        return [*found.lines(), f"wrote {out}; use it with --set clipgpt.model={out}"]
