"""What a prediction means: encode, collate, decode, score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from transformers import PreTrainedTokenizerBase

import nertune.models.environment  # noqa: F401  # before transformers is imported anywhere in this room
from nertune.data.examples import Example, Task
from nertune.results.records import SplitScores
from nertune.spec.study import DataSpec, StudySpec
from nertune.tasks import sequence, token
from nertune.tasks.encoded import EncodedSplit, Windows
from nertune.tasks.predictions import Outputs, Predictions
from nertune.tasks.windows import Frame

__all__ = ["TASKS", "TaskKind"]


class Encode(Protocol):
    """Examples -> windows and counts; `labels` are the names of the label ids."""

    def __call__(
        self,
        examples: Sequence[Example],
        *,
        labels: Sequence[str],
        tokenizer: PreTrainedTokenizerBase,
        frame: Frame,
        spec: StudySpec,
    ) -> tuple[Windows, dict[str, int]]: ...


class LabelNames(Protocol):
    """Entity types or classes -> the names of the label ids, in their order."""

    def __call__(self, labels: Sequence[str], *, data: DataSpec) -> tuple[str, ...]: ...


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
