"""The course of a fit: its evaluations, which of them is best, and whether to go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nertune.models.heads.head import Head
from nertune.results.records import SplitScores, StepRecord
from nertune.scores import better

Ask = Callable[[StepRecord], str]


@dataclass(frozen=True)
class Evaluation:
    """Dev scores at one moment, and the heads with the thresholds that were tuned for them."""

    step: int
    epoch: float
    scores: SplitScores
    heads: tuple[Head, ...] = ()


class Course:
    """Keeps the weights of the strictly best evaluation (the earliest on ties) and says when to stop.

    objective  the dev score that decides
    patience   evaluations in a row without a better one after which to stop; None: never
    ask        told each evaluation; answers "continue" or "stop"
    """

    def __init__(self, *, objective: str, patience: int | None, ask: Ask) -> None:
        self.best: Evaluation | None = None
        self.stopped: str | None = None
        self._objective, self._patience, self._ask = objective, patience, ask
        self._n_worse = 0
        self._kept: dict[str, Tensor] | None = None  # None: the best weights are in the model

    def evaluated(self, evaluation: Evaluation, *, model: nn.Module, is_last: bool) -> bool:
        """Take in an evaluation of the model as it stands; whether to stop. `is_last`: nothing is trained after it."""
        best_score = self.best.scores.overall[self._objective] if self.best else None
        if self.best is None or better(
            evaluation.scores.overall[self._objective], best_score, objective=self._objective
        ):
            self.best, self._n_worse = evaluation, 0
            self._keep(model, is_last=is_last)
        else:
            self._n_worse += 1
        if self._ask(StepRecord(evaluation.step, evaluation.epoch, "dev", evaluation.scores.overall)) == "stop":
            self.stopped = "verdict"
        elif self._patience is not None and self._n_worse >= self._patience and not is_last:
            self.stopped = "patience"
        return self.stopped is not None

    def restore_best(self, model: nn.Module) -> None:
        """Put the best evaluation's weights back into the model."""
        if self._kept is not None:
            with torch.no_grad():
                for name, tensor in _trained(model).items():
                    tensor.copy_(self._kept[name])

    def _keep(self, model: nn.Module, *, is_last: bool) -> None:
        """Copy the trained parameters, into the same memory each time; the last ones need no copy."""
        with torch.no_grad():
            if is_last:
                self._kept = None
            elif self._kept is None:
                self._kept = {name: tensor.clone() for name, tensor in _trained(model).items()}
            else:
                for name, tensor in _trained(model).items():
                    self._kept[name].copy_(tensor)


def _trained(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}
