"""The trainer `llava` as a plugin. Nothing heavy is imported before it trains."""

from importlib.util import find_spec
from pathlib import Path

from vdesc import Trainer
from vdesc.errors import MissingExtra

from . import recipe as recipes


class LlavaTrainer(Trainer):
    """Trains llava by a recipe, stage after stage, on one GPU, several, or a CPU."""

    name = "llava"
    extra = "train"
    Recipe = recipes.Recipe

    def train(self, recipe: recipes.Recipe, data: Path, out: Path) -> Path:
        """The folder of the best model."""
        needs = ["accelerate", *(["peft"] if recipe.adapted else []), *(["bitsandbytes"] if recipe.bits else [])]
        for package in needs:
            if find_spec(package) is None:
                raise MissingExtra(f"training {self.name}", package, "llm" if package == "bitsandbytes" else self.extra)
        from .train import train

        return train(recipe, data, out)
