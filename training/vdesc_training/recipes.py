"""Recipes: a YAML file that holds only what differs from a trainer's defaults."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from vdesc.errors import SettingsError, nearest
from vdesc.registry import plain
from vdesc.settings import configs

R = TypeVar("R", bound=BaseModel)


def read_recipe(kind: type[R], trainer: str, config: str, sets: Iterable[str] = ()) -> R:
    """The recipe of a trainer from a file, or by its name in `configs/TRAINER/`, with `name=value` pairs laid over it.

    Raises:
        SettingsError: no such recipe, an unknown key (with the nearest one), a wrong value.
    """
    known = {path.stem: path for path in (configs() / trainer).glob("*.yaml")}
    path = Path(config) if Path(config).is_file() else known.get(config)
    if path is None:
        raise SettingsError(f"there is no recipe '{config}' ({nearest(config, known)})")
    values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--set {text}: write name=value, as in epochs=3")
        values[name] = yaml.safe_load(value)
    for name in values:
        if name not in kind.model_fields:
            raise SettingsError(f"{path}: a {trainer} recipe has no '{name}' ({nearest(name, kind.model_fields)})")
    try:
        return kind(**values)
    except ValidationError as error:
        raise SettingsError(f"{path}: {plain(error)}") from error
