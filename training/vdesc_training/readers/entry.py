"""What a reader says of an item, before anybody has looked at its picture."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Encoded:
    """Image features that a source brings: for the feature store.

    Args:
        name: the key of the encoder and its preprocessing.
        about: JSON-able: what they were made with.
        read: gives them, as (rows, tokens, width).
    """

    name: str
    about: dict[str, Any]
    read: Callable[[], "Tensor"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An item, or one caption of it: entries of one id that show the same are put together.

    Args:
        id: of the item.
        captions: as the source has them.
        split: as the source calls it; "" where it says nothing.
        photo: the photo's name or path; "" for none.
        video: the video's name; "" for none.
        span: the stretch of the video, in milliseconds.
        beside: the folder that names are relative to, where the source says so.
        encoded: features of it.
    """

    id: str
    captions: tuple[str, ...]
    split: str = ""
    photo: str = ""
    video: str = ""
    span: tuple[int, int] | None = None
    beside: Path | None = None
    encoded: Encoded | None = None

    @property
    def group(self) -> str:
        """What must not be divided by a split: the video, the photo; of words alone, the words."""
        return self.video or (self.id if self.photo or self.encoded else self.captions[0].casefold())
