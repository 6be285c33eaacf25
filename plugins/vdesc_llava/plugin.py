"""The captioner `llava`: slots in, answers out. Nothing heavy is imported before `load`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from vdesc import Candidate, ModelError, PluginError, Slot
from vdesc.hub import model_folder
from vdesc.prompted import AGAIN, Answer, Prompted

from .places import PATTERNS, identity

if TYPE_CHECKING:
    from .features import Clip


class Llava(Prompted):
    """Captions from a vision tower, a projector and a large language model, of several pictures and the evidence."""

    name = "llava"
    shorthand = "model"
    extra = "llm"

    class Options(Prompted.Options):
        """How the model is chosen, asked, and speaks."""

        model: str = Field("", description="The model: a folder that `vdesc train llava` made, or a hub id.")
        beams: int = Field(
            1, ge=1, le=32, description="Beam width; 1 is greedy. It grows to the number of candidates asked for."
        )
        temperature: float = Field(
            0.0, ge=0, le=10, description="Above 0: sample at this temperature instead of searching with beams."
        )
        top_p: float = Field(
            1.0, gt=0, le=1, description="Sampling keeps the likeliest tokens that reach this probability together."
        )
        seed: int = Field(0, ge=0, lt=2**31, description="Sampling gives the same captions for the same seed.")
        repetition_penalty: float = Field(
            1.0, ge=1, le=10, description="Above 1: tokens that a caption has become less likely in the rest of it."
        )
        max_tokens: int | None = Field(
            None, ge=1, le=4096, description="The longest answer in tokens; unset: what the model was trained for."
        )
        bits: Literal[4, 8] | None = Field(
            None, description="Loads the language model in 4 or 8 bits, with bitsandbytes; unset: as it is."
        )

    def load(self, device: str) -> None:
        """Reads prompts and model. Raises `SettingsError`, `ModelError`, `MissingExtra`."""
        super().load(device)
        folder = self._folder()
        from . import checkpoint
        from .features import Features

        self.model = checkpoint.load(folder, device, self.options.bits, merge=self.options.bits is None)
        self.features = Features(self.model, [self._identity()])

    def close(self) -> None:
        """Lets the model go."""
        self.__dict__.pop("model", None)
        self.__dict__.pop("features", None)

    def fingerprint(self) -> str:
        """A digest of the files of model, bases and prompts (`places.identity`). Raises `ModelError`, `InputError`."""
        return self._identity() + super().fingerprint()

    @property
    def style(self) -> str:
        """The style in force: unless the person names one, that of the training."""
        return self.options.style or self.model.config.style

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        """Up to `n` different sentences a slot, best first.

        `confidence` is exp(mean log-probability of the tokens). The model sees its number of keyframes, spread evenly
        over the slot, repeated where there are fewer.
        """
        made_for = self.model.config.language
        if self.language.lower().split("-")[0] != made_for.lower().split("-")[0]:
            self.note(f"the model was trained for '{made_for}': its words in '{self.language}' may be poor", "warning")
        return super().propose(slots, n)

    def see(self, slots: Sequence[Slot]) -> Sequence[Clip]:
        """The clips of slots."""
        return self.features.of(slots, self.cache)

    def say(self, shown: Sequence[Clip], asked: Sequence[str], n: int, again: bool) -> list[list[Answer]]:
        """Up to `n` answers to each prompt, best first. Raises `PluginError` where memory does not suffice."""
        import torch

        how = self._how(again)
        features = torch.stack([clip.features for clip in shown])
        times = torch.tensor([clip.times for clip in shown])
        numbers = [clip.number for clip in shown]
        try:
            said = self.model.generate(features, list(asked), n=n, times=times, numbers=numbers, **how)
        except torch.OutOfMemoryError as error:
            raise PluginError(
                f"llava: the memory of {self.model.device} does not hold {len(shown)} slots at once: "
                f"--set llava.batch={max(1, len(shown) // 2)}, or --set llava.bits=4"
            ) from error
        return [
            [Answer(one.text, round(math.exp(min(one.logprob, 0.0)), 6), one.finished) for one in some] for some in said
        ]

    def tokens(self, text: str) -> int:
        """How many tokens of the LLM a text has, as data."""
        return len(self.model.dialogue.data(text))

    def parameters(self) -> int:
        """Weights of tower, projector and LLM."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def _how(self, again: bool) -> dict[str, Any]:
        """The arguments of `generate` that say how words are chosen."""
        asked = self.options
        how = dict(
            beams=asked.beams, sample=again or asked.temperature > 0, temperature=asked.temperature or 1.0,
            top_p=asked.top_p, repetition_penalty=asked.repetition_penalty, max_tokens=asked.max_tokens,
            seed=asked.seed + again,
        )  # fmt: skip
        if not again:
            return how
        return how | dict(
            temperature=max(asked.temperature, AGAIN["temperature"]), top_p=min(asked.top_p, AGAIN["top_p"]),
            repetition_penalty=max(asked.repetition_penalty, AGAIN["repetition_penalty"]),
        )  # fmt: skip

    def _folder(self) -> Any:
        if not self.options.model:
            raise ModelError(
                "llava: no model is named: train one with vdesc train llava, then --set llava.model=FOLDER, or a hub id"
            )
        return model_folder(self.options.model, "llava", PATTERNS)

    def _identity(self) -> str:
        """What the model's files are, and its bases'."""
        if not hasattr(self, "_known"):
            self._known = identity(self._folder())
        return self._known
