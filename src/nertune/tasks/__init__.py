"""What a prediction means: encode, collate, decode, score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transformers import PreTrainedTokenizerBase

import nertune.models.environment  # noqa: F401  # before transformers is imported anywhere in this room
from nertune.data.examples import Example, Problem, Task
from nertune.models.heads import problem_of
from nertune.results.records import SplitScores
from nertune.spec.study import DataSpec, StudySpec
from nertune.tasks import sequence, token
from nertune.tasks.encoded import EncodedSplit, Gold, HeadLabels, Windows
from nertune.tasks.predictions import Outputs, Predictions
from nertune.tasks.windows import Frame

__all__ = ["TASKS", "TaskKind", "heads_to_learn", "label_names"]


class Encode(Protocol):
    """Examples -> windows (their targets are the first head's), the gold of each head, and counts."""

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        heads: Sequence[HeadLabels],
        tokenizer: PreTrainedTokenizerBase,
        frame: Frame,
        spec: StudySpec,
    ) -> tuple[Windows, list[Gold], dict[str, int]]: ...


class LabelNames(Protocol):
    """Entity types or classes -> the names of the label ids, in their order."""

    def __call__(self, labels: Sequence[str], *, spec: StudySpec, problem: Problem) -> tuple[str, ...]: ...


class Decode(Protocol):
    """What the model said -> predictions in the order of the examples."""

    def __call__(self, outputs: Outputs, *, encoded: EncodedSplit) -> Predictions: ...


class Score(Protocol):
    """Predictions against the gold of their split -> scores, without the loss."""

    def __call__(self, predictions: Predictions, *, encoded: EncodedSplit, data: DataSpec) -> SplitScores: ...


@dataclass(frozen=True)
class TaskKind:
    """One member of TASKS: what a task means, as four functions."""

    label_names: LabelNames
    encode: Encode
    decode: Decode
    score: Score


TASKS: dict[Task, TaskKind] = {
    "token": TaskKind(label_names=token.label_names, encode=token.encode, decode=token.decode, score=token.score),
    "sequence": TaskKind(
        label_names=sequence.label_names, encode=sequence.encode, decode=sequence.decode, score=sequence.score
    ),
}


def heads_to_learn(labels: Sequence[str], *, spec: StudySpec) -> tuple[HeadLabels, ...]:
    """What each head of a point learns; `labels` are the entity types or classes of train, in their order."""
    kinds = {name: head.labels for name, head in (spec.model.heads or {}).items()} or {"": tuple(labels)}
    made = []
    for name, own in kinds.items():
        problem = problem_of(spec.model, name=name)
        names = TASKS[spec.task].label_names(own, spec=spec, problem=problem)
        made.append(HeadLabels(name, tuple(own), names, problem))
    return tuple(made)


def label_names(labels: Sequence[str], *, spec: StudySpec) -> dict[str, tuple[str, ...]]:
    """The names of each head's label ids, as `load_base` takes them."""
    return {head.name: head.names for head in heads_to_learn(labels, spec=spec)}
