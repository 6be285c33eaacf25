"""Training clipgpt: a recipe and a caption table in, a model folder that `vdesc run` loads out."""

import json
import random
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from PIL import Image
from pydantic import BaseModel, ConfigDict
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments, set_seed
from vdesc_training.backbones import mobilenet
from vdesc_training.metrics import score
from vdesc_training.table import Item, read_table

from . import pixels, words
from .config import ClipGPTConfig
from .decoding import Decoding, decode
from .model import ClipGPTModel


class Recipe(BaseModel):
    """Everything that decides what a training run gives; `configs/clipgpt/` holds named ones."""

    model_config = ConfigDict(extra="forbid")

    model: dict[str, Any] = {}
    encoder_weights: Path | None = None
    start: Path | None = None
    vocabulary: int = 5000
    epochs: float = 10
    photos: int = 48
    captions: int = 0
    rate: float = 5e-4
    encoder_rate: float = 1e-4
    encoder_from_epoch: float = 0
    warmup: float = 0.05
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    clip: float = 1.0
    smallest_crop: float = 0.6
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    seed: int = 0
    workers: int = 1
    beams: int = 1


def train(recipe: Recipe, data: Path, out: Path) -> Path:
    """The folder of the best model by CIDEr-D on the validation split, written under `out`."""
    set_seed(recipe.seed)
    table = {split: list(read_table(data, split)) for split in ("train", "val")}
    tokenizer, model = _beginning(recipe, table["train"])
    trainer = CaptionTrainer(
        recipe, data, tokenizer, table["val"], model=model, args=_arguments(recipe, out),
        train_dataset=Photos(data, table["train"], model.config, recipe.smallest_crop, recipe.captions),
        data_collator=Collator(tokenizer, model.config),
        callbacks=[Thaw(recipe.encoder_from_epoch)],
    )  # fmt: skip
    checkpoints = sorted(out.glob("checkpoint-*"))
    trainer.train(resume_from_checkpoint=bool(checkpoints))
    return out / "best"


def _beginning(recipe: Recipe, items: list[Item]) -> tuple[PreTrainedTokenizerFast, ClipGPTModel]:
    if recipe.start:
        model = ClipGPTModel.from_pretrained(recipe.start)
        return PreTrainedTokenizerFast.from_pretrained(recipe.start), model
    said = [words.lesson(caption, recipe.model.get("text", "plain")) for item in items for caption in item.captions]
    tokenizer = words.train_tokenizer(said, recipe.vocabulary)
    settings = dict(recipe.model)
    end = tokenizer.eos_token_id
    settings["decoder"] = settings["decoder"] | dict(
        model_type="gpt2", vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end
    )
    backbone = mobilenet(recipe.encoder_weights) if recipe.encoder_weights else None
    if backbone is not None:
        settings["encoder"] = {
            key: getattr(backbone.config, key)
            for key in ("model_type", "tf_padding", "image_size", "finegrained_output")
        }
    model = ClipGPTModel(ClipGPTConfig(**settings))
    if backbone is not None:
        model.encoder.load_state_dict(backbone.state_dict())
    return tokenizer, model


def _arguments(recipe: Recipe, out: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(out), num_train_epochs=recipe.epochs, per_device_train_batch_size=recipe.photos,
        learning_rate=recipe.rate, lr_scheduler_type="cosine", warmup_steps=recipe.warmup, max_grad_norm=recipe.clip,
        bf16=recipe.precision == "bfloat16", fp16=recipe.precision == "float16", eval_strategy="epoch",
        save_strategy="epoch", save_total_limit=1, logging_steps=20, seed=recipe.seed, report_to=[],
        dataloader_num_workers=recipe.workers, remove_unused_columns=False, label_names=["labels"],
        dataloader_drop_last=True, use_cpu=not torch.cuda.is_available(), disable_tqdm=True,
    )  # fmt: skip


class Photos(Dataset):
    """Photos of a table as encoder input, each with all its captions; training crops and mirrors them."""

    def __init__(
        self, folder: Path, items: list[Item], config: ClipGPTConfig, smallest_crop: float = 1.0, captions: int = 0
    ):
        self.folder, self.items, self.config = folder, items, config
        self.smallest_crop, self.captions = smallest_crop, captions

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """`pixels` (3, size, size) and `captions` of the i-th item."""
        item = self.items[i]
        with Image.open(self.folder / item.image) as photo:
            image = photo.convert("RGB")
        if self.smallest_crop < 1:
            image = _varied(image, self.smallest_crop)
        fitted = pixels.fit(image, self.config.image)
        few = 0 < self.captions < len(item.captions)
        said = random.sample(item.captions, self.captions) if few else item.captions
        return {"pixels": pixels.tensor(fitted, self.config.image), "captions": said}


def _varied(image: Image.Image, smallest: float) -> Image.Image:
    """A random crop of at least `smallest` of each side, mirrored half of the time."""
    width, height = (int(side * random.uniform(smallest, 1)) for side in image.size)
    left, top = random.randint(0, image.width - width), random.randint(0, image.height - height)
    image = image.crop((left, top, left + width, top + height))
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else image


class Collator:
    """Batches of `Photos`: pixels (n, 3, size, size), labels (n, captions, length) padded with -100."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, config: ClipGPTConfig):
        self.tokenizer, self.config = tokenizer, config

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """The rows as one batch."""
        most, end = max(len(row["captions"]) for row in rows), self.tokenizer.eos_token_id
        texts = [[words.lesson(caption, self.config.text) for caption in row["captions"]] for row in rows]
        ids = [[[*self.tokenizer.encode(text), end][: self.config.max_tokens] for text in row] for row in texts]
        longest = max(len(caption) for row in ids for caption in row)
        labels = torch.full((len(rows), most, longest), -100)
        for i, row in enumerate(ids):
            for j, caption in enumerate(row):
                labels[i, j, : len(caption)] = torch.tensor(caption)
        return {"pixels": torch.stack([row["pixels"] for row in rows]), "labels": labels}


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


def evaluate(name: str, data: Path, split: str, beam: int, precision: str = "float32") -> dict[str, float]:
    """The metrics of a model's captions on a split of a caption table.

    Args:
        precision: `float32`, or `int8`, the fast mode of a CPU.
    """
    from .checkpoint import load_model
    from .int8 import quantize

    model, tokenizer = load_model(name, "cpu")
    if precision == "int8":
        quantize(model.encoder)
        quantize(model.decoder)
    items = list(read_table(data, split))
    said = caption_items(model, tokenizer, data, items, Decoding(beams=beam, max_tokens=model.config.max_tokens))
    return score(said, {item.id: item.captions for item in items})
