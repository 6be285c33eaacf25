"""The recipe: everything that decides what a training run gives. Light to import."""

from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, model_validator
from vdesc.errors import nearest
from vdesc.registry import plain
from vdesc_training.caption_recipe import CaptionRecipe, Lora

IMAGES, CACHED = "images", "cached"
"""What `features` may be beside the name of a store: pictures encoded anew each time, or a store for this tower."""


class Adapters(Lora):
    """Adapters on the LLM, as QLoRA has them: on every linear layer (Dettmers et al. 2023, arXiv 2305.14314)."""

    r: int = Field(16, ge=1, description="Rank of the adapters.")
    alpha: int = Field(32, ge=1, description="Their weight is alpha / r.")
    targets: tuple[str, ...] = Field((), description="Names of the LLM's layers that get one; none: all linear ones.")


class Recipe(CaptionRecipe):
    """Everything that decides what a training run gives; `configs/llava/` holds named ones."""

    trainer: ClassVar[str] = "llava"
    places: ClassVar[tuple[str, ...]] = ("tower", "llm")
    free: ClassVar[tuple[str, ...]] = (*CaptionRecipe.free, "shard")

    tower: str = Field(
        "", description="The vision tower, by folder or hub id; unset: random, as model.tower_config says."
    )
    llm: str = Field(
        "", description="The LLM, by folder or hub id; unset: from scratch, as model.llm_config says, with a tokenizer "
        "learned from the captions.",
    )  # fmt: skip
    model: dict[str, Any] = Field({}, description="Settings of the model, as in its config.json.")
    vocabulary: int = Field(4000, ge=260, description="Tokens learned from the captions, for an LLM from scratch.")
    stages: tuple[dict[str, Any], ...] = Field(
        ({"learn": "projector"}, {"learn": "lora"}),
        min_length=1,
        description="What is trained one after the other: for each stage the settings that differ.",
    )
    learn: Literal["projector", "lora", "all"] = Field(
        "projector", description="What learns: the projector; it and adapters on the LLM; it and all of the LLM."
    )
    lora: Adapters = Field(Adapters(), description="The adapters of `learn: lora`.")
    projector_rate: float | None = Field(
        None, gt=0, description="The projector's highest learning rate, where it is not `rate`."
    )
    align: float = Field(
        0.0, ge=0, description="Weight of a contrastive loss between a clip's visual tokens and its caption's words."
    )
    features: str = Field(
        CACHED,
        description="cached: each clip passes through the tower once; images: each time; else the name of a store of "
        "features that came with the table.",
    )
    bits: Literal[4, 8] | None = Field(None, description="Load the LLM in so many bits; 4 is NF4, doubly quantised.")
    attention: Literal["sdpa", "flash_attention_2", "eager"] = Field("sdpa", description="How the LLM attends.")
    checkpointing: bool = Field(
        False, description="Compute activations anew in the backward pass: less memory, slower."
    )
    shard: bool = Field(
        False, description="Divide the LLM's weights among the processes of accelerate launch (FSDP): for an LLM that "
        "is too large for one GPU.",
    )  # fmt: skip
    instruction: str = Field("", description="What the model is asked; unset: as its style and language say.")
    whole: float = Field(
        0.995, gt=0, le=1, description="The longest caption learned is so long that this share of all is whole."
    )
    distinct: float = Field(
        0.25,
        ge=0,
        le=1,
        description="An epoch with fewer different captions, of as many as there could be, has collapsed.",
    )
    judge: str = Field(
        "", description="A ranker, such as alignment, whose mean score takes CIDEr's place in `joint`; unset: CIDEr."
    )
    captions: int = Field(1, ge=0, description="Captions of an item drawn anew each epoch; 0: all of them.")
    metric: str = Field(
        "joint",
        description="Which validation score chooses the best model; joint: the geometric mean of CIDEr-D (or the "
        "judge), METEOR of equal words, and diversity; loss: the lowest.",
    )
    epochs: float = Field(1, gt=0)
    photos: int = Field(4, ge=1, description="Items that pass through the model at once.")
    rate: float = Field(1e-3, gt=0, description="The highest learning rate (AdamW).")
    warmup: float = Field(0.03, ge=0, description="Steps of warm-up, below 1 as a share of all; then half a cosine.")
    weight_decay: float = Field(0.0, ge=0, description="Of matrices only.")

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if "lora" in self.model:
            raise ValueError("adapters are set by 'lora' of the recipe, not of its model")
        for number, stage in enumerate(self.stages, 1):
            for name in stage.keys() - STAGED:
                raise ValueError(f"stage {number} cannot have '{name}' of its own ({nearest(name, STAGED)})")
        if any(stage.learn == "all" for stage in self.of_stages) and self.bits:
            raise ValueError("weights of 4 or 8 bits cannot learn: set learn to projector or lora, or unset bits")
        if self.shard:
            self._divisible()
        return self

    def _divisible(self) -> None:
        if not self.llm or any(stage.learn == "all" for stage in self.of_stages):
            raise ValueError("shard divides an LLM that is fixed: name an llm, and set learn to projector or lora")
        if self.bits:
            raise ValueError("weights of 4 or 8 bits cannot be divided: unset bits or shard")
        if any(stage.captions != 1 for stage in self.of_stages):
            raise ValueError("shard needs as many captions of each item: set captions to 1")

    @cached_property
    def of_stages(self) -> tuple["Recipe", ...]:
        """A recipe for each stage: this one with what the stage changes."""
        if not self.stages or self.stages == ({},):
            return (self,)
        values = self.model_dump()
        try:
            return tuple(Recipe(**{**values, **stage, "stages": ({},)}) for stage in self.stages)
        except ValidationError as error:
            raise ValueError(f"in a stage {plain(error)}") from error

    @property
    def adapted(self) -> bool:
        """Whether some stage teaches adapters."""
        return any(stage.learn == "lora" for stage in self.of_stages)


STAGED = {
    "learn", "epochs", "rate", "projector_rate", "photos", "accumulate", "warmup", "weight_decay", "clip", "captions",
    "align", "patience", "save_steps",
}  # fmt: skip
"""What a stage may change."""
