"""What the plugins that run a clipgpt model have in common. Light to import."""

from __future__ import annotations

from typing import Any

from vdesc import Picture, Slot

from . import checkpoint


class WithModel:
    """A plugin whose option `model` names a clipgpt model; `load` sets `model` and `features`."""

    options: Any

    def close(self) -> None:
        """Lets the model go."""
        self.__dict__.pop("model", None)
        self.__dict__.pop("features", None)

    def fingerprint(self) -> str:
        """The SHA-256 of the model's files; the name of a model without weights. Raises `ModelError`."""
        if not hasattr(self, "_fingerprint"):
            self._fingerprint = checkpoint.fingerprint(self.options.model)
        return self._fingerprint


def views(slot: Slot, pictures: int) -> list[Picture]:
    """The keyframes that a model of so many `pictures` looks at: the one nearest the slot's middle, or an even spread.

    Of two that are equally near it is the sharper one.
    """
    keyframes = slot.keyframes
    if pictures == 1:
        middle = slot.span.middle
        return [min(keyframes, key=lambda keyframe: (abs(keyframe.at - middle), -keyframe.sharpness)).image]
    return [keyframes[(2 * i + 1) * len(keyframes) // (2 * pictures)].image for i in range(pictures)]
