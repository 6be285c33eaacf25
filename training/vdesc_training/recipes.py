"""Recipes: a YAML file that holds only what differs from a trainer's defaults."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from vdesc.errors import SettingsError, nearest
from vdesc.registry import plain
from vdesc.settings import assign, configs

R = TypeVar("R", bound=BaseModel)


def read_recipe(kind: type[R], trainer: str, config: str, sets: Iterable[str] = ()) -> R:
    """The recipe of a trainer from a file, or by its name in `configs/TRAINER/`, with `name=value` pairs laid over it.

    Args:
        sets: a dot leads into a table, as in `model.prefix=4`.
    Raises:
        SettingsError: no such recipe, an unknown key (with the nearest one), a wrong value.
    """
    known = {path.stem: path for path in (configs() / trainer).glob("*.yaml")}
    path = Path(config) if Path(config).is_file() else known.get(config)
    if path is None:
        raise SettingsError(f"there is no recipe '{config}' ({nearest(config, known)})")
    values = _table(path)
    for text in sets:
        assign(values, text, "name=value, as in epochs=3 or model.prefix=4")
    for name in values:
        if name not in kind.model_fields:
            raise SettingsError(f"{path}: a {trainer} recipe has no '{name}' ({nearest(name, kind.model_fields)})")
    try:
        return kind(**values)
    except ValidationError as error:
        raise SettingsError(f"{path}: {plain(error)}") from error


def _table(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} cannot be read as YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(values or {}, dict):
        raise SettingsError(f"{path} is no recipe: write a line 'name: value' for each setting")
    return values or {}
