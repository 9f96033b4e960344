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

    Of several fits of a trial (`protocol`) each has curves of its own, whose steps begin at 0: train_1, dev_1, train_2,
    dev_2, … (see `split_of_fit`). The trial's own curve, dev, has a moment for each fit that is over: the mean of the
    best scores of the fits so far, by the steps and epochs of them all.

    step    optimizer steps done so far
    epoch   passes over train done so far
    split   train | dev | test, with the number of the fit where there are several
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
    stopped                None, or why the fit ended early: "patience" | "verdict" | "pause"
    """

    best_epoch: float
    best_step: int
    steps: int
    epochs: float
    dev: SplitScores | None
    train: Scores
    stopped: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> FitRecord:
        return cls(**{**told, "dev": None if told["dev"] is None else SplitScores(**told["dev"])})


@dataclass(frozen=True, slots=True)
class Cut:
    """Why a trial was ended before its time.

    share   of its epochs that it had done
    reason  for the user
    """

    share: float
    reason: str


def split_of_fit(split: str, number: int | None) -> str:
    """`dev_2`: the split `dev` of the second of several fits; `dev` where there is one fit (None)."""
    return split if number is None else f"{split}_{number}"


def fit_of_split(split: str) -> int | None:
    """2 for `dev_2`, None for `dev`: what `split_of_fit` put in."""
    number = split.rpartition("_")[2]
    return int(number) if number.isdecimal() else None


def values_of_fits(scores: Mapping[str, Mapping[str, float | None]], name: str) -> list[float | None]:
    """A dev score of each of a cell's several fits, by their numbers; empty where there is one fit."""
    numbers = sorted(number for split in scores if (number := fit_of_split(split)) is not None)
    return [scores[split_of_fit("dev", number)].get(name) for number in numbers]


def without_nan(value: Any) -> Any:
    """The same JSON value with null where a number is not finite: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return value
