"""The recipe: everything that decides what training a selector gives. Light to import."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from vdesc_training.caption_recipe import CaptionRecipe, Lora

from ..limits import Limits


class Recipe(CaptionRecipe):
    """Everything that decides what a training run gives; `configs/selector/` holds named ones."""

    trainer: ClassVar[str] = "selector"
    places: ClassVar[tuple[str, ...]] = ("base",)

    base: str = Field("", description="The language model: a folder or a hub id; unset: a new one by `model`.")
    model: dict[str, Any] = Field(
        {}, description="For a new one: its transformers config, `model_type` among it; its words come from the rows."
    )
    vocabulary: int = Field(2000, ge=300, description="For a new one: tokens learned from the rows.")
    lora: Lora | None = Field(None, description="Adapters on the base; unset: all of it learns.")
    bits: Literal[4, 8] | None = Field(None, description="Loads the base in 4 or 8 bits under its adapters (QLoRA).")
    tokens: int = Field(Limits().tokens, ge=128, description="Of a question.")
    evidence_tokens: int = Field(Limits().evidence_tokens, ge=0, description="Of a question, for evidence.")
    most: int = Field(Limits().most, ge=2, le=50, description="Candidates in a question.")
    softness: float = Field(
        0.05, ge=0, description="The target of a candidate goes with exp(similarity / softness); 0: the best alone."
    )
    subsets: bool = Field(
        False, description="Draw from two to all candidates of a row each epoch: more and easier questions."
    )
    strangers: float = Field(
        0.0, ge=0, le=1, description="The part of questions in which some candidates are those of another row, which "
        "teaches a new model what evidence and the other candidates have to do with the answer.",
    )  # fmt: skip
    guided: float = Field(
        0.0, ge=0, le=1, description="The part of the epochs that go by what words and agreement tell of candidates, "
        "over all rows: a small new model learns that sooner than the truth of each row, which is mostly chance.",
    )  # fmt: skip
    words: float = Field(
        0.0, ge=0, description="The weight of the loss of the question's own words, which teaches a new model to read."
    )
    photos: int = Field(16, ge=1, description="Questions that pass through the model at once.")
    metric: str = Field("accuracy", description="Which validation score chooses the best model: accuracy, share, loss.")

    @property
    def limits(self) -> Limits:
        """What a question may hold."""
        return Limits(self.tokens, self.evidence_tokens, self.most)

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if bool(self.base) == bool(self.model):
            raise ValueError("give either a base to go on from, or the model of a new one")
        if self.lora and not self.base:
            raise ValueError("adapters need a base")
        if self.bits and not self.lora:
            raise ValueError("a base in few bits cannot learn but by adapters: set lora")
        if Path(self.base).is_absolute() and not Path(self.base).is_dir():
            raise ValueError(f"there is no folder {self.base}")
        if self.captions or self.beams != 1:
            raise ValueError("captions and beams are for captioners")
        return self
