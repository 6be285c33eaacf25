"""Splits: what sources call them, and how a set without one is divided."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vdesc.errors import SettingsError

SPLITS = ("train", "val", "test")
_NAMES = {"train": "train", "training": "train", "restval": "train", "val": "val", "valid": "val", "validate": "val",
          "validation": "val", "dev": "val", "test": "test", "testing": "test"}  # fmt: skip


def known(name: str) -> str | None:
    """The split that a source means by a name such as `restval`, `dev` or `train2017`; None where it means none."""
    return _NAMES.get(re.sub(r"[\W\d_]+$", "", name.strip().lower()))


def in_name(path: Path) -> str:
    """The split that a file's name begins to name, as in `captions_val2017.json`; "" for none."""
    found = re.findall(r"(?<![a-z])(train|val|dev|test)", path.name.lower())
    return _NAMES[found[0]] if found else ""


def by_file(paths: Sequence[Path]) -> dict[Path, str]:
    """The split of each file of a set, by its name; "" for all where they are not files of different splits."""
    splits = {path: in_name(path) for path in paths}
    return splits if len(set(splits.values())) > 1 and all(splits.values()) else dict.fromkeys(paths, "")


@dataclass(frozen=True, slots=True)
class Shares:
    """The parts of a set without a split that become `val` and `test`, each 0..1; the rest is `train`."""

    val: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        if min(self.val, self.test) < 0 or self.val + self.test > 1:
            raise SettingsError(f"--val {self.val} and --test {self.test} are no parts of a whole: give 0.1 and 0.1")

    def split(self, group: str) -> str:
        """The split of everything that belongs to a photo or video of that name: the same in every run and table."""
        place = int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64
        if place < self.test:
            return "test"
        return "val" if place < self.test + self.val else "train"

    def __str__(self) -> str:
        return " / ".join(f"{100 * share:g}" for share in (1 - self.val - self.test, self.val, self.test))
