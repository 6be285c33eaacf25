"""The feature store: what an encoder makes of a table's pictures, on disk in shards, each item under its id.

    <table>/features/<name>/00000.safetensors ...   one tensor an item; each shard says what it was made with
    <table>/features/<name>/index.json              written last: which shard holds which item

Knows files and tensors, nothing of encoders or tables.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from vdesc.errors import InputError
from vdesc.files import write_atomic

INDEX = "index.json"
SHARD_BYTES, SHARD_ITEMS = 64 << 20, 4096  # what a killed run may lose; what a shard's header may list


class FeatureWriter:
    """Writes the features of a table's items; a run that was killed goes on after its last whole shard.

    Args:
        folder: the table's.
        name: a key of the encoder and its preprocessing.
        about: JSON-able: everything that the features depend on.
    Attributes:
        done: the ids that are stored; ask for it before encoding an item.
    Raises:
        InputError: the folder has features of that name that were made with another `about`, or a damaged shard.
        OutputError: they cannot be written; what was stored before stays.
    """

    def __init__(self, folder: Path, name: str, about: dict[str, Any]):
        self.place, self.about = _place(folder, name), _plain(about)
        self._shard_of: dict[str, int] = {}
        self._waiting: dict[str, Tensor] = {}
        self._bytes = 0
        for path in sorted(self.place.glob("[0-9]*.safetensors")):
            with _opened(path) as shard:
                _check(path, json.loads((shard.metadata() or {}).get("about", "null")), self.about)
                self._shard_of.update(dict.fromkeys(shard.keys(), int(path.stem)))
        self.done = set(self._shard_of)

    def put(self, id: str, features: Tensor) -> None:
        """Takes an item's features, to be stored in their own dtype.

        Args:
            id: the item's; a second time is a `ValueError`.
            features: (rows, tokens, width); rows are the augmented views of a photo, or the frames of a video.
        """
        if features.ndim != 3 or id in self.done:
            raise ValueError(f"features of '{id}' have shape {tuple(features.shape)}, or were put before")
        self._waiting[id] = features.detach().cpu().clone(memory_format=torch.contiguous_format)
        self.done.add(id)
        self._bytes += features.nbytes
        if self._bytes >= SHARD_BYTES or len(self._waiting) >= SHARD_ITEMS:
            self._flush()

    def close(self) -> None:
        """Stores what is left and marks the features as whole."""
        self._flush()
        index = {"about": self.about, "shards": self._shard_of}
        write_atomic(self.place / INDEX, json.dumps(index, ensure_ascii=False))

    def __enter__(self) -> "FeatureWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            with contextlib.suppress(Exception):  # what stopped the run is the news; the rest is only work to save
                self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        number = max(self._shard_of.values(), default=-1) + 1
        data = save(self._waiting, {"about": json.dumps(self.about)})
        write_atomic(self.place / f"{number:05}.safetensors", data)
        self._shard_of.update(dict.fromkeys(self._waiting, number))
        self._waiting.clear()
        self._bytes = 0


class FeatureStore:
    """The features of a table's items; nothing is read before it is asked for.

    May be handed to the worker processes of a `DataLoader`: each opens the shards for itself.

    Args:
        folder: the table's.
        name: the key that they were written under.
        about: where given, what they must have been made with.
    Raises:
        InputError: there are none, they are not whole, damaged, or were made with another `about`.
    """

    def __init__(self, folder: Path, name: str, about: dict[str, Any] | None = None):
        self.place = _place(folder, name)
        try:
            index = json.loads((self.place / INDEX).read_bytes())
            self.about, self._shard_of = index["about"], index["shards"]
        except OSError as error:
            begun = any(self.place.glob("[0-9]*.safetensors"))
            state = "not whole: run what makes them again, it goes on" if begun else "not there: make them first"
            raise InputError(f"the features in {self.place} are {state}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.place / INDEX} is damaged: remove {self.place}, make the features again"
            ) from error
        if about is not None:
            _check(self.place, self.about, _plain(about))
        self._open: dict[int, Any] = {}
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self._shard_of)

    def __contains__(self, id: object) -> bool:
        return id in self._shard_of

    def get(self, id: str) -> Tensor:
        """The features (rows, tokens, width) of an item, in the dtype they were stored in. Raises `InputError`."""
        if id not in self._shard_of:
            raise InputError(f"{self.place} has no features of '{id}': make them again for this table")
        number = self._shard_of[id]
        try:
            return self._shard(number).get_tensor(id)
        except SafetensorError as error:
            raise InputError(
                f"shard {number} of {self.place} is damaged: remove it, make the features again"
            ) from error

    def _shard(self, number: int) -> Any:
        if self._process != os.getpid():
            self._open, self._process = {}, os.getpid()
        if number not in self._open:
            self._open[number] = _opened(self.place / f"{number:05}.safetensors")
        return self._open[number]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}


def _place(folder: Path, name: str) -> Path:
    return folder / "features" / name


def _plain(about: dict[str, Any]) -> dict[str, Any]:
    """As it will be read back."""
    return json.loads(json.dumps(about))


def _check(path: Path, found: Any, wanted: dict[str, Any]) -> None:
    if found != wanted:
        found = found if isinstance(found, dict) else {}
        keys = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
        raise InputError(
            f"the features in {path} were made with other {', '.join(keys)}: remove them or use another name"
        )


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is missing or damaged: remove it, make the features again") from error
