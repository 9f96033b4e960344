"""Records: plain facts about fits, as frozen data that becomes JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Scores = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Numbers of one moment of a fit.

    step    optimizer steps done so far
    epoch   passes over train done so far
    split   train | dev | test
    values  train: loss, learning_rate, grad_norm; dev and test: loss and every score
    """

    step: int
    epoch: float
    split: str
    values: Scores

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SplitScores:
    """Scores of one split: overall, and for every label (precision, recall, f1, support)."""

    overall: Scores
    labels: Mapping[str, Scores] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FitRecord:
    """What one training run came to, at its best epoch.

    best_epoch, best_step  of the evaluation that was strictly best, the earliest on ties
    steps, epochs          done in all, which is fewer than asked for after early stopping
    dev                    dev scores at the best epoch, in the fit's own precision; None when there is no dev
    train                  runtime (s), loss (mean over the fit), samples, steps per second
    stopped                None, or why the fit ended early: "patience" | "verdict"
    """

    best_epoch: float
    best_step: int
    steps: int
    epochs: float
    dev: SplitScores | None
    train: Scores
    stopped: str | None = None


def without_nan(value: Any) -> Any:
    """The same JSON value with null where a number is not finite: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return value
