"""What every recipe for training a captioner has; each trainer adds its own. Light to import."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from vdesc import Trainer


class Lora(BaseModel):
    """Low-rank adapters on a language model (Hu et al. 2021, arXiv 2106.09685)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = Field(8, ge=1, description="Rank of the adapters.")
    alpha: int = Field(16, ge=1, description="Their weight is alpha / r.")
    dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before them.")
    targets: tuple[str, ...] = Field((), description="The language model's layers that get one.")


class CaptionRecipe(Trainer.Recipe):
    """What decides how captions are learned, whatever the model.

    Attributes:
        trainer: the plugin's name, for sentences.
        free: what may change when a run is resumed, since the weights do not depend on it.
        places: what may name a path of this machine, of which only the last part is written into a model folder.
    """

    trainer: ClassVar[str] = ""
    free: ClassVar[tuple[str, ...]] = ("workers", "report", "save_steps")
    places: ClassVar[tuple[str, ...]] = ()

    items: int = Field(0, ge=0, description="Use only so many items of each split; 0: all.")
    captions: int = Field(0, ge=0, description="Captions of an item drawn anew each epoch; 0: all of them.")
    epochs: float = Field(10, gt=0)
    photos: int = Field(48, ge=1, description="Items that pass through the model at once.")
    accumulate: int = Field(1, ge=1, description="A step adds up the gradients of so many times `photos` items.")
    rate: float = Field(5e-4, gt=0, description="The highest learning rate (AdamW).")
    warmup: float = Field(0.05, ge=0, description="Steps of warm-up, below 1 as a share of all; then half a cosine.")
    weight_decay: float = Field(0.05, ge=0, description="Of matrices only.")
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
