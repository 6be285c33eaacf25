"""The recipe: everything that decides what a training run gives. Light to import."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from vdesc_training.caption_recipe import CaptionRecipe, Lora

IMAGES, CACHED, NONE = "images", "cached", "none"
"""What `features` may be beside the name of a store: pictures anew each time, a store for this encoder, or nothing."""


class GPTLora(Lora):
    """Adapters on GPT-2."""

    targets: tuple[str, ...] = Field(("c_attn", "c_proj"), min_length=1, description="GPT-2's layers that get one.")


class Recipe(CaptionRecipe):
    """Everything that decides what a training run gives; `configs/clipgpt/` holds named ones."""

    trainer: ClassVar[str] = "clipgpt"
    places: ClassVar[tuple[str, ...]] = ("start", "encoder", "encoder_weights", "decoder")

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
    lora: GPTLora = Field(GPTLora(), description="The adapters of `tune: lora`.")
    encoder_from_epoch: float | None = Field(None, ge=0, description="Tune the encoder from this epoch; unset: never.")
    encoder_rate: float = Field(1e-4, gt=0, description="The encoder's highest learning rate.")
    features: str = Field(
        IMAGES,
        description="images: pictures are read and encoded each time; cached: encoded once; none: words alone, which "
        "teaches a decoder to speak; else the name of a store of features that came with the table.",
    )
    views: int = Field(1, ge=1, description="For cached: views kept of a picture: it as it is, and varied ones.")
    smallest_crop: float = Field(
        0.6,
        gt=0,
        le=1,
        description="Crops keep at least this share of each side, and half are mirrored where no caption says left or "
        "right; 1: no change.",
    )
    label_smoothing: float = Field(0.1, ge=0, lt=1)

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
