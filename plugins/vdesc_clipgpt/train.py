"""Training clipgpt: a recipe and a caption table in, a model folder that `vdesc run` loads out."""

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, TrainingArguments, set_seed
from vdesc_training.backbones import mobilenet
from vdesc_training.metrics import score
from vdesc_training.table import Item, read_table

from . import words
from .batches import Collator, Photos
from .config import ClipGPTConfig
from .decoding import Decoding
from .model import ClipGPTModel
from .recipe import Recipe
from .trainer import CaptionTrainer, Thaw, caption_items


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
