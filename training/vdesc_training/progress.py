"""Training for people: a bar with loss, tokens a second and time left; lines where there is no terminal; curves."""

import os
import time
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text
from transformers import TrainerCallback
from vdesc import SettingsError

QUIET = 30.0  # seconds between two lines where there is no terminal


class Watch(TrainerCallback):
    """Shows how the training goes, on standard error; `say` tells the person something at once."""

    def __init__(self, console: Console | None = None):
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.shown = os.environ.get("RANK", "0") == "0"  # of several processes one speaks
        self.bar: Progress | None = None
        self.said: set[str] = set()
        self.lately = time.monotonic()

    def say(self, text: str, style: str = "") -> None:
        """Prints a sentence, once however often it is said."""
        if self.shown and text not in self.said:
            self.console.print(Text(text, style))
        self.said.add(text)

    def report(self, done: int, of: int) -> None:
        """Shows how many items were encoded."""
        if self.shown and (done == of or time.monotonic() - self.lately > QUIET):
            self.lately = time.monotonic()
            self.console.print(f"encoded {done:,} of {of:,} items")

    def on_train_begin(self, args, state, control, **_):  # type: ignore[no-untyped-def]
        """Starts the bar where somebody can see it."""
        self.began = time.monotonic(), state.global_step
        if not (self.shown and self.console.is_terminal):
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(True))
        self.bar = Progress(*columns, console=self.console)
        self.task = self.bar.add_task("training", total=state.max_steps, completed=state.global_step)
        self.bar.start()

    def on_step_end(self, args, state, control, **_):  # type: ignore[no-untyped-def]
        """One step further."""
        if self.bar:
            self.bar.update(self.task, completed=state.global_step)

    def on_log(self, args, state, control, logs=None, **_):  # type: ignore[no-untyped-def]
        """Shows the loss and the speed."""
        if not self.shown or not logs or "tokens_per_second" not in logs:
            return
        text = (
            f"epoch {logs['epoch']:.2f} of {args.num_train_epochs:g}  loss {logs['loss']:.3f}  "
            f"{logs['tokens_per_second']:,.0f} tokens/s"
        )
        if self.bar:
            self.bar.update(self.task, description=text)
        elif time.monotonic() - self.lately > QUIET:
            self.lately = time.monotonic()
            self.console.print(f"step {state.global_step} of {state.max_steps}  {text}  {self._left(state)} left")

    def close(self) -> None:
        """Takes the bar away, also after an error."""
        if self.bar:
            self.bar.stop()

    def _left(self, state: Any) -> timedelta:
        at, step = self.began
        a_step = (time.monotonic() - at) / max(1, state.global_step - step)
        return timedelta(seconds=round(a_step * (state.max_steps - state.global_step)))


def curves(report: str, out: Path) -> list[TrainerCallback]:
    """The callbacks that draw curves where the recipe's `report` says. Raises `SettingsError` for what is missing."""
    if report == "none" or (report == "auto" and find_spec("tensorboard") is None):
        return []
    package = "tensorboard" if report == "auto" else report
    if find_spec(package) is None:
        raise SettingsError(f"report {report} needs the package {package}: pip install {package}, or --set report=none")
    from transformers.integrations import TensorBoardCallback, WandbCallback

    if package == "wandb":
        os.environ.setdefault("WANDB_PROJECT", "vdesc")
        return [WandbCallback()]
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(out / "curves"))]
