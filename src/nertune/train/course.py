"""The course of a fit: its evaluations, which of them is best, and whether to go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

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

    def to_state(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "scores": asdict(self.scores),
            "thresholds": [list(head.thresholds) for head in self.heads],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], *, heads: Sequence[Head]) -> Evaluation:
        """What `to_state` told; `heads` are those of the base."""
        decided = zip(heads, state["thresholds"], strict=True)
        return cls(
            step=state["step"],
            epoch=state["epoch"],
            scores=SplitScores(**state["scores"]),
            heads=tuple(replace(head, thresholds=tuple(thresholds)) for head, thresholds in decided),
        )


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
        self._between: Evaluation | None = None
        self._kept: dict[str, Tensor] | None = None  # None: the best weights are in the model

    @property
    def so_far(self) -> Evaluation | None:
        """The best evaluation, also one between those that the fit would have had without its pause."""
        between = self._between
        return between if between is not None and self._is_better(between) else self.best

    def evaluated(self, evaluation: Evaluation, *, model: nn.Module, is_last: bool) -> bool:
        """Take in an evaluation of the model as it stands; whether to stop. `is_last`: nothing is trained after it."""
        if self._is_better(evaluation):
            self.best, self._n_worse = evaluation, 0
            self._keep(model, is_last=is_last)
        else:
            self._n_worse += 1
        if self._tell(evaluation) == "stop":
            self.stopped = "verdict"
        elif self._patience is not None and self._n_worse >= self._patience and not is_last:
            self.stopped = "patience"
        return self.stopped is not None

    def glanced(self, evaluation: Evaluation) -> None:
        """Take in one that is there for a pause only: what becomes of the fit does not depend on it."""
        self._between = evaluation
        self._tell(evaluation)

    def to_state(self) -> dict[str, Any]:
        """As tensors and plain values."""
        return {
            "best": self.best.to_state() if self.best else None,
            "n_worse": self._n_worse,
            "kept": self._kept,
            "between": self._between.to_state() if self._between else None,
        }

    def go_on(self, state: Mapping[str, Any], *, heads: Sequence[Head]) -> None:
        """Go on from what `to_state` told."""
        self.best, self._between = (
            Evaluation.from_state(state[name], heads=heads) if state[name] else None for name in ("best", "between")
        )
        self._n_worse, self._kept = state["n_worse"], state["kept"]

    def restore_best(self, model: nn.Module) -> None:
        """Put the best evaluation's weights back into the model."""
        if self._kept is not None:
            with torch.no_grad():
                for name, tensor in _trained(model).items():
                    tensor.copy_(self._kept[name])

    def _is_better(self, evaluation: Evaluation) -> bool:
        if self.best is None:
            return True
        new, best = (one.scores.overall[self._objective] for one in (evaluation, self.best))
        return better(new, best, objective=self._objective)

    def _tell(self, evaluation: Evaluation) -> str:
        return self._ask(StepRecord(evaluation.step, evaluation.epoch, "dev", evaluation.scores.overall))

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
