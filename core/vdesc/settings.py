"""The settings of a run: their defaults, and how flag, file and preset are laid over them.

flag (`--set clipgpt.beam=5`) > `--config file.yaml` > preset in `configs/` > the defaults below
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from .errors import SettingsError, nearest

WEIGHTS = {"confidence": 1.0, "alignment": 2.0, "match": 0.5, "grounding": 1.0, "novelty": 0.5}


class Section(BaseModel):
    """Base of all settings: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Ranking(Section):
    """How candidates are weighed and neighbours merged."""

    weights: dict[str, float] = Field(
        WEIGHTS, description="Weight of each score; a score that nobody gave is left out of the mean."
    )
    merge: float | None = Field(
        0.8, ge=0, le=1, description="Neighbours at least this similar become one cue; null never merges."
    )
    similarity: str = Field(
        "auto",
        description="`tokens`, a sentence-transformers model by name or folder, a ranker of the run that can compare "
        "sentences (match, alignment), or `auto`: all-MiniLM-L6-v2 where it is installed or cached, else tokens.",
    )

    @field_validator("weights")
    @classmethod
    def _over_defaults(cls, weights: dict[str, float]) -> dict[str, float]:
        if not all(0 <= weight < math.inf for weight in weights.values()):
            raise ValueError("a weight must be a number from 0 up")
        return WEIGHTS | weights


class Timing(Section):
    """How long cues stay."""

    profile: str = Field("netflix", description="A timing profile: netflix, bbc, korean, none.")


class Slots(Section):
    """How the video is divided into stretches that want words."""

    shortest: int = Field(1000, ge=0, description="Shorter stretches are joined with a neighbour, in milliseconds.")


class Settings(Section):
    """Everything that decides what a run gives."""

    keyframes: str = Field("shots", description="How frames are chosen: shots, uniform:N, every:2s, or a plugin.")
    plugins: tuple[str, ...] = Field(("clipgpt",), description="Captioners, observers and rankers, by name.")
    formats: tuple[str, ...] = Field(("srt", "json"), description="What is written: srt, vtt, json, txt, html, frames.")
    candidates: int = Field(3, ge=1, le=50, description="Candidates asked of each captioner for a slot.")
    speech: str = Field("", description="A transcript (SRT, VTT, JSON) to take speech from, in place of listening.")
    language: str = Field("en", description="The language of the words, as a BCP 47 tag.")
    device: str = Field("auto", description="A torch device, or auto: cuda, then mps, then cpu.")
    slots: Slots = Slots()
    ranking: Ranking = Ranking()
    timing: Timing = Timing()
    options: dict[str, dict[str, Any]] = Field({}, description="Options of plugins, by plugin name.")


def layered(
    config: str | Path | None = None, flags: Mapping[str, Any] | None = None, sets: Iterable[str] = ()
) -> Settings:
    """The effective settings.

    Args:
        config: a YAML file, or the name of a preset.
        flags: settings given as flags of their own; None values were not given.
        sets: `name.option=value` each; the value is read as YAML; the name is a section or a plugin.
    Raises:
        SettingsError: a file that cannot be read, an unknown key (with the nearest one), a value out of range.
    """
    values = read(config) if config else {}
    checked(values, str(config))  # so that a wrong flag is not blamed on the file
    for name, value in (flags or {}).items():
        if value is not None:
            values[name] = value
    for text in sets:
        _set(values, text)
    return checked(values, "settings")


def checked(values: Mapping[str, Any], source: str) -> Settings:
    """Settings from plain values, or a `SettingsError` that names the source and the key."""
    _known(values, Settings, source)
    try:
        return Settings(**values)
    except ValidationError as error:
        from .registry import plain

        raise SettingsError(f"{source}: {plain(error)}") from error


def read(config: str | Path) -> dict[str, Any]:
    """The values of a YAML file, or of a preset by name."""
    path = Path(config)
    if not path.is_file():
        path = presets().get(str(config), path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"there is no file or preset '{config}' ({nearest(str(config), presets())})") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise SettingsError(f"cannot read settings from {where}: {str(error).splitlines()[0]}") from error
    if not isinstance(values or {}, dict):
        raise SettingsError(f"{path} holds no settings: it must map names to values")
    return values or {}


def presets() -> dict[str, Path]:
    """The presets that ship, by name."""
    return {path.stem: path for path in sorted(configs().glob("*.yaml"))}


def configs() -> Path:
    """The folder of presets and recipes: inside the installed package, or beside the source root."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "configs"


def _known(values: Mapping[str, Any], section: type[BaseModel], source: str, prefix: str = "") -> None:
    for key, value in values.items():
        if key not in section.model_fields:
            raise SettingsError(
                f"{source}: unknown setting '{prefix}{key}' ({nearest(str(key), section.model_fields)})"
            )
        inner = section.model_fields[key].annotation
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            _known(value, inner, source, f"{prefix}{key}.")


def _set(values: dict[str, Any], text: str) -> None:
    def place(parts: list[str]) -> list[str]:
        return ["options", *parts] if len(parts) > 1 and parts[0] not in Settings.model_fields else parts

    assign(values, text, "name.option=value, as in clipgpt.temperature=0.7", place)


def assign(
    values: dict[str, Any], text: str, form: str, place: Callable[[list[str]], list[str]] = lambda parts: parts
) -> None:
    """Lays `a.b=value`, the value read as YAML, over `values`; `place` may lead the path elsewhere.

    Raises `SettingsError` that tells the `form` where the text has another.
    """
    path, equals, raw = text.partition("=")
    parts = path.strip().split(".")
    if not equals or not all(parts):
        raise SettingsError(f"--set {text}: write {form}")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {text}: the value is not readable") from error
    *tables, last = place(parts)
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"--set {text}: {table} has no parts")
        values = inner
    values[last] = value
