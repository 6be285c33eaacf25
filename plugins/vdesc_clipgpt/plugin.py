"""The captioner `clipgpt`: slots in, sentences out. Nothing heavy is imported before `load`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field
from vdesc import Candidate, Captioner, ModelError, Slot

from . import checkpoint
from .catalogue import PUBLIC
from .shared import WithModel, views


class ClipGPT(WithModel, Captioner):
    """Captions from a vision encoder, a prefix mapper and GPT-2; a small trained model comes with it."""

    name = "clipgpt"
    shorthand = "model"

    class Options(Captioner.Options):
        """How the model is chosen and how it speaks."""

        model: str = Field(
            "mini",
            min_length=1,
            description="The model: mini (comes with vdesc), a public checkpoint that is fetched once "
            f"({', '.join(PUBLIC)}), a model folder, a hub id such as owner/name, or a file of clip-gpt-captioning, "
            "ClipCap or NYU's CLIPVideoCap; S and L are untrained architectures for benchmarks and training.",
        )
        beam: int | None = Field(
            None,
            ge=1,
            le=32,
            description="Beam width; 1 is greedy; unset: what the model is made for. It grows to the number of "
            "candidates asked for.",
        )
        temperature: float = Field(
            0.0, ge=0, le=10, description="Above 0: sample at this temperature instead of searching with beams."
        )
        top_p: float = Field(
            1.0, gt=0, le=1, description="Sampling keeps the likeliest words that reach this probability together."
        )
        seed: int = Field(0, ge=0, lt=2**31, description="Sampling gives the same captions for the same seed.")
        max_tokens: int | None = Field(
            None, ge=1, le=512, description="The longest caption in tokens; unset: what the model was trained for."
        )
        repetition_penalty: float = Field(
            1.0, ge=1, le=10, description="Above 1: words already said become less likely."
        )
        no_repeat: int | None = Field(
            None,
            ge=0,
            le=20,
            description="No run of so many tokens is said twice; 0 allows it; unset: what the model is made for.",
        )
        batch: int = Field(32, ge=1, le=1024, description="How many slots are captioned at once.")
        precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
            "auto",
            description="Number format: auto is float32 on a CPU and bfloat16 on a GPU that has it; int8 is the fast "
            "mode of a CPU.",
        )

    def load(self, device: str) -> None:
        """Reads the model. Raises `ModelError` where it is missing, does not match, or is not safe to load."""
        from .features import Features

        options = self.options
        self.model: Any
        self.model, self.tokenizer = checkpoint.load_model(options.model)
        precision = _precision(options.precision, device)
        if precision == "int8":
            _to_int8(self.model, device)
        else:
            import torch

            self.model.to(device).to(getattr(torch, precision))
        self.features = Features(self.model, [self.fingerprint(), precision, device], options.batch)

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        """Up to `n` different sentences a slot, best first.

        `confidence` is exp(mean log-probability of the tokens): the geometric mean of the model's own probability of
        each word piece, whatever the length. A model of one picture sees the keyframe in the middle of the slot, a
        model of several sees keyframes spread evenly over it, repeated where there are too few.
        """
        if self.options.model in checkpoint.UNTRAINED:
            self.note(f"the model '{self.options.model}' is untrained: its captions mean nothing", "warning")
        if self.language.split("-")[0] != self.model.config.language.split("-")[0]:
            self.note(f"the model '{self.options.model}' speaks '{self.model.config.language}' only", "warning")
        seen = [slot for slot in slots if slot.keyframes]
        if len(seen) < len(slots):
            self.note(f"{len(slots) - len(seen)} slots without a keyframe got no caption", "warning")
        shown = [picture for slot in seen for picture in views(slot, self.model.pictures)]
        features = self.features.of(shown, self.cache)
        empty = 0
        for start in range(0, len(seen), self.options.batch):
            part = slice(start, start + self.options.batch)
            for slot, sentences in zip(seen[part], self._say(seen[part], features[part], n), strict=True):
                empty += "" in sentences
                for text, score in sentences.items():
                    if text:
                        yield Candidate(slot.index, text, self.name, self.model.config.language, score)
        if empty:
            self.note(f"for {empty} slots the model had candidates without words, which were dropped")

    def tokens(self, text: str) -> int:
        """How many word pieces of GPT-2 a text has."""
        return len(self.tokenizer(text)["input_ids"])

    def parameters(self) -> int:
        """Weights of encoder, mapper and decoder."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def _say(self, slots: Sequence[Slot], features: Any, n: int) -> list[dict[str, float]]:
        """Sentences and their confidence for each slot, best first; of equal ones the best."""
        import torch

        from . import words
        from .decoding import Decoding, decode, read

        options, config = self.options, self.model.config
        how = Decoding(
            options.beam or config.beams, options.temperature, options.top_p, options.repetition_penalty,
            config.no_repeat if options.no_repeat is None else options.no_repeat,
            options.max_tokens or config.max_tokens, options.seed,
        )  # fmt: skip
        with torch.inference_mode():
            prefix = self.model.map(features.to(self.model.device, self.model.dtype))
        tokens, scores = decode(self.model, prefix, how, n, [slot.index for slot in slots])
        said: list[dict[str, float]] = []
        shown = words.verbatim if config.text == "verbatim" else words.sentence
        for ids, values in zip(tokens, scores.tolist(), strict=True):
            texts = [shown(text) for text in read(self.model, self.tokenizer, ids)]
            said.append({})
            for text, value in zip(texts, values, strict=True):
                said[-1].setdefault(text, round(math.exp(min(value, 0.0)), 6))
        return said


def _precision(wanted: str, device: str) -> str:
    import torch

    if wanted != "auto":
        return wanted
    return "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"


def _to_int8(model: Any, device: str) -> None:
    from .int8 import quantize

    if device != "cpu":
        raise ModelError(f"clipgpt: precision int8 works on the CPU only, not on '{device}': use --device cpu or auto")
    quantize(model.encoder)
    quantize(model.decoder)
