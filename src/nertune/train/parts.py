"""What learns: parts of a model are frozen as a point says, and frozen parts run without dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from nertune.models.build import Base
from nertune.models.layers import Parts
from nertune.spec.study import TrainSpec
from nertune.train.lora import is_adapter, without_adapter


def learning_levels(train: TrainSpec, *, parts: Parts) -> frozenset[int]:
    """The levels of the model (`Parts.level`) that learn.

    Raises  ModelError for `top_layers` of an encoder that has no such layers
    """
    if train.top_layers is not None:
        return frozenset((*parts.top(train.top_layers, key="train.top_layers"), parts.above, parts.head))
    lowest = {"none": 0, "embeddings": 1, "encoder": parts.head}[train.freeze]
    return frozenset(range(lowest, parts.head + 1))


def learning_anywhere(settings: Sequence[TrainSpec], *, parts: Parts) -> frozenset[int]:
    """The levels that learn in one of the stages, or in several."""
    return frozenset().union(*(learning_levels(train, parts=parts) for train in settings))


class Freezer:
    """Freezes a model's parts for one stage after another.

    Frozen parameters ask for no gradient. Parts in which nothing learns stay in evaluation mode, whatever mode the
    Trainer puts the whole model in before each step. Made before a model gets its adapters.
    """

    def __init__(self, model: PreTrainedModel, *, base: Base) -> None:
        self._model, self._base = model, base
        self._learners = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        self._resting: list[nn.Module] = []
        self._hook = model.register_forward_pre_hook(self._rest)

    def freeze(self, train: TrainSpec) -> None:
        """Let learn what the stage says, and what the checkpoint lacked."""
        levels = learning_levels(train, parts=self._base.parts)
        learning = set[int]()
        for name, parameter in self._model.named_parameters():
            parameter.requires_grad_(self._learns(name, levels, adapted=train.lora is not None))
            if parameter.requires_grad:
                learning.add(self._base.parts.level(name))
        self._resting = [
            module for name, module in self._model.named_modules() if self._base.parts.level(name) not in learning
        ]

    def release(self) -> None:
        """Leave the model as it was, its weights apart."""
        self._hook.remove()
        for name, parameter in self._model.named_parameters():
            parameter.requires_grad_(name in self._learners)

    def _learns(self, name: str, levels: frozenset[int], *, adapted: bool) -> bool:
        level = self._base.parts.level(name)
        if is_adapter(name):
            return level in levels
        name = without_adapter(name)
        if name in self._base.missing or level == self._base.parts.head:
            return name in self._learners
        return level in levels and not adapted and name in self._learners

    def _rest(self, _model: nn.Module, _inputs: Any) -> None:
        for module in self._resting:
            module.training = False
