"""Facts: what a foreign checkpoint does not say of itself, and where a person writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from vdesc.errors import ModelError, SettingsError, nearest
from vdesc.registry import plain
from vdesc.settings import Section, read


class Facts(Section):
    """What a foreign checkpoint does not say of itself; None is what nobody said.

    Args:
        mapper: what the mapper is; `concat` and `cross` cannot be told apart by their files.
        normalize: whether features are L2-normalised before the mapper.
        encoder: the CLIP model whose features it reads: a folder or a hub id.
        tokenizer: a folder or hub id with GPT-2's tokenizer.
        frames: how many frames a mapper of several reads; 28 in NYU's own.
        head: the width of an attention head of encoder and decoder; 64 in all of CLIP and GPT-2.
    """

    mapper: Literal["mlp", "transformer", "concat", "cross", "framewise"] | None = None
    normalize: bool | None = None
    encoder: str | None = None
    tokenizer: str | None = None
    frames: int | None = Field(None, ge=1)
    head: int = Field(64, ge=1)


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


def unsaid(path: Path, what: str, fact: str, flag: str) -> ModelError:
    """The error of a fact that is needed: what the file does not say, and both ways to say it."""
    return ModelError(
        f"clipgpt: {path} does not say {what}: give {flag} to vdesc convert, or write '{fact}' into "
        f"{path.with_suffix('.yaml').name} beside it"
    )
