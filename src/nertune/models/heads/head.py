"""What a head is: a model class for each task, a loss and a decode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from nertune.data.examples import Task


class HeadLoss(Protocol):
    """The training loss of a batch; shapes as in `models.losses`: `cross_entropy`, or `binary_cross_entropy`."""

    def __call__(self, logits: Tensor, labels: Tensor, *, n_items: Tensor | int, smoothing: float) -> Tensor: ...


@dataclass(frozen=True)
class Head:
    """One member of HEADS, for one kind of problem.

    auto_classes  per task, the transformers class whose `from_pretrained` loads the saved model
    loss          summed over labelled positions, divided by their number in the whole batch
    item_losses   logits [N, L] and gold -> the loss of each item without smoothing [N] float64, NaN without gold
    decode        logits [N, L] -> label ids [N] int64, or (multi-label) whether each label is predicted [N, L] bool;
                  and the probabilities of all labels [N, L] float32
    """

    auto_classes: Mapping[Task, Any]
    loss: HeadLoss
    item_losses: Callable[[Tensor, Tensor], Tensor]
    decode: Callable[[Tensor], tuple[Tensor, Tensor]]
