"""The Hugging Face trainer, taught what a captioner needs: steps that can be repeated, captions as the measure."""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor
from transformers import PrinterCallback, Trainer
from vdesc.errors import InputError, PluginError

from .caption_recipe import CaptionRecipe
from .guard import collapse
from .lessons import Lessons, Order
from .metrics import score
from .progress import Watch
from .resume import beside, checkpoints, patience_spent, restore, whole, worth, write_recipe

MEASURED = "validation.json"
Said = tuple[dict[str, str], float, int]  # captions by id; the sum of the losses of people's tokens; how many these are


class CaptionTrainer(Trainer):
    """Trains on whole steps that depend on the recipe and their number alone; keeps the best model by its captions.

    A captioner's own trainer says what a step's loss is, how captions are made, what learns, and what its files are.

    Args:
        lessons: the training split.
        validation: the items that are captioned after each epoch; they may be none.
        watch: tells the person what happens.
        collate: makes a batch of lessons: tensors of as many rows each, `labels` among them, and what is `broken`.
        chosen: the folder of the best model; unset: `best` beside the checkpoints.
    """

    model: Any
    train_dataset: Lessons

    def __init__(
        self, recipe: Any, lessons: Lessons, validation: Lessons, watch: Watch, collate: Callable[..., Any],
        chosen: Path | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(train_dataset=lessons, data_collator=collate, **kwargs)
        self.remove_callback(PrinterCallback)
        self.recipe: CaptionRecipe
        self.recipe, self.validation, self.watch = recipe, validation, watch
        self.photos = recipe.photos
        self.entire = recipe  # what is written beside the best model
        self.out = Path(self.args.output_dir or ".")
        self._run_dir = str(self.out)
        self.chosen = chosen or self.out / "best"
        restore(self.chosen)
        self.model.eval()
        self._tokens, self._since = torch.zeros((), device=self.args.device), time.perf_counter()

    # ---- what each captioner says for itself

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean loss of a part of a step's tokens."""
        raise NotImplementedError

    def groups(self) -> list[dict[str, Any]]:
        """What AdamW is handed: parameters, with their settings where these differ from the recipe's."""
        raise NotImplementedError

    def rest(self) -> None:
        """Switches the dropout of those parts off of which nothing learns."""

    def validate(self, numbers: Sequence[int]) -> Said:
        """What the model, in eval mode, says of some of the validation items, and the loss of what people say."""
        raise NotImplementedError

    def judge(self, said: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> dict[str, float]:
        """The scores of the captions of the validation items."""
        return score(said, references)

    def collapsed(self, said: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> str | None:
        """What is wrong with the captions where they have become one sentence, as half a sentence."""
        return collapse(said, references)

    def told(self, said: Mapping[str, str], numbers: Mapping[str, float]) -> None:
        """Takes note of the captions of a validation, and of what they scored."""

    def write_model(self, folder: Path) -> None:
        """Writes the model as inference reads it."""
        raise NotImplementedError

    def write_weights(self, folder: Path, state: Mapping[str, Tensor] | None) -> None:
        """Writes the weights of a checkpoint, from which training goes on.

        Args:
            state: all weights, gathered, where they are divided among several processes.
        """
        raise NotImplementedError

    # ---- one step

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """The loss of a step's items, after their gradients were added up in parts that fit into memory.

        Its dropout is drawn anew from the seed and the step's number: a resumed run draws the same.
        """
        if not self.model.training:
            model.train()
            self.rest()
        for text in inputs.pop("broken"):
            self.watch.say(f"{text}; another item stands in for it", "yellow")
        if not inputs:
            raise InputError("not one picture of the training split can be read: make the table again")
        inputs = self._prepare_inputs(inputs)
        while True:
            torch.manual_seed((self.recipe.seed << 32) + self.state.global_step * 64 + self.args.process_index)
            try:
                return self._backward(model, inputs)
            except RuntimeError as error:
                if "out of memory" not in str(error).lower():
                    raise
                self._halve()
            model.zero_grad()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _backward(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        tokens = (inputs["labels"] != -100).flatten(1).sum(1).float()
        count = self.accelerator.reduce(tokens.sum(), "mean")  # so that each token of all processes weighs the same
        parts = list(_parts(inputs, self.photos))
        whole_loss = torch.zeros((), device=count.device)
        for i, part in enumerate(parts):
            share = (part["labels"] != -100).sum() / count
            with nullcontext() if i + 1 == len(parts) else self.accelerator.no_sync(model):
                loss = self.compute_loss(model, part) * share
                self.accelerator.backward(loss)
            whole_loss += loss.detach()
        if not torch.isfinite(whole_loss):
            self._broken(f"the loss is {whole_loss.item()}")
        self._tokens += tokens.sum()
        return whole_loss

    def _halve(self) -> None:
        if self.photos == 1 or self.args.world_size > 1:
            raise PluginError(
                f"{self.recipe.trainer}: out of memory with {self.photos} items at once: lower photos and raise "
                "accumulate, or take a smaller model"
            ) from None
        self.photos = (self.photos + 1) // 2
        times = -(-self.recipe.photos * self.recipe.accumulate // self.photos)
        self.watch.say(
            f"out of memory: a step now takes its items in {times} parts of at most {self.photos} "
            f"(photos={self.photos}, accumulate={times}); what it learns from is the same",
            "yellow",
        )

    def _clip_grad_norm(self, model: Any) -> Any:
        norm = super()._clip_grad_norm(model)
        if self.recipe.precision != "float16" and not torch.isfinite(torch.as_tensor(norm)):  # fp16 skips such a step
            self._broken(f"the gradient is {float(norm)}")
        return norm

    def _broken(self, what: str) -> None:
        kept = checkpoints(self.out)
        where = f"{kept[0]} is as it was" if kept else "there is no checkpoint yet"
        raise PluginError(
            f"{self.recipe.trainer}: {what} at step {self.state.global_step + 1}, so the run stops; {where}: lower the "
            "rate, or set precision=float32"
        )

    # ---- what the Hugging Face trainer asks for

    def create_optimizer(self, *_: Any) -> torch.optim.Optimizer:
        """AdamW over what learns."""
        fused = self.args.device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.AdamW(self.groups(), lr=self.recipe.rate, betas=(0.9, 0.98), fused=fused)
        return self.optimizer

    def _get_train_sampler(self, *_: Any) -> Order:
        step = self.recipe.photos * self.recipe.accumulate * self.args.world_size
        return Order(len(self.train_dataset), step, self.recipe.seed, lambda: int(self.state.epoch or 0))

    def floating_point_ops(self, *_: Any) -> int:
        """Not counted: counting takes some milliseconds a step."""
        return 0

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the speed to what is logged of the training."""
        if "loss" in logs:
            logs["tokens_per_second"] = self._tokens.item() / (time.perf_counter() - self._since)
            self._start_clock()
        super().log(logs, start_time)

    def _start_clock(self) -> None:
        self._tokens.zero_()
        self._since = time.perf_counter()

    # ---- what is kept

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The scores of the validation captions; the model is kept where it is the best, unless it has collapsed."""
        said, numbers = self._measure()
        references = {item.id: item.captions for item in self.validation.items}
        if said:
            numbers |= self.judge(said, references)
        wrong = self.collapsed(said, references)
        numbers["collapsed"] = float(wrong is not None)
        self.told(said, numbers)
        metrics = {f"eval_{key}": value for key, value in numbers.items()}
        self.log(metrics)
        value, best = worth(numbers, self.recipe), self._best()
        shown = "  ".join(f"{key} {number:.3f}" for key, number in numbers.items() if key != "collapsed")
        self.watch.say(f"epoch {self.state.epoch:.2f}  {shown}{'  (best)' if value > best else ''}")
        if wrong:
            self.watch.say(f"epoch {self.state.epoch:.2f}: THE CAPTIONS HAVE COLLAPSED: {wrong}", "bold red")
        elif value >= best:  # of equals the later one, which has learned longer
            self.keep(numbers)
        if patience_spent(self.state.log_history, self.recipe):
            self.watch.say(f"no better {self.recipe.metric} in {self.recipe.patience} validations: the run ends here")
            self.control.should_training_stop = True
        self._start_clock()
        return metrics

    def _measure(self) -> tuple[dict[str, str], dict[str, float]]:
        """A caption for each validation item, and the mean `loss` of a token of people's captions."""
        mine = range(self.args.process_index, len(self.validation), self.args.world_size)
        self.model.eval()
        with self.accelerator.autocast():
            said, loss, tokens = self.validate(mine)
        loss, tokens = self.accelerator.reduce(torch.tensor([loss, tokens], device=self.args.device)).tolist()
        if not tokens:
            raise InputError("not one picture of the validation split can be read: make the table again")
        return dict(gather_object(list(said.items()))), {"loss": loss / tokens}

    def _best(self) -> float:
        measured = self.chosen / MEASURED
        if not measured.is_file():
            return float("-inf")
        return worth(json.loads(measured.read_text(encoding="utf-8")), self.recipe)

    def keep(self, numbers: dict[str, float]) -> None:
        """Makes the model the best one of the run."""
        if self.args.should_save:
            with whole(self.chosen, "the best model so far is as it was") as folder:
                self.write_model(folder)
                write_recipe(self.entire, folder)
                (folder / MEASURED).write_text(json.dumps(numbers, indent=1), encoding="utf-8")

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        folder = Path(output_dir or self.out)
        if self.args.should_save:
            self.write_weights(folder, state_dict)
            write_recipe(self.recipe, folder)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Writes aside and moves into place, then lets the older ones go: the last good one is always there."""
        folder = self.out / f"checkpoint-{self.state.global_step}"
        older = checkpoints(self.out)
        kept = f"{older[0].name}, the last good one, is kept" if older else "no checkpoint is there yet"
        with whole(folder, kept) if self.args.should_save else nullcontext(beside(folder)) as partial:
            self.accelerator.wait_for_everyone()
            self._run_dir = str(partial.parent)
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
        for path in older if self.args.should_save else ():
            if path != folder:
                shutil.rmtree(path, ignore_errors=True)
        self._start_clock()

    def _get_output_dir(self, trial: Any) -> str:
        return self._run_dir

    def finish(self) -> Path:
        """The folder of the best model; of the last one where nothing was measured. Raises `PluginError`."""
        if not len(self.validation):
            self.keep({})
        self.accelerator.wait_for_everyone()
        if not self.chosen.is_dir():
            raise PluginError(
                f"{self.recipe.trainer}: the captions of every validation had collapsed, so no model was chosen; the "
                f"last one is in {self.out}: lower the rate, or let more of the model learn"
            )
        return self.chosen


def _parts(inputs: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """A batch in parts of at most `size` items."""
    count = len(inputs["labels"])
    return [{key: value[i : i + size] for key, value in inputs.items()} for i in range(0, count, size)]
