"""Callbacks of a fit's Trainer: those that tell its records on, and the user's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from nertune.hooks import load_hook
from nertune.results.records import StepRecord

Tell = Callable[[StepRecord], None]
LOGGED = ("loss", "learning_rate", "grad_norm")


class Teller(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
    """Tells the training records on, has one written at each epoch's end, and ends a fit early when asked to."""

    def __init__(self, tell: Tell, *, stop_after_epoch: int | None) -> None:
        self._tell, self._stop_after_epoch = tell, stop_after_epoch

    def on_log(
        self, _args: TrainingArguments, state: TrainerState, _control: TrainerControl, logs: dict[str, float], **_: Any
    ) -> None:
        if "grad_norm" in logs:
            self._tell(StepRecord(state.global_step, state.epoch, "train", {name: logs[name] for name in LOGGED}))

    def on_epoch_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        control.should_log = True
        if self._stop_after_epoch is not None and round(state.epoch) >= self._stop_after_epoch:
            control.should_training_stop = True
            is_evaluated = args.eval_strategy == "steps" and state.global_step % state.eval_steps == 0
            control.should_evaluate |= args.eval_strategy != "no" and not is_evaluated


def load_callbacks(names: Sequence[str]) -> list[TrainerCallback]:
    """The user's callbacks, new ones for each fit.

    Raises  HookError for a name that cannot be imported, or is no callback
    """
    found = [load_hook(name, key="train.callbacks", kind="callback") for name in names]
    return [callback() if isinstance(callback, type) else copy.deepcopy(callback) for callback in found]


def tensorboard_files(folder: Path) -> TrainerCallback:
    """Event files in the folder's `runs`."""
    from torch.utils.tensorboard import SummaryWriter  # an optional package
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(log_dir=str(folder / "runs")))
