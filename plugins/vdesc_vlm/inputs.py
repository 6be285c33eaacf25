"""Inputs of a model: pictures and prompts through its own processor and chat template. Knows no weights."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from vdesc import ModelError, SettingsError
from vdesc.pretrained import quietly

from . import lens
from .quiet import told
from .showing import Shown

GREY = (112, 112)
"""Width and height of the pictures that a processor is tried with."""


class Inputs:
    """Makes inputs through a processor, padded on the left.

    Args:
        processor: as `AutoProcessor` gives it.
        name: of the model, for errors.
        video: whether the pictures of a slot are given as a video.
    Raises:
        ModelError: there is no chat template, or the processor fails at a picture.
        SettingsError: it takes no video.

    Attributes:
        several: whether it takes several pictures in one prompt.
        lens: whether its template has slots for what was seen in a picture.
    """

    def __init__(self, processor: Any, name: str, video: bool = False):
        self.processor, self.tokenizer, self.name, self.video = processor, processor.tokenizer, name, video
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if not getattr(processor, "chat_template", None):  # some have it with their tokenizer
            processor.chat_template = getattr(self.tokenizer, "chat_template", None)
        if not processor.chat_template:
            raise ModelError(
                f"vlm: '{name}' has no chat template, so it is not known how it is asked: name the variant of it that "
                "follows instructions"
            )
        self._template = str(processor.chat_template)
        self.lens = lens.used(self._template) and not video
        self._tried()
        self.several = video or self._several()

    def __call__(self, shown: Sequence[Shown], asked: Sequence[str]) -> Any:
        """What the model's `generate` takes, on the CPU, a row a prompt; each `shown` has pictures."""
        return self._made([self._message(*pair) for pair in zip(shown, asked, strict=True)], shown)

    def count(self, text: str) -> int:
        """How many tokens the text has."""
        return len(self._ids(text))

    def safe_count(self, text: str) -> float:
        """How many tokens the text has; infinitely many where the tokenizer takes some of it for more than text."""
        return math.inf if self.special(text) else self.count(text)

    def special(self, text: str) -> int:
        """How many tokens that are no text the tokenizer finds in it."""
        return sum(number in self._added for number in self._ids(text))

    @cached_property
    def _added(self) -> frozenset[int]:
        added = self.tokenizer.added_tokens_decoder.items()
        spelt = (number for number, token in added if str(token).replace("\u2581", " ").strip())  # Gemma adds spaces
        return frozenset(spelt) | frozenset(self.tokenizer.all_special_ids)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _message(self, shown: Shown, asked: str) -> list[dict[str, Any]]:
        told = shown.lens or ({},) * len(shown.pictures)
        if self.video:
            parts: list[dict[str, Any]] = [{"type": "video", "video": _frames(shown)}]
        else:
            pairs = zip(shown.pictures, told, strict=True)
            parts = [{"type": "image", "image": picture, **slots} for picture, slots in pairs]
        return [{"role": "user", "content": [*parts, {"type": "text", "text": asked}]}]

    def _made(self, messages: list[Any], shown: Sequence[Shown]) -> Any:
        more: dict[str, Any] = {"padding": True}
        if self.video:
            more |= {"do_sample_frames": False, "video_metadata": [_metadata(one) for one in shown]}
        if "processor_kwargs" in inspect.signature(self.processor.apply_chat_template).parameters:
            more = {"processor_kwargs": more}
        thinking = {"enable_thinking": False} if "enable_thinking" in self._template else {}
        with quietly():
            return self.processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt", **thinking,
                **more,
            )  # fmt: skip

    def _tried(self) -> None:
        """Raises where processor or template fail at what every slot will have."""
        if self.video and getattr(self.processor, "video_processor", None) is None:
            raise SettingsError(f"vlm: '{self.name}' takes no video as such: set vlm.input=images")
        what, step = ("video", "set vlm.input=images") if self.video else ("picture", "name another model")
        with told(f"vlm: the processor of '{self.name}' fails at a {what}", step):
            self([_grey(1, self.lens)], ["?"])
            if self._spelt(1) <= self._spelt(0):
                raise ValueError("its chat template has no place for it")

    def _several(self) -> bool:
        """Whether two pictures are more than one to the processor and its template."""
        try:
            self([_grey(2, self.lens)], ["?"])
            return self._spelt(2) > self._spelt(1)
        except Exception:  # it says in its own way that it takes one
            return False

    def _spelt(self, pictures: int) -> int:
        """The characters of a prompt with so many pictures."""
        message = self._message(_grey(max(1, pictures), self.lens), "?")
        message[0]["content"] = message[0]["content"] if pictures else message[0]["content"][-1:]
        with quietly():
            return len(self.processor.apply_chat_template(message, add_generation_prompt=True))


def _grey(pictures: int, told: bool) -> Shown:
    """A slot of grey pictures, to try a processor with; `told` whether it has slots for what was seen in them."""
    from PIL import Image

    empty = (lens.EMPTY,) * pictures if told else ()
    return Shown(0, (Image.new("RGB", GREY, "grey"),) * pictures, tuple(range(pictures)), 1000, empty)


def _frames(shown: Shown) -> Any:
    """The pictures uint8 (frames, height, width, 3), of the first one's size; one alone stands twice, as a video."""
    import numpy as np

    first, *_ = shown.pictures
    some = shown.pictures if len(shown.pictures) > 1 else shown.pictures * 2
    return np.stack([np.asarray(picture.resize(first.size)) for picture in some])


def _metadata(shown: Shown) -> Any:
    """When each frame stands, in milliseconds: as frames of a video with 1000 a second."""
    from transformers.video_utils import VideoMetadata

    times = shown.times if len(shown.times) > 1 else shown.times * 2
    total = max(shown.length, times[-1] + 1)
    return VideoMetadata(
        total_num_frames=total, fps=1000.0, duration=total / 1000, frames_indices=list(times), video_backend="vdesc"
    )
