"""Seeds and process state: what makes a fit the same, whatever this process did before."""

from __future__ import annotations

import os
import random

import numpy as np
import torch
from accelerate.state import AcceleratorState, GradientState

# Set by TrainingArguments, Accelerator or `accelerate launch`; a fit states its precision and device itself.
LEFTOVERS = ("ACCELERATE_MIXED_PRECISION", "ACCELERATE_USE_CPU")


def set_seeds(seed: int) -> None:
    """Seed every generator that a fit may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # for code that draws from the global one
    torch.manual_seed(seed)  # of all devices


def forget_accelerator() -> None:
    """Forget the precision and device of the last fit: accelerate keeps them for the whole process.

    Without this, an fp32 fit after a bf16 one is refused or trains in bf16.
    """
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    for name in LEFTOVERS:
        os.environ.pop(name, None)
