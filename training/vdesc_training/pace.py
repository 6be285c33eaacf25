"""When a training run measures and saves."""

from transformers import TrainerCallback


class Pace(TrainerCallback):
    """Measures and saves after each epoch, and saves every so many steps in between."""

    def __init__(self, save_steps: int, measured: bool):
        self.save_steps, self.measured = save_steps, measured

    def on_step_end(self, args, state, control, **_):  # type: ignore[no-untyped-def]
        """Saves; not at the end of an epoch, where that follows anyway."""
        within = state.epoch != int(state.epoch) and state.global_step < state.max_steps
        if self.save_steps and within and state.global_step % self.save_steps == 0:
            control.should_save = True

    def on_epoch_end(self, args, state, control, **_):  # type: ignore[no-untyped-def]
        """Measures first, so that the checkpoint knows what was measured."""
        control.should_evaluate, control.should_save = self.measured, True
