"""Facts: what a foreign checkpoint does not say of itself, and where a person writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from vdesc import Converter
from vdesc.errors import ModelError, SettingsError, nearest
from vdesc.registry import plain
from vdesc.settings import read


class Facts(Converter.Options):
    """What a foreign checkpoint does not say of itself; None is what nobody said."""

    mapper: Literal["mlp", "transformer", "concat", "cross", "framewise"] | None = Field(
        None, description="What the mapper is; NYU's concat and cross cannot be told apart by their files."
    )
    normalize: bool | None = Field(None, description="Whether features are L2-normalised before the mapper.")
    encoder: str | None = Field(None, description="The CLIP model whose features it reads: a folder or a hub id.")
    tokenizer: str | None = Field(None, description="Where GPT-2's tokenizer is: a folder or a hub id.")
    frames: int | None = Field(None, ge=1, description="How many frames NYU's mapper reads; unset: 28.")
    head: int = Field(64, ge=1, description="The width of an attention head of encoder and decoder: 64 in CLIP, GPT-2.")


def beside(path: Path) -> Facts:
    """The facts in the YAML file beside a checkpoint, where there is one. Raises `SettingsError`."""
    notes = path.with_suffix(".yaml")
    return facts(read(notes), str(notes), path.parent) if notes.is_file() else Facts()


def facts(values: dict[str, Any], source: str, folder: Path = Path()) -> Facts:
    """Facts of plain values; folders among them may be named from `folder`. Raises `SettingsError`."""
    for name in values:
        if name not in Facts.model_fields:
            raise SettingsError(f"{source}: unknown fact '{name}' ({nearest(str(name), Facts.model_fields)})")
    for name in ("encoder", "tokenizer"):
        if isinstance(value := values.get(name), str) and (folder / value).is_dir():
            values = values | {name: str(folder / value)}
    try:
        return Facts(**values)
    except ValidationError as error:
        raise SettingsError(f"{source}: {plain(error)}") from error


def unsaid(path: Path, what: str, fact: str) -> ModelError:
    """The error of a fact that is needed: what the file does not say, and both ways to say it."""
    return ModelError(
        f"clipgpt: {path} does not say {what}: give --set {fact.replace(': ', '=')} to vdesc convert, or write "
        f"'{fact}' into {path.with_suffix('.yaml').name} beside it"
    )
