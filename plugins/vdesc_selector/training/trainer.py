"""The selector's own part of its training: its loss, how well it chooses, its files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from safetensors.torch import load_file, save_file
from torch import Tensor
from vdesc_training.progress import Watch
from vdesc_training.resume import WEIGHTS, local
from vdesc_training.trainer import CaptionTrainer

from ..judging import Judge
from ..labels import probabilities
from ..limits import write_limits
from ..reading import next_token, padded
from .lessons import Lesson, Questions, collate, question
from .measures import Choice, figures
from .recipe import Recipe


class SelectorCaptionTrainer(CaptionTrainer):
    """Trains a selector; see `CaptionTrainer`. Its validation chooses with what inference chooses with."""

    recipe: Recipe
    train_dataset: Questions
    validation: Questions

    def __init__(
        self, recipe: Recipe, judge: Judge, lessons: Questions, validation: Questions, watch: Watch, **kwargs: Any
    ):
        super().__init__(recipe, lessons, validation, watch, collate, **kwargs)
        self.judging = judge
        self.names = [name for name, weight in self.model.named_parameters() if weight.requires_grad]

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean over questions of the cross entropy of the target and the numbers' probabilities."""
        lessons: list[Lesson] = inputs["lessons"]
        flat = [row for lesson in lessons for row in lesson.rows]
        columns = sorted({t for lesson in lessons for t in self.judging.labels(len(lesson.target)).columns})
        told = next_token(model, flat, columns).split([len(lesson.rows) for lesson in lessons])
        losses = [self._loss(lesson, some, columns) for lesson, some in zip(lessons, told, strict=True)]
        loss = torch.stack(losses).mean()
        return loss + self.recipe.words * self._read(model, lessons) if self.recipe.words else loss

    def _loss(self, lesson: Lesson, told: Tensor, columns: list[int]) -> Tensor:
        """Also of the probability that a number is said at all, which is why it is not normalised."""
        labels = self.judging.labels(len(lesson.target))
        mine = told[:, [columns.index(token) for token in labels.columns]]
        target = torch.tensor(lesson.target, device=told.device)
        return -(target * probabilities(labels, mine[None])[0]).sum()

    def _read(self, model: Any, lessons: list[Lesson]) -> Tensor:
        """The mean loss of the questions' own tokens."""
        ids, mask = padded([lesson.rows[0] for lesson in lessons], self.args.device)
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
        wanted = ids[:, 1:].masked_fill(mask[:, 1:] == 0, -100)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100)

    def groups(self) -> list[dict[str, Any]]:
        """What learns, with weight decay of matrices only."""
        learned = [weight for weight in self.model.parameters() if weight.requires_grad]
        return [
            {"params": [w for w in learned if w.dim() > 1], "weight_decay": self.recipe.weight_decay},
            {"params": [w for w in learned if w.dim() < 2], "weight_decay": 0.0},
        ]

    def _measure(self) -> tuple[dict[str, str], dict[str, float]]:
        """No captions, but how well the validation rows are chosen from."""
        mine = self.validation.rows[self.args.process_index :: self.args.world_size]
        self.model.eval()
        with self.accelerator.autocast():
            verdicts = self.judging.judge([question(row) for row in mine])
        choices = [Choice(row.similarities, verdict.shares) for row, verdict in zip(mine, verdicts, strict=True)]
        return {}, figures(gather_object(choices))

    def write_model(self, folder: Path) -> None:
        """An adapter in peft's format or the whole model, its tokenizer, and what its questions hold."""
        more: dict[str, Any] = {}
        if self.recipe.lora:
            self.model.peft_config["default"].base_model_name_or_path = local(self.recipe.base)
            more = {"save_embedding_layers": False}  # which would ask the hub
        self.model.save_pretrained(folder, **more)
        self.judging.asking.tokenizer.save_pretrained(folder)
        write_limits(self.recipe.limits, folder)

    def write_weights(self, folder: Path, state: Mapping[str, Tensor] | None) -> None:
        """What learns; the base is where it came from."""
        folder.mkdir(parents=True, exist_ok=True)
        found = dict(self.model.named_parameters()) if state is None else state
        save_file({name: found[name].detach().contiguous().cpu() for name in self.names}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        found = load_file(Path(resume_from_checkpoint) / WEIGHTS)
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if weight.requires_grad:
                    weight.copy_(found[name])
