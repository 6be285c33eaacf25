"""Batches of a table's clips with their captions, as llava's training reads them."""

import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vdesc_training.captioning import moments
from vdesc_training.features import FeatureStore
from vdesc_training.lessons import Lessons, opened
from vdesc_training.table import Item

from ..features import spread
from ..model import LlavaModel
from ..pixels import fit, tensor


class Pixels:
    """Pixels of a clip's frames: (frames, 3, size, size), fitted as inference fits them."""

    key = "pixels"

    def __init__(self, folder: Path, model: LlavaModel):
        self.folder, self.settings, self.frames = folder, model.config.image, model.config.frames

    def plain(self, item: Item) -> Tensor:
        """The frames. Raises `InputError`."""
        distinct = {
            name: tensor(fit(opened(self.folder / name), self.settings), self.settings)
            for name in dict.fromkeys(spread(item.images, self.frames))
        }
        return torch.stack([distinct[name] for name in spread(item.images, self.frames)])

    def varied(self, item: Item, chance: random.Random) -> Tensor:
        """The same: a caption of a clip may name what a crop would cut away."""
        return self.plain(item)


class Stored:
    """Features of clips from a store: (frames, patches, width)."""

    key = "features"

    def __init__(self, store: FeatureStore, frames: int):
        self.store, self.frames = store, frames

    def plain(self, item: Item) -> Tensor:
        """The features. Raises `InputError`."""
        rows = self.store.get(item.id)
        return rows if len(rows) == self.frames else rows[spread(range(len(rows)), self.frames)]

    def varied(self, item: Item, chance: random.Random) -> Tensor:
        """The same."""
        return self.plain(item)


class Clips(Lessons):
    """Lessons that know when their frames are."""

    frames: int

    def row(self, number: int, epoch: int | None = None) -> dict[str, Any]:
        """See `Lessons`; beside it the `times` of the frames. Raises `InputError`."""
        return super().row(number, epoch) | {"times": times(self.items[number], self.frames)}


def times(item: Item, frames: int) -> Tensor:
    """Seconds (frames,) of an item's frames from where it starts; a clip without pictures has them evenly."""
    length, at = moments(item)
    at = at or tuple((2 * i + 1) * length // (2 * frames) for i in range(frames))
    return torch.tensor([moment / 1000 for moment in spread(at, frames)])


def encoded(captions: Sequence[Sequence[str]], model: LlavaModel) -> list[list[list[int]]]:
    """Token ids of each item's captions, each ended by the end of the turn, however long they are."""
    return [[model.answer_ids(caption) for caption in some] for some in captions]


def longest(ids: Sequence[Sequence[Sequence[int]]], whole: float) -> tuple[int, float]:
    """How long captions may be so that the share `whole` of them is, and the share that is longer."""
    lengths = sorted(len(caption) for some in ids for caption in some)
    most = lengths[min(len(lengths) - 1, math.ceil(whole * len(lengths)) - 1)]
    return most, sum(length > most for length in lengths) / len(lengths)


def cut(ids: Sequence[Sequence[Sequence[int]]], most: int) -> list[list[list[int]]]:
    """The captions, cut after so many tokens; what is cut has no end, so that none is taught in the middle."""
    return [[list(caption[:most]) for caption in some] for some in ids]


def collate(rows: list[dict[str, Any]], prompt: Sequence[int], pad: int) -> dict[str, Any]:
    """Lessons as one batch, a row a caption: the input under its source's key, `times`, `input_ids`, `labels`,
    `attention_mask`, the `owner` of each row, and what is `broken`.

    Rows are padded on the right; labels are -100 on the prompt and on what is padded.
    """
    broken = [text for row in rows for text in row.get("broken", ())]
    rows = [row for row in rows if "id" in row]
    if not rows:
        return {"broken": broken}
    pairs = [(row, ids) for row in rows for ids in row["captions"]]
    owner = torch.tensor([number for number, row in enumerate(rows) for _ in row["captions"]])
    length = len(prompt) + max(len(ids) for _, ids in pairs)
    input_ids, labels = torch.full((len(pairs), length), pad), torch.full((len(pairs), length), -100)
    mask = torch.zeros(len(pairs), length, dtype=torch.long)
    for i, (_, ids) in enumerate(pairs):
        end = len(prompt) + len(ids)
        input_ids[i, :end], mask[i, :end] = torch.tensor([*prompt, *ids]), 1
        labels[i, len(prompt) : end] = torch.tensor(ids)
    key = next(key for key in (Stored.key, Pixels.key) if key in rows[0])
    seen = {name: torch.stack([row[name] for row, _ in pairs]) for name in (key, "times")}
    return seen | {"input_ids": input_ids, "labels": labels, "attention_mask": mask, "owner": owner, "broken": broken}


def collator(model: LlavaModel, instruction: str) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
    """`collate` for a model that is asked so."""
    pad = model.tokenizer.pad_token_id
    return partial(collate, prompt=model.prompt_ids(instruction), pad=model.dialogue.end if pad is None else pad)
