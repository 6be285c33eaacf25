"""What of a model learns in a stage: the projector, adapters on the LLM, all of the LLM."""

from typing import Any

from ..model import LlavaModel
from .recipe import Recipe

PROJECTOR = ("projector.", "positions.")


def learns(name: str, learn: str) -> bool:
    """Whether a parameter of that name learns in a stage of that kind."""
    if name.startswith(PROJECTOR):
        return True
    if not name.startswith("llm.") or learn == "projector":
        return False
    return (".lora_" in name) == (learn == "lora")


def tune(model: LlavaModel, recipe: Recipe) -> None:
    """Marks what learns in a stage; adapters that do not, and that say nothing yet, are passed by."""
    if model.config.lora:
        layers: Any = model.llm.base_model
        (layers.enable_adapter_layers if recipe.learn == "lora" else layers.disable_adapter_layers)()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learns(name, recipe.learn))
    if recipe.checkpointing:
        llm: Any = model.llm  # transformers 5.20 and later have another name for it
        getattr(llm, "activation_checkpointing_enable", llm.gradient_checkpointing_enable)({"use_reentrant": False})


def groups(model: LlavaModel, recipe: Recipe) -> list[dict[str, Any]]:
    """What AdamW is handed: matrices, vectors without decay; the projector at its own rate, where it has one."""
    rates = {True: recipe.projector_rate or recipe.rate, False: recipe.rate}
    made = [
        {
            "params": [
                parameter
                for name, parameter in model.named_parameters()
                if parameter.requires_grad and name.startswith(PROJECTOR) == own and (parameter.dim() >= 2) == matrix
            ],
            "lr": rate,
            "weight_decay": recipe.weight_decay if matrix else 0.0,
        }
        for own, rate in rates.items()
        for matrix in (True, False)
    ]
    return [group for group in made if group["params"]]


def learned_names(model: LlavaModel, recipe: Recipe) -> list[str]:
    """The names of all parameters that some stage of the recipe teaches: what a checkpoint holds."""
    stages = {stage.learn for stage in recipe.of_stages}
    return [name for name, _ in model.named_parameters() if any(learns(name, learn) for learn in stages)]
