"""Votes as a selector's examples: what a person chose on the page of `vdesc compare` is true, what lost to it is not.

A vote tells which candidate is the best and nothing of the others' order, so the chosen one alone counts. Each person's
vote is an example of its own: where they are not of one mind the selector learns the share of each.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from vdesc.document import decode
from vdesc.errors import InputError

from .sft import Example, context_of
from .sft_sources import Gathering
from .splits import Shares

SCHEMA, VERSION = "vdesc.votes", 1
STEP = "export the votes again from the page of vdesc compare"


@dataclass(frozen=True, slots=True)
class _Candidate:
    label: str
    text: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class _Vote:
    slot: int
    candidates: tuple[_Candidate, ...]
    chosen: str | None
    evidence: tuple[dict[str, Any], ...] = ()

    def example(self, name: str, split: str) -> Example:
        """The vote as an example. Raises `ValueError` where it cannot be one."""
        best = next((candidate for candidate in self.candidates if candidate.label == self.chosen), None)
        if best is None and self.chosen is not None:
            raise ValueError(f"in slot {self.slot} '{self.chosen}' is chosen, which said nothing there")
        texts = tuple(dict.fromkeys(one.text for one in self.candidates if one.text.strip()))
        truth = (best.text,) if best and best.text in texts else ()
        return Example(name, split, best.language if best else "en", context_of(self.evidence), texts, truth)


@dataclass(frozen=True, slots=True)
class _Video:
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Ballot:
    """The votes of one person for one video."""

    video: _Video
    votes: tuple[_Vote, ...]
    voter: str = ""


def is_votes(path: Path) -> bool:
    """Whether a file is, or by its name should be, one of votes."""
    if path.name.endswith(".votes.json") or not path.is_file():
        return path.name.endswith(".votes.json")
    with path.open("rb") as file:
        return f'"{SCHEMA}"'.encode() in file.read(4096)


def from_votes(sources: Sequence[Path], shares: Shares) -> Gathering:
    """An example of each vote in some files that the page exported.

    Where somebody who gave a name voted twice on the same candidates of a slot, the vote in the later source counts.

    Args:
        shares: how videos, or the slots of a single one, are divided into splits.
    Raises:
        InputError: a source is no file of votes.
    """
    ballots = {path.resolve(): _read(path) for path in sources}
    several = len({ballot.video.digest for ballot in ballots.values()}) > 1
    votes: dict[Any, Example] = {}
    gathering, times = Gathering(), Counter[str]()
    for path, ballot in ballots.items():
        stem = Path(ballot.video.name).stem
        for vote in ballot.votes:
            name = f"{stem}/{vote.slot}"
            split = shares.split(ballot.video.digest if several else name)
            example = _made(path, vote, name, split)
            key = (ballot.video.digest, vote.slot, ballot.voter.strip() or path, frozenset(example.candidates))
            if votes.pop(key, None):
                gathering.reject("voted anew by the same person", name)
            votes[key] = example
    for example in votes.values():
        times[example.id] += 1
        number = f"#{times[example.id]}" * (times[example.id] > 1)
        gathering.take(replace(example, id=example.id + number))
    return gathering


def _made(path: Path, vote: _Vote, name: str, split: str) -> Example:
    try:
        return vote.example(name, split)
    except (ValueError, KeyError, TypeError) as error:
        raise _broken(path, str(error)) from error


def _read(path: Path) -> _Ballot:
    """The votes in a file. Raises `InputError`."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise _broken(path, "it is not JSON") from error
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        raise InputError(f"{path} is no file of votes: give votes alone, or descriptions with --truth")
    if (version := value.get("version")) != VERSION:
        raise InputError(f"{path} holds votes of version {version!r}, this vdesc reads {VERSION}: {STEP}")
    try:
        return decode(_Ballot, value)
    except ValidationError as error:
        first = error.errors()[0]
        raise _broken(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _broken(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is no whole file of votes ({reason}): {STEP}")
