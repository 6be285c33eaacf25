"""The trainer `clipgpt` as a plugin. Nothing heavy is imported before it trains."""

from importlib.util import find_spec
from pathlib import Path

from vdesc import Trainer
from vdesc.errors import MissingExtra

from .training import recipe as recipes


class ClipGPTTrainer(Trainer):
    """Trains clipgpt by a recipe, on one GPU, several, or a CPU."""

    name = "clipgpt"
    extra = "train"
    Recipe = recipes.Recipe

    def train(self, recipe: recipes.Recipe, data: Path, out: Path) -> Path:
        """The folder of the best model."""
        for package in ("accelerate", "pycocoevalcap", *(["peft"] if recipe.tune == "lora" else [])):
            if find_spec(package) is None:
                raise MissingExtra(f"training {self.name}", package, self.extra)
        from .training.train import train

        return train(recipe, data, out)
