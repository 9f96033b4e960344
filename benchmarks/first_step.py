"""A Trainer callback that notes when the first step of a fit is done: a line of the file FIRST_STEPS, in seconds."""

from __future__ import annotations

import os
import time
from typing import Any

from transformers import TrainerCallback


class FirstStep(TrainerCallback):
    """The monotonic clock is one for all processes of a machine."""

    def __init__(self) -> None:
        self.is_noted = False

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        del args, state, control
        if not self.is_noted:
            self.is_noted = True
            with open(os.environ["FIRST_STEPS"], "a", encoding="utf-8") as stream:  # noqa: PTH123
                stream.write(f"{time.monotonic()}\n")
