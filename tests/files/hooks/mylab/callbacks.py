import time

from transformers import TrainerCallback


class EpochTimes(TrainerCallback):
    """Prints the seconds of each epoch, into the log of the fit."""

    def on_epoch_begin(self, args, state, control, **_):
        self.began = time.monotonic()

    def on_epoch_end(self, args, state, control, **_):
        print(f"epoch {state.epoch:g}: {time.monotonic() - self.began:.1f} s")
