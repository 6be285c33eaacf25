"""The converter `llava`: a checkpoint of system E becomes a model folder. Nothing heavy is imported before it works."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from vdesc import Converter


class LlavaConverter(Converter):
    """Turns a projector of the Korean video captioner (CLIP, projector, Qwen3) into a llava model folder."""

    name = "llava"
    extra = "llm"

    class Options(Converter.Options):
        """What the file does not say of itself."""

        tower: str | None = Field(
            None, description="The vision tower, a folder or hub id; unset: CLIP-ViT-L/14-336, where the width is its."
        )
        llm: str | None = Field(
            None, description="The LLM, a folder or hub id; unset: Qwen3-8B, where the width is its."
        )
        heads: int = Field(8, ge=1, description="Attention heads of a perceiver or c_abstractor.")

    def reads(self, source: Path) -> bool:
        """Whether it is a file of torch with a projector in it."""
        if source.suffix not in (".pt", ".pth", ".ckpt", ".bin") or not source.is_file():
            return False
        with source.open("rb") as file:
            return file.read(4) == b"PK\x03\x04" and _names_projector(source)

    def convert(self, source: Path, out: Path) -> list[str]:
        """What the checkpoint was. Raises `ModelError`, `OutputError`."""
        from . import foreign

        config, count = foreign.convert(source, out, **self.options.model_dump())
        return [
            f"{source.name}: projector {config.projector}, {count:,} weights, for '{config.tower}' and '{config.llm}'",
            "its LoRA weights were never saved: the LLM speaks as it did before stage 2; train it further",
            f"wrote {out}; use it with --set llava.model={out}",
        ]


def _names_projector(source: Path) -> bool:
    """Whether the pickle in a zip of torch's has the key of a projector: found without running it."""
    import zipfile

    try:
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if name.endswith("data.pkl")]
            return bool(names) and b"projector_state_dict" in archive.read(names[0])
    except (OSError, zipfile.BadZipFile):
        return False
