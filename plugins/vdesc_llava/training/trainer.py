"""llava's own part of its training: its loss, its captions, its files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from vdesc.files import write_atomic
from vdesc_training.guard import collapse
from vdesc_training.metrics import meteor, score, tokenized
from vdesc_training.trainer import CaptionTrainer, Said

from ..checkpoint import save
from ..model import LlavaModel
from .contrast import contrast
from .judging import Judge
from .recipe import Recipe
from .sharding import together
from .tuning import groups, learned_names

QUALITY = ("alignment", "cider")  # what `joint` takes: the first that was measured
SAID = "captions"
READ = ("features", "times", "input_ids", "labels", "attention_mask")  # by the model, of a validation batch


class LlavaCaptionTrainer(CaptionTrainer):
    """Trains one stage of llava; see `CaptionTrainer`.

    Args:
        recipe: of the stage.
        entire: the recipe of all stages, which is written beside the best model.
        instruction: what the model is asked.
    """

    model: LlavaModel
    recipe: Recipe

    def __init__(
        self, recipe: Recipe, *args: Any, entire: Recipe, instruction: str, judge: Judge | None, **kwargs: Any
    ):
        super().__init__(recipe, *args, **kwargs)
        vars(self.model.config).pop("use_cache", None)  # which the Hugging Face trainer writes into any config
        self.entire, self.instruction, self.judging = entire, instruction, judge
        self.names = learned_names(self.model, entire)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss of a part of a step's tokens; with `align`, the contrast of its clips as well."""
        owner = inputs.pop("owner")
        with _shown(self.model.projector) as visual:
            output = model(**inputs)
        loss = output.loss
        if self.recipe.align:
            loss = loss + self.recipe.align * self._contrast(visual[0], inputs["labels"], owner)
        return (loss, output) if return_outputs else loss

    def _contrast(self, visual: Tensor, labels: Tensor, owner: Tensor) -> Tensor:
        real = labels != -100
        with torch.no_grad():
            words = self.model.llm.get_input_embeddings()(labels.masked_fill(~real, 0))
        return contrast(visual, words, real, owner[:, None] == owner)

    def groups(self) -> list[dict[str, Any]]:
        """The projector, and what learns of the LLM."""
        return groups(self.model, self.recipe)

    def rest(self) -> None:
        """Switches the LLM's dropout off where none of it learns; checkpointing works in training mode alone."""
        if self.recipe.learn == "projector" and not self.recipe.checkpointing:
            self.model.llm.eval()

    @torch.inference_mode()
    def validate(self, numbers: Sequence[int]) -> Said:
        """Captions of clips, and the loss of what people say of them."""
        with together(self.model) if self.recipe.shard else nullcontext():
            return self._validated(numbers)

    def _validated(self, numbers: Sequence[int]) -> Said:
        said: dict[str, str] = {}
        loss, count, size = 0.0, 0, self.photos
        for rows in self.validation.plain(numbers, size, self.watch.say):
            features = torch.stack([row["features"] if "features" in row else self._encoded(row) for row in rows])
            times = torch.stack([row["times"] for row in rows])
            asked = [self.instruction] * len(rows)
            static = False if self.recipe.shard else None  # what is divided cannot be recorded
            answers = self.model.generate(features, asked, beams=self.recipe.beams, times=times, static=static)
            said |= {row["id"]: some[0].text if some else "" for row, some in zip(rows, answers, strict=True)}
            batch = self.data_collator([row | {"features": f} for row, f in zip(rows, features, strict=True)])
            batch = {key: value for key, value in batch.items() if key in READ}
            for start in range(0, len(batch["labels"]), size):
                part = {key: value[start : start + size].to(self.model.device) for key, value in batch.items()}
                real = int((part["labels"] != -100).sum())
                loss += self.model(**part).loss.item() * real
                count += real
        return said, loss, count

    def _encoded(self, row: dict[str, Any]) -> Tensor:
        return self.model.encode(row["pixels"][None])[0].cpu()

    def judge(self, said: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, float]:
        """The usual scores, METEOR of equal words, what the judge says, and all of them in `joint`."""
        equal = meteor.exact(tokenized(said, references, "own")).value or 0.0
        numbers = score(said, references) | {"meteor_exact": equal}
        if self.judging:
            numbers["alignment"] = self.judging.mean(self.validation.items, said)
        return numbers | {"joint": joint(numbers)}

    def collapsed(self, said: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> str | None:
        """The guard, with the recipe's own limit: E's collapsed runs had 6 to 11 different captions of a hundred."""
        return collapse(said, references, self.recipe.distinct)

    def told(self, said: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Keeps what was said, for the report."""
        if self.args.should_save:
            path = self.out / SAID / f"{self.state.global_step:08}.json"
            write_atomic(path, json.dumps(dict(said), ensure_ascii=False, indent=1))

    def write_model(self, folder: Path) -> None:
        """The model's own folder."""
        save(self.model, folder)

    def write_weights(self, folder: Path, state: Mapping[str, Tensor] | None) -> None:
        """What some stage learns; the bases are where they came from."""
        folder.mkdir(parents=True, exist_ok=True)
        found = dict(self.model.named_parameters()) if state is None else state
        weights = {name: found[name].detach().contiguous().cpu() for name in self.names}
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    def release(self) -> None:
        """Hands the model back as it was made, for the next stage or the person."""
        self.accelerator.unwrap_model(self.model_wrapped, keep_fp32_wrapper=False)
        self.accelerator.free_memory()
        self.optimizer = self.lr_scheduler = None

    def _load_from_checkpoint(self, *_: Any, **__: Any) -> None:
        """Nothing: the weights of the last checkpoint were read when the stage was made ready."""


@contextmanager
def _shown(projector: nn.Module) -> Iterator[list[Tensor]]:
    """What the projector gives in the block."""
    visual: list[Tensor] = []
    handle = projector.register_forward_hook(lambda module, inputs, output: visual.append(output))
    try:
        yield visual
    finally:
        handle.remove()


def joint(numbers: Mapping[str, float]) -> float:
    """The geometric mean of quality, METEOR and diversity: 0 where any is, whatever the others' units.

    Quality alone chooses collapse: one well chosen sentence scored 0.338 with SigLIP at a diversity of 0.04, where
    captions of their own scored 0.144.
    """
    quality = next(numbers[name] for name in QUALITY if name in numbers)
    return max(0.0, quality * numbers["meteor_exact"] * numbers["diversity"]) ** (1 / 3)
