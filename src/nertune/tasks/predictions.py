"""Predictions of a split, in the order of its examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nertune.data.examples import Span
from nertune.data.labels import spans_to_tags
from nertune.tasks.encoded import Ints


@dataclass(frozen=True, eq=False)
class Outputs:
    """What the model said of every item that is at home in a window, in the order of `Windows.items`.

    Shapes   H homes, L labels
        decoded        [H]     int64    label ids, or
                       [H, L]  bool     whether a text has the label (multi-label)
        probabilities  [H]     float32  of the decoded label (token), or
                       [H, L]  float32  of every label (sequence)
    loss       mean over the labelled items, without label smoothing; NaN when none is labelled
    runtime_s  seconds for all of it
    """

    decoded: Ints | npt.NDArray[np.bool_]
    probabilities: npt.NDArray[np.float32]
    loss: float
    runtime_s: float


@dataclass(frozen=True, eq=False)
class TokenPredictions:
    """Entities of each sentence.

    probabilities  for each entity, the mean over its words of the probability of the predicted tag
    """

    spans: list[list[Span]]
    probabilities: list[list[float]]
    n_words: Ints
    loss: float
    runtime_s: float

    @property
    def tags(self) -> list[list[str]]:
        """A tag for every word of every sentence, in IOB2 whatever scheme was learned."""
        return [spans_to_tags(spans, int(n)) for spans, n in zip(self.spans, self.n_words, strict=True)]


@dataclass(frozen=True, eq=False)
class SequencePredictions:
    """The classes of each text: one, or (multi-label) any number of them, in the order of `labels`.

    Shapes  N texts, L classes
        probabilities  [N, L] float32, classes in the order of `labels`; of single classes they add up to 1
    """

    classes: list[tuple[str, ...]]
    labels: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    loss: float
    runtime_s: float


Predictions = TokenPredictions | SequencePredictions
