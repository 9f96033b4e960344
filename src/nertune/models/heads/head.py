"""What a head is: a set of labels, how many of them hold at once, and what computes their scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from torch import nn

from nertune.data.examples import Problem
from nertune.spec.study import HeadOptions


class BuildHead(Protocol):
    """One member of HEADS: a new module from encodings [..., n_features] to scores of labels [..., n_labels].

    dropout  share of values to drop before each layer
    options  the head's keys of the study file
    """

    def __call__(self, n_features: int, n_labels: int, *, dropout: float, options: HeadOptions) -> nn.Module: ...


@dataclass(frozen=True)
class Head:
    """One set of labels that a model learns.

    name        in `model.heads`; "" for the only head of a model
    labels      names of the label ids: tags or classes
    problem     whether each item has one of them, or any number
    options     what computes the scores
    weight      of its loss in the sum over all heads
    thresholds  multi-label: for each label the probability above which an item has it; empty for single labels
    """

    name: str
    labels: tuple[str, ...]
    problem: Problem
    options: HeadOptions
    weight: float = 1.0
    thresholds: tuple[float, ...] = ()

    @property
    def has_crf(self) -> bool:
        return self.options.has_crf

    @property
    def tunes_thresholds(self) -> bool:
        return self.problem == "multi_label" and self.options.threshold == "tuned"

    def to_json(self) -> dict[str, Any]:
        """As config.json keeps it, below the head's name."""
        told = asdict(self)
        del told["name"], told["options"]
        return {**told, **self.options.model_dump(mode="json", exclude={"problem"})}

    @classmethod
    def from_json(cls, name: str, told: Mapping[str, Any]) -> Head:
        """The head that `to_json` told of.

        Raises  KeyError, pydantic.ValidationError for what no nertune wrote
        """
        options = {key: told[key] for key in HeadOptions.model_fields if key in told}
        return cls(
            name=name,
            labels=tuple(told["labels"]),
            problem=told["problem"],
            options=HeadOptions.model_validate(options),
            weight=told["weight"],
            thresholds=tuple(told["thresholds"]),
        )
