"""The recipe: everything that decides what a training run gives. Light to import."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from vdesc import Trainer

IMAGES, CACHED, NONE = "images", "cached", "none"
"""What `features` may be beside the name of a store: pictures anew each time, a store for this encoder, or nothing."""


class Lora(BaseModel):
    """Low-rank adapters on GPT-2 (Hu et al. 2021, arXiv 2106.09685)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = Field(8, ge=1, description="Rank of the adapters.")
    alpha: int = Field(16, ge=1, description="Their weight is alpha / r.")
    dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before them.")
    targets: tuple[str, ...] = Field(("c_attn", "c_proj"), min_length=1, description="GPT-2's layers that get one.")


class Recipe(Trainer.Recipe):
    """Everything that decides what a training run gives; `configs/clipgpt/` holds named ones."""

    model: dict[str, Any] = Field({}, description="Settings of the model, as in its config.json.")
    start: str | None = Field(None, description="A model to go on from: mini, a folder, or a hub id.")
    encoder: str | None = Field(
        None, description="Whose encoder is taken: mini, a CLIP vision model by folder or hub id."
    )
    encoder_weights: Path | None = Field(None, description="A folded MobileNetV2 (safetensors) as the encoder.")
    decoder: str | None = Field(
        None, description="A GPT-2 and its tokenizer, by folder or hub id; unset: from scratch."
    )
    vocabulary: int = Field(5000, ge=257, description="Tokens learned from the captions, for a decoder from scratch.")
    learn: Literal["words", "cider", "match"] = Field(
        "words",
        description="words: what people said; cider: to draw captions that score well (self-critical training, after "
        "words); match: to tell which words belong to which picture (the matcher alone).",
    )
    draws: int = Field(5, ge=2, description="For cider: captions drawn of an item.")
    temperature: float = Field(0.5, gt=0, description="For cider: at which they are drawn.")
    tune: Literal["prefix", "parts", "all", "lora"] = Field(
        "all",
        description="What learns: the mapper; it and GPT-2's word and place vectors, first and last block; it and all "
        "of GPT-2; it and adapters on GPT-2.",
    )
    lora: Lora = Field(Lora(), description="The adapters of `tune: lora`.")
    encoder_from_epoch: float | None = Field(None, ge=0, description="Tune the encoder from this epoch; unset: never.")
    encoder_rate: float = Field(1e-4, gt=0, description="The encoder's highest learning rate.")
    features: str = Field(
        IMAGES,
        description="images: pictures are read and encoded each time; cached: encoded once; none: words alone, which "
        "teaches a decoder to speak; else the name of a store of features that came with the table.",
    )
    views: int = Field(1, ge=1, description="For cached: views kept of a picture: it as it is, and varied ones.")
    smallest_crop: float = Field(
        0.6, gt=0, le=1, description="Crops keep at least this share of each side, and half are mirrored; 1: no change."
    )
    items: int = Field(0, ge=0, description="Use only so many items of each split; 0: all.")
    captions: int = Field(0, ge=0, description="Captions of an item drawn anew each epoch; 0: all of them.")
    epochs: float = Field(10, gt=0)
    photos: int = Field(48, ge=1, description="Items that pass through the model at once.")
    accumulate: int = Field(1, ge=1, description="A step adds up the gradients of so many times `photos` items.")
    rate: float = Field(5e-4, gt=0, description="The highest learning rate (AdamW).")
    warmup: float = Field(0.05, ge=0, description="Steps of warm-up, below 1 as a share of all; then half a cosine.")
    weight_decay: float = Field(0.05, ge=0, description="Of matrices only.")
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    clip: float = Field(1.0, gt=0, description="The greatest norm of the gradient.")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Of the arithmetic, by autocast."
    )
    seed: int = Field(0, ge=0, lt=2**31)
    beams: int = Field(1, ge=1, description="Beam width of the validation captions.")
    metric: str = Field("cider", description="Which validation score chooses the best model; loss: the lowest.")
    patience: int = Field(0, ge=0, description="Stop after so many validations without a better one; 0: never.")
    save_steps: int = Field(0, ge=0, description="Checkpoints every so many steps, beside those after each epoch.")
    workers: int = Field(1, ge=0, description="Processes that read pictures.")
    report: Literal["auto", "tensorboard", "wandb", "none"] = Field(
        "auto", description="Where curves go; auto: TensorBoard where it is installed."
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Recipe":
        if self.features != IMAGES and self.encoder_from_epoch is not None:
            raise ValueError("features that were made before cannot follow an encoder that is tuned: unset one of them")
        if self.views > 1 and (self.features != CACHED or self.smallest_crop == 1):
            raise ValueError("views are for 'features: cached' with a smallest_crop below 1")
        if self.features == NONE and (self.learn != "words" or self.metric != "loss"):
            raise ValueError("of words alone only words are learned, and measured by their loss: set metric to loss")
        if self.learn == "match" and not (self.start or self.model.get("matcher")):
            raise ValueError("learn: match needs the matcher's settings in the recipe's model, or a start that has one")
        if self.start and (self.encoder or self.encoder_weights or self.decoder):
            raise ValueError("a model to start from has its encoder and decoder: unset encoder and decoder")
        return self


FREE = ("workers", "report", "save_steps")
"""What may change when a run is resumed: the weights do not depend on it."""
