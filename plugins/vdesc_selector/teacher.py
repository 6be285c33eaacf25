"""The trainer `selector` as a plugin. Nothing heavy is imported before it trains."""

from importlib.util import find_spec
from pathlib import Path

from vdesc import Trainer
from vdesc.errors import MissingExtra

from .training import recipe as recipes


class SelectorTrainer(Trainer):
    """Trains a selector on the rows of `vdesc data sft`: an adapter on a language model, or a small one of its own."""

    name = "selector"
    extra = "train"
    Recipe = recipes.Recipe

    def train(self, recipe: recipes.Recipe, data: Path, out: Path) -> Path:
        """The folder of the best model; `data` is a file of rows, or a folder with `sft.jsonl`."""
        for package in ("accelerate", *(["peft"] if recipe.lora else [])):
            if find_spec(package) is None:
                raise MissingExtra(f"training {self.name}", package, self.extra)
        from .training.train import train

        return train(recipe, data, out)
