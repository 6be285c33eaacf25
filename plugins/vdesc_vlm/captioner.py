"""The captioner `vlm`: slots in, what a vision-language model says of them out. Nothing heavy is imported at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from vdesc import Candidate, Keyframe, PluginError, Slot, Span
from vdesc.prompted import AGAIN, Answer, Prompted, chosen
from vdesc.prompts import evidence

from . import lens, loading
from .showing import Shown, gridded, sharpest, shown

if TYPE_CHECKING:
    from .decoding import Decoding

NO_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


class Vlm(Prompted):
    """Captions from any image-text-to-text model of transformers: Qwen-VL, SmolVLM, InternVL, LLaVA, Gemma 3, ..."""

    name = "vlm"
    shorthand = "model"
    extra = "llm"

    class Options(Prompted.Options):
        """How the model is chosen, what it is shown, and how it speaks."""

        model: str = Field("", description="The model: a folder, or a hub id such as HuggingFaceTB/SmolVLM-Instruct.")
        revision: str = Field(
            "", pattern=r"^[\w.-]*$", description="The commit, tag or branch of a hub model; unset: its latest."
        )
        trust_remote_code: bool = Field(
            False,
            description="Runs Python code that comes with the model, without which some cannot be loaded; a hub model "
            "then needs its commit as revision. Read that code first: it may do anything.",
        )
        adapter: str = Field("", description="A LoRA adapter for the model, in peft's format: a folder or a hub id.")
        input: Literal["images", "video"] = Field(
            "images",
            description="How the model sees the keyframes of a slot: as pictures, or as a video with their times, if "
            "it takes one.",
        )
        frames: int = Field(4, ge=1, le=64, description="Most keyframes of a slot that are shown.")
        one_picture: Literal["grid", "sharpest"] = Field(
            "grid",
            description="What a model sees that takes one picture: several keyframes in one grid, or the sharpest.",
        )
        side: int = Field(768, ge=32, le=4096, description="The longest side of a picture in pixels.")
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
        max_tokens: int = Field(128, ge=1, le=4096, description="The longest answer in tokens.")
        bits: Literal[4, 8] | None = Field(
            None, description="Loads the model in 4 or 8 bits, with bitsandbytes; unset: as precision says."
        )
        precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
            "auto", description="Number format: auto is float32 on a CPU and bfloat16 on a GPU that has it."
        )

    def load(self, device: str) -> None:
        """Reads prompts, processor and model. Raises `SettingsError`, `ModelError`, `MissingExtra`."""
        super().load(device)
        asked = self.options
        folder = loading.place(asked.model, asked.revision, asked.trust_remote_code)
        import torch  # noqa: F401 - without it transformers has no models

        from .inputs import Inputs

        processor = loading.load_processor(folder, asked.model, asked.trust_remote_code)
        self.inputs = Inputs(processor, asked.model, asked.input == "video")
        self.model: Any = loading.load_model(
            folder, asked.model, asked.trust_remote_code, device, asked.precision, asked.bits
        )
        if asked.adapter:
            self.model = loading.adapted(self.model, asked.adapter, merge=asked.bits is None)
        self.device, self._most, self._lost, self._long = device, asked.batch, 0, False

    def close(self) -> None:
        """Lets the model go."""
        self.__dict__.pop("model", None)
        self.__dict__.pop("inputs", None)

    def fingerprint(self) -> str:
        """What the files of model, adapter and prompts are. Raises `ModelError`, `InputError`."""
        asked = self.options
        if not hasattr(self, "_known"):
            places = [loading.place(asked.model, asked.revision, asked.trust_remote_code)]
            if asked.adapter:
                places.append(loading.adapter_folder(asked.adapter))
            self._known = "".join(map(loading.identity, places))
        return self._known + super().fingerprint()

    def propose(self, slots: Sequence[Slot], n: int = 1) -> Iterator[Candidate]:
        """Up to `n` different sentences a slot, best first.

        `confidence` is exp(mean log-probability of the tokens). Slots that are about as long to the model are captioned
        together, so that little of a batch is padding.
        """
        if not self.inputs.several and self.options.frames > 1 and any(len(slot.keyframes) > 1 for slot in slots):
            how = "several keyframes in a grid" if self.options.one_picture == "grid" else "the sharpest keyframe"
            self.note(f"the model '{self.options.model}' takes one picture at a time: it saw {how}")
        place = {slot.index: i for i, slot in enumerate(slots)}
        alike = sorted(slots, key=lambda slot: (len(self._chosen(slot)), len(slot.context.evidence)))
        self._lost, self._long = 0, False
        yield from sorted(super().propose(alike, n), key=lambda candidate: place[candidate.slot])
        if self._lost:
            self.note(f"{self._lost} keyframes could not be read and were left out", "warning")

    def see(self, slots: Sequence[Slot]) -> list[Shown]:
        """The pictures of slots; a picture that cannot be read is left out."""
        with ThreadPoolExecutor(4) as pool:
            read = list(pool.map(self._shown, slots))
        self._lost += sum(one.lost for one in read)
        return read

    def say(self, shown: Sequence[Shown], asked: Sequence[str], n: int, again: bool) -> list[list[Answer]]:
        """Up to `n` answers to each prompt, best first; none where there is no picture.

        Videos are asked together where they have as many frames of the same size: few processors take others. Where
        memory does not suffice the batch is halved, for the rest of the run.

        Raises:
            PluginError: memory does not suffice for one slot.
        """
        found: list[list[Answer]] = [[] for _ in shown]
        groups = defaultdict(list)
        for i, one in enumerate(shown):
            if one.pictures:
                groups[one.shape if self.inputs.video else None].append(i)
        for together in groups.values():
            for i, answers in self._group(together, shown, asked, n, again):
                found[i] = answers
        return found

    def count(self, text: str) -> int:
        """How many tokens a text has, by the model's tokenizer."""
        return self.inputs.count(text)

    def asked(self, slot: Slot) -> str:
        """The prompt of a slot; its evidence is left out should the tokenizer take any of it for more than text."""
        budget, context = self.options.evidence_tokens, slot.context
        if self.inputs.lens:
            budget, context = budget // 2, lens.rest(context)
        plain = self.instruction()
        full = self.instruction(evidence(context, budget, self.language, self.count))
        if self.inputs.special(full) == self.inputs.special(plain):
            return full
        self.note(f"the evidence of slot {slot.index} holds tokens of the model's own and was left out", "warning")
        return plain

    def _chosen(self, slot: Slot) -> list[Keyframe]:
        """The keyframes of a slot that the model sees."""
        alone = not self.inputs.several and self.options.one_picture == "sharpest"
        return sharpest(slot) if alone else chosen(slot, self.options.frames)

    def _shown(self, slot: Slot) -> Shown:
        one = shown(slot, self._chosen(slot), self.options.side)
        one = one if self.inputs.several else gridded(one)
        return replace(one, lens=self._lens(slot, one)) if self.inputs.lens else one

    def _lens(self, slot: Slot, one: Shown) -> tuple[Mapping[str, str], ...]:
        """What the model's own slots say of each picture: half the evidence's tokens, shared by the pictures."""
        budget = self.options.evidence_tokens // 2 // max(1, len(one.pictures))
        starts = [slot.span.start + at for at in one.times]
        spans = [slot.span] if len(starts) == 1 else [Span(at, at + 1) for at in starts]
        return tuple(lens.filled(slot.context.during(span), budget, self.inputs.safe_count) for span in spans)

    def _group(
        self, waiting: Sequence[int], shown: Sequence[Shown], asked: Sequence[str], n: int, again: bool
    ) -> Iterator[tuple[int, list[Answer]]]:
        """The answers of those that may be asked together, as many at a time as memory holds."""
        while waiting:
            part = waiting[: self._most]
            said = self._said([shown[i] for i in part], [asked[i] for i in part], n, again)
            if said is None:
                self._halve(len(part))
            else:
                yield from zip(part, said, strict=True)
                waiting = waiting[len(part) :]

    def _said(self, shown: Sequence[Shown], asked: Sequence[str], n: int, again: bool) -> list[list[Answer]] | None:
        """The answers, or None where memory does not suffice for so many."""
        from .decoding import answers

        try:
            inputs = self.inputs(shown, asked).to(self.device, dtype=self.model.dtype)
            self._measure(inputs["input_ids"].shape[1])
            numbers = [one.number for one in shown]
            return answers(self.model, self.inputs.tokenizer, inputs, self._how(again), n, numbers)
        except RuntimeError as error:  # of which torch's OutOfMemoryError is one
            if not any(words in str(error).lower() for words in NO_MEMORY):
                raise
            return None

    def _measure(self, length: int) -> None:
        """Tells once that prompt and answer are longer than what the model was made for."""
        made_for = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if made_for and length + self.options.max_tokens > made_for and not self._long:
            self._long = True
            self.note(
                f"a prompt of {length} tokens is longer than the model's {made_for} leave room for: lower vlm.frames, "
                "vlm.side or vlm.evidence_tokens",
                "warning",
            )

    def _halve(self, tried: int) -> None:
        """Asks for fewer slots at a time from now on. Raises `PluginError` where it was one."""
        if tried == 1:
            raise PluginError(
                f"vlm: the memory of {self.device} does not hold one slot: lower vlm.frames, vlm.side or vlm.beams, or "
                "--set vlm.bits=4"
            )
        import torch

        self._most = tried // 2
        self.note(f"memory did not suffice for {tried} slots at once: the batch is {self._most} from here on")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _how(self, again: bool) -> Decoding:
        """How words are chosen."""
        from .decoding import Decoding

        asked = self.options
        how = Decoding(
            asked.beams, asked.temperature, asked.top_p, asked.repetition_penalty, asked.max_tokens, asked.seed + again
        )
        if not again:
            return how
        return replace(
            how, temperature=max(how.temperature, AGAIN["temperature"]), top_p=min(how.top_p, AGAIN["top_p"]),
            repetition_penalty=max(how.repetition_penalty, AGAIN["repetition_penalty"]),
        )  # fmt: skip
