"""The ranker `selector`. Nothing heavy is imported before `load`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from vdesc import Candidate, Context, ModelError, Ranker, Slot
from vdesc.ranking import places

from . import checkpoint
from .limits import read_limits
from .question import Question

if TYPE_CHECKING:
    from .judging import Verdict

NEUTRAL = 0.5
"""The score of a candidate that was not judged: because it is the only one, or because that failed."""
FEW = 0.05
"""Where the model answers with a number less often than this, on average, it is told."""


class Selector(Ranker):
    """Picks the best of a slot's candidates by the evidence, with a language model that was taught to.

    A candidate's score is the probability, 0..1, that the model answers with its number, averaged over orders of the
    candidates in which each stands at each place. The only candidate of a slot gets 0.5, as there is nothing to choose.
    """

    name = "selector"
    shorthand = "model"
    extra = "llm"

    class Options(Ranker.Options):
        """The model, and how it is asked."""

        model: str = Field(
            "", description="A folder that `vdesc train selector` made, or any causal language model or adapter of "
            "peft's: a folder, or a hub id such as michiboke/phi2-lora-caption-selector.",
        )  # fmt: skip
        base: str = Field("", description="The model that an adapter is for; unset: the one that it names itself.")
        orders: Literal["shifts", "all", "one"] = Field(
            "shifts", description="Orders of the candidates that are averaged: cyclic shifts, so that each stands at "
            "each place once; all (beyond 4 candidates: shifts forwards and backwards); one.",
        )  # fmt: skip
        tokens: int | None = Field(
            None, ge=128, le=131_072, description="Tokens of a question; unset: as in training, or 1024."
        )
        evidence_tokens: int | None = Field(
            None, ge=0, le=65_536, description="Tokens of it for evidence; unset: as in training, or 256."
        )
        most: int | None = Field(
            None, ge=2, le=50, description="Candidates in a question; more are judged in groups and a final; unset: "
            "as in training, or 9.",
        )  # fmt: skip
        batch: int = Field(8192, ge=1, description="Tokens that go through the model at once.")
        bits: Literal[4, 8] | None = Field(
            None, description="Loads the model in 4 or 8 bits, with bitsandbytes; unset: as it is."
        )
        precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
            "auto", description="Number format: auto is float32 on a CPU and bfloat16 on a GPU that has it."
        )

    def load(self, device: str) -> None:
        """Reads the model. Raises `ModelError`, `MissingExtra`."""
        options = self.options
        self._named()
        from vdesc.hub import model_folder

        from .judging import Judge
        from .question import Asking

        llm, tokenizer = checkpoint.load(options.model, device, options.base, options.bits, options.precision)
        limits = read_limits(model_folder(options.model, self.name, checkpoint.PATTERNS)).but(
            tokens=options.tokens, evidence_tokens=options.evidence_tokens, most=options.most
        )
        context = getattr(llm.config.get_text_config(), "max_position_embeddings", None) or limits.tokens
        limits = limits.but(tokens=min(limits.tokens, context))
        self.judge: Any = Judge(llm, Asking(tokenizer, limits), options.orders, options.batch)

    def close(self) -> None:
        """Lets the model go."""
        self.__dict__.pop("judge", None)

    def fingerprint(self) -> str:
        """The SHA-256 of the model's own files. Raises `ModelError`."""
        self._named()
        if not hasattr(self, "_fingerprint"):
            self._fingerprint = checkpoint.fingerprint(self.options.model, self.options.base)
        return self._fingerprint

    def score(self, slots: Sequence[Slot], candidates: Sequence[Candidate]) -> list[float]:
        """One number in 0..1 a candidate; those of a slot add up to 1 unless they say the same."""
        contexts = {slot.index: slot.context for slot in slots}
        texts: dict[int, dict[str, int]] = defaultdict(dict)
        for candidate, place in zip(candidates, places(candidates), strict=True):
            said, text = texts[candidate.slot], _plain(candidate.text)
            said[text] = min(place, said.get(text, place))
        real = [index for index, said in texts.items() if len(said) > 1]
        asked = [
            Question(contexts.get(index, Context()), tuple(texts[index]), self.language, tuple(texts[index].values()))
            for index in real
        ]
        scores: dict[tuple[int, str], float] = {}
        for index, question, verdict in zip(real, asked, self._judged(asked), strict=True):
            if math.isfinite(verdict.answered):
                scores |= {(index, text): share for text, share in zip(question.texts, verdict.shares, strict=True)}
        return [scores.get((c.slot, _plain(c.text)), NEUTRAL) for c in candidates]

    def _judged(self, asked: Sequence[Question]) -> list[Verdict]:
        """Verdicts, with what must be said of them. A lack of memory makes the batches smaller."""
        while True:
            try:
                verdicts = self.judge.judge(asked)
                break
            except RuntimeError as error:
                if "out of memory" not in str(error).lower() or self.judge.reader.batch < self.judge.asking.limits.most:
                    raise
                self.judge.reader.batch //= 2
        self._tell(verdicts)
        return verdicts

    def _tell(self, verdicts: Sequence[Verdict]) -> None:
        broken = sum(not math.isfinite(verdict.answered) for verdict in verdicts)
        if broken:
            self.note(
                f"the model gave no numbers for {broken} of {len(verdicts)} slots, whose candidates all got {NEUTRAL}: "
                "take another precision or model", "warning",
            )  # fmt: skip
        sound = [verdict for verdict in verdicts if math.isfinite(verdict.answered)]
        answered = sum(verdict.answered for verdict in sound) / max(1, len(sound))
        if sound and answered < FEW:
            self.note(
                f"the model answers with a candidate's number in {answered:.1%} of cases only, so its scores tell "
                "little: take a model that was trained for this", "warning",
            )  # fmt: skip
        if grouped := sum(verdict.groups > 1 for verdict in verdicts):
            self.note(f"{grouped} slots have more candidates than a question holds: judged in groups and a final")

    def _named(self) -> None:
        if not self.options.model:
            raise ModelError(
                "selector: no model is named: train one with vdesc train selector, and give it with "
                "--set selector.model=FOLDER"
            )


def _plain(text: str) -> str:
    return " ".join(text.split())
