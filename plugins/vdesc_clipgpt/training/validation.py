"""Captions of a table's items, and the loss of people's captions of them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from vdesc import InputError
from vdesc_training.lessons import Lessons

from ..decoding import Decoding, decode, read
from ..matcher import lessons as matching
from ..matcher import recall
from ..model import ClipGPTModel
from .batches import collate

AT_ONCE = 50  # items that are captioned together


@torch.inference_mode()
def validate(
    model: ClipGPTModel, tokenizer: Any, lessons: Lessons, numbers: Sequence[int], how: Decoding,
    say: Callable[[str], object] = lambda text: None,
) -> tuple[dict[str, str], float, int]:  # fmt: skip
    """Captions by id, the sum of the losses of people's tokens, and how many these are.

    Args:
        model: in eval mode.
        numbers: which of the lessons.
        say: is told of each item that cannot be read, and that is left out.
    """
    said: dict[str, str] = {}
    loss, count = 0.0, 0
    for batch in map(collate, lessons.plain(numbers, AT_ONCE, say)):
        labels = batch["labels"].to(model.device)
        features = _features(model, batch)
        if features is not None:
            tokens, _ = decode(model, model.map(features).float(), how)
            texts = read(model, tokenizer, tokens[:, 0])
            said |= {id: text.strip() for id, text in zip(batch["ids"], texts, strict=True)}
        real = int((labels != -100).sum())
        loss += model(features=features, labels=labels).loss.item() * real
        count += real
    return said, loss, count


@torch.inference_mode()
def matched(model: ClipGPTModel, tokenizer: Any, lessons: Lessons, say: Callable[[str], object]) -> dict[str, float]:
    """Text-to-picture recall of the model's matcher: of each caption, among all pictures.

    Args:
        model: in eval mode.
        say: is told of each item that cannot be read, and that is left out.
    """
    matcher: Any = model.matcher
    references = {item.id: item.captions for item in lessons.items}
    pictures, texts, owner = [], [], []
    for batch in map(collate, lessons.plain(range(len(lessons)), AT_ONCE, say)):
        pictures.append(matcher.pictures(_features(model, batch)))
        for id in batch["ids"]:
            rows = matching(tokenizer, references[id], model.config.text)
            texts.append(matcher.texts(*(part.to(model.device) for part in matcher.batch(rows))))
            owner += [len(texts) - 1] * len(rows)
    if not texts:
        raise InputError("not one picture of the validation split can be read: make the table again")
    return recall(torch.cat(pictures), torch.cat(texts), torch.tensor(owner, device=model.device))


def _features(model: ClipGPTModel, batch: dict[str, Any]) -> Tensor | None:
    """Features of a batch; None for words alone."""
    if "pixels" in batch:
        return model.encode(batch["pixels"].to(model.device))
    return batch["features"].to(model.device) if "features" in batch else None
