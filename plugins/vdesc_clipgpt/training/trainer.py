"""clipgpt's own part of its training: its losses, its captions, its files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vdesc_training.lessons import Lessons
from vdesc_training.progress import Watch
from vdesc_training.trainer import CaptionTrainer, Said

from ..decoding import Decoding
from ..model import ClipGPTModel
from .batches import collate
from .recipe import Recipe
from .rewards import SelfCritical
from .tuning import groups, merged, rest
from .validation import matched, validate


class ClipGPTCaptionTrainer(CaptionTrainer):
    """Trains clipgpt; see `CaptionTrainer`."""

    model: ClipGPTModel
    recipe: Recipe

    def __init__(
        self, recipe: Recipe, tokenizer: Any, lessons: Lessons, validation: Lessons, watch: Watch, **kwargs: Any
    ):
        super().__init__(recipe, lessons, validation, watch, collate, **kwargs)
        self.tokenizer = tokenizer
        self.critical = _critical(recipe, tokenizer, lessons)
        self._rewards: list[float] = []
        self.model.label_smoothing = recipe.label_smoothing
        encoder: Any = self.model.encoder
        encoder.to(memory_format=torch.channels_last)  # a third faster on a CPU

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss of a part of a step's tokens.

        Args:
            inputs: `pixels`, `features` or `blind`, `labels`, and the `ids` of the items.
        """
        if self.critical:
            return self._criticised(model, inputs, self.critical)
        output = model(**inputs, match=self.recipe.learn == "match")
        return (output.loss, output) if return_outputs else output.loss

    def _criticised(self, model: Any, inputs: dict[str, Any], critical: SelfCritical) -> Tensor:
        """The loss of captions that the model draws now."""
        features = inputs["features"] if "features" in inputs else self.model.encode(inputs["pixels"])
        labels = critical.draw(self.model, features, int(torch.randint(2**31, ())))
        loss, reward = critical.loss(model(features=features, labels=labels).logits, labels, inputs["ids"])
        self._rewards.append(reward)
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the mean reward of drawn captions."""
        if "loss" in logs and self._rewards:
            logs["reward"] = sum(self._rewards) / len(self._rewards)
            self._rewards.clear()
        super().log(logs, start_time)

    def groups(self) -> list[dict[str, Any]]:
        """Matrices, vectors without decay, the encoder at its own rate."""
        return groups(self.model, self.recipe)

    def rest(self) -> None:
        """Switches the dropout of those parts off of which nothing learns."""
        rest(self.model)

    def _measure(self) -> tuple[dict[str, str], dict[str, float]]:
        """Captions and their loss; of the matcher its recall."""
        if self.recipe.learn == "match":
            self.model.eval()
            return {}, matched(self.model, self.tokenizer, self.validation, self.watch.say)
        return super()._measure()

    def validate(self, numbers: Sequence[int]) -> Said:
        """Captions by beam search, and the loss of what people say."""
        how = Decoding(beams=self.recipe.beams, max_tokens=self.model.config.max_tokens)
        return validate(self.model, self.tokenizer, self.validation, numbers, how, self.watch.say)

    def write_model(self, folder: Path) -> None:
        """Weights with the adapters added in, config and tokenizer."""
        self.model.save_pretrained(folder, state_dict=merged(self.model))
        self.tokenizer.save_pretrained(folder)

    def write_weights(self, folder: Path, state: Any) -> None:
        """All weights, adapters apart."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _critical(recipe: Recipe, tokenizer: Any, lessons: Lessons) -> SelfCritical | None:
    if recipe.learn != "cider":
        return None
    references = {item.id: item.captions for item in lessons.items}
    return SelfCritical(tokenizer, references, recipe.draws, recipe.temperature)
