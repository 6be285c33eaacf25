"""The Hugging Face trainer, taught what a captioner needs: rates, captions as the measure, the best model kept."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import Trainer, TrainerCallback
from vdesc_training.metrics import score
from vdesc_training.table import Item

from .batches import Photos
from .decoding import Decoding, decode
from .model import ClipGPTModel
from .recipe import Recipe


class Thaw(TrainerCallback):
    """Keeps the encoder fixed until an epoch, so that an untrained decoder does not spoil it."""

    def __init__(self, epoch: float):
        self.epoch = epoch

    def on_step_begin(self, args, state, control, model=None, **_):  # type: ignore[no-untyped-def]
        """Decides anew at every step, so that a resumed run does as well."""
        learn = (state.epoch or 0) >= self.epoch
        for parameter in model.encoder.parameters():
            parameter.requires_grad_(learn)


class CaptionTrainer(Trainer):
    """The Hugging Face trainer, with a rate of its own for the encoder and captions as the measure."""

    model: ClipGPTModel
    eval_dataset: list[Item]

    def __init__(self, recipe, data, tokenizer, validation, **kwargs):  # type: ignore[no-untyped-def]
        super().__init__(eval_dataset=validation, **kwargs)
        self.recipe, self.data, self.tokenizer = recipe, data, tokenizer
        self.chosen = Path(self.args.output_dir or ".") / "best"
        measured = self.chosen / "validation.json"  # a resumed run must not put a worse model in place of a better
        self.best = json.loads(measured.read_text(encoding="utf-8"))["cider"] if measured.is_file() else -1.0
        self.model.label_smoothing = recipe.label_smoothing
        self.model.encoder.to(memory_format=torch.channels_last)  # a third faster on a CPU

    def create_optimizer(self, *_: Any) -> torch.optim.Optimizer:
        """AdamW with three groups: matrices, vectors without decay, the encoder at its own rate."""
        plain = [p for n, p in self.model.named_parameters() if not n.startswith("encoder.") and p.dim() < 2]
        heavy = [p for n, p in self.model.named_parameters() if not n.startswith("encoder.") and p.dim() >= 2]
        groups = [
            {"params": heavy, "weight_decay": self.recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
            {"params": list(self.model.encoder.parameters()), "lr": self.recipe.encoder_rate, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=self.recipe.rate, betas=(0.9, 0.98))
        return self.optimizer

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The metrics of captions for the validation photos; the best model so far is saved."""
        how = Decoding(beams=self.recipe.beams, max_tokens=self.model.config.max_tokens)
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16"):
            said = caption_items(self.model, self.tokenizer, self.data, self.eval_dataset, how)
        numbers = score(said, {item.id: item.captions for item in self.eval_dataset})
        metrics = {f"eval_{key}": value for key, value in numbers.items()}
        self.log(metrics)
        if numbers["cider"] > self.best:
            self.best = numbers["cider"]
            save(self.model, self.tokenizer, self.chosen, self.recipe, numbers)
        return metrics


def save(model: ClipGPTModel, tokenizer: Any, folder: Path, recipe: Recipe, numbers: dict[str, float]) -> None:
    """A model folder: weights, config, tokenizer, the recipe as it ran, and what validation measured."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    ran = recipe.model_copy(update={k: Path(v.name) for k, v in recipe if isinstance(v, Path)})  # no path of a machine
    (folder / "recipe.yaml").write_text(yaml.safe_dump(ran.model_dump(mode="json")), encoding="utf-8")
    (folder / "validation.json").write_text(json.dumps(numbers, indent=1), encoding="utf-8")


@torch.inference_mode()
def caption_items(
    model: ClipGPTModel, tokenizer: Any, folder: Path, items: list[Item], how: Decoding, batch: int = 50
) -> dict[str, str]:
    """One caption for each item, by id."""
    was = model.training
    said: dict[str, str] = {}
    model.eval()
    photos = Photos(folder, items, model.config)
    for start in range(0, len(items), batch):
        some = items[start : start + batch]
        inputs = torch.stack([photos[start + i]["pixels"] for i in range(len(some))]).to(model.device)
        tokens, _ = decode(model, model.map(model.encode(inputs)).float(), how)
        texts = tokenizer.batch_decode(tokens[:, 0], skip_special_tokens=True)
        said |= {item.id: text.strip() for item, text in zip(some, texts, strict=True)}
    model.train(was)
    return said
