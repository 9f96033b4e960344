"""Predictions of a split, in the order of its examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import numpy.typing as npt

from nertune.data.examples import Span
from nertune.data.labels import written_tags
from nertune.tasks.encoded import Ints

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Outputs:
    """What one head said of every item that is at home in a window, in the order of `Windows.items`.

    Shapes   H homes, L labels
        decoded        [H]     int64    label ids, or
                       [H, L]  bool     whether the item has the label (multi-label)
        probabilities  [H, L]  float32  of every label
    loss       mean over the labelled items, without label smoothing; NaN when none is labelled
    runtime_s  seconds for all of it
    """

    decoded: Ints | npt.NDArray[np.bool_]
    probabilities: Floats
    loss: float
    runtime_s: float


@dataclass(frozen=True, eq=False)
class TokenPredictions:
    """Entities of each sentence.

    probabilities  for each entity, the mean over its words of the probability of the predicted tag
    by_head        of several heads, what each of them said; this one then holds the entities of all
    """

    spans: list[list[Span]]
    probabilities: list[list[float]]
    n_words: Ints
    loss: float
    runtime_s: float
    by_head: Mapping[str, TokenPredictions] = field(default_factory=dict)

    @property
    def tags(self) -> list[list[str]]:
        """A tag for every word of every sentence, in IOB2 whatever scheme was learned; `B-A|I-B` where they overlap."""
        return [written_tags(spans, int(n)) for spans, n in zip(self.spans, self.n_words, strict=True)]


@dataclass(frozen=True, eq=False)
class SequencePredictions:
    """The classes of each text: one, or (multi-label) any number of them, in the order of `labels`.

    Shapes  N texts, L classes
        probabilities  [N, L] float32, classes in the order of `labels`; of single classes they add up to 1
    by_head        of several heads, what each of them said; this one then holds the classes of all
    """

    classes: list[tuple[str, ...]]
    labels: tuple[str, ...]
    probabilities: Floats
    loss: float
    runtime_s: float
    by_head: Mapping[str, SequencePredictions] = field(default_factory=dict)


Predictions = TokenPredictions | SequencePredictions


def join_token(heads: Mapping[str, TokenPredictions], *, loss: float) -> TokenPredictions:
    """The entities of all heads, in the order of the words."""
    spans: list[list[Span]] = []
    probabilities: list[list[float]] = []
    of_sentence = zip(*(head.spans for head in heads.values()), strict=True)
    certainties = zip(*(head.probabilities for head in heads.values()), strict=True)
    for found, sure in zip(of_sentence, certainties, strict=True):
        ordered = sorted(
            zip(chain(*found), chain(*sure), strict=True), key=lambda one: (one[0].start, one[0].end, one[0].label)
        )
        spans.append([span for span, _ in ordered])
        probabilities.append([value for _, value in ordered])
    first = next(iter(heads.values()))
    return TokenPredictions(spans, probabilities, first.n_words, loss, first.runtime_s, by_head=heads)


def join_sequence(heads: Mapping[str, SequencePredictions], *, loss: float) -> SequencePredictions:
    """The classes of all heads, one head after another."""
    every = list(heads.values())
    return SequencePredictions(
        classes=[tuple(chain(*found)) for found in zip(*(head.classes for head in every), strict=True)],
        labels=tuple(chain(*(head.labels for head in every))),
        probabilities=np.concatenate([head.probabilities for head in every], axis=1),
        loss=loss,
        runtime_s=every[0].runtime_s,
        by_head=heads,
    )
