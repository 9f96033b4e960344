"""Class scores: one class for each text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from nertune.results.records import SplitScores
from nertune.scores.rates import Rates, rates


def score_classes(
    gold: Sequence[str], predicted: Sequence[str], *, labels: Sequence[str], positive_label: str | None = None
) -> SplitScores:
    """Macro, micro and weighted scores, accuracy, Matthews' correlation, and the scores of every class.

    The figures are scikit-learn's, tested so; it is not called, because importing it takes seconds in every worker.
    `f1`, `precision`, `recall` average over the classes present in gold or predicted, `macro_f1_all` over all `labels`.

    gold, predicted  one class a text, each in `labels`
    positive_label   adds `binary_f1`, the F1 of that class
    """
    matrix = _confusion(gold, predicted, labels=labels)
    by_class = {label: _rates_of(matrix, row=row) for row, label in enumerate(labels)}
    present = [label for row, label in enumerate(labels) if matrix[row].any() or matrix[:, row].any()]
    total = int(matrix.sum())
    accuracy = int(matrix.trace()) / total if total else 0.0
    overall = {
        **averages(by_class, present=present, micro_f1=accuracy),  # of single classes, the two are the same
        "accuracy": accuracy,
        "mcc": _matthews(matrix),
        **binary_f1(by_class, positive_label=positive_label),
    }
    return SplitScores(overall=overall, labels={label: one.to_scores() for label, one in by_class.items()})


def averages(by_label: Mapping[str, Rates], *, present: Sequence[str], micro_f1: float) -> dict[str, float]:
    """The means over labels that single and multi-label texts share; `present` are those in gold or predicted."""
    met = [by_label[label] for label in present]
    total = sum(one.support for one in met)
    return {
        "f1": mean([one.f1 for one in met]),
        "precision": mean([one.precision for one in met]),
        "recall": mean([one.recall for one in met]),
        "macro_f1_all": mean([one.f1 for one in by_label.values()]),
        "micro_f1": micro_f1,
        "weighted_f1": sum(one.f1 * one.support for one in met) / total if total else 0.0,
    }


def binary_f1(by_label: Mapping[str, Rates], *, positive_label: str | None) -> dict[str, float]:
    """The F1 of the positive label, when there is one."""
    return {} if positive_label is None else {"binary_f1": by_label[positive_label].f1}


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _confusion(gold: Sequence[str], predicted: Sequence[str], *, labels: Sequence[str]) -> npt.NDArray[np.int64]:
    """How often class i (row, gold) was called class j (column)."""
    ids = {label: row for row, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for true, guessed in zip(gold, predicted, strict=True):
        matrix[ids[true], ids[guessed]] += 1
    return matrix


def _rates_of(matrix: npt.NDArray[np.int64], *, row: int) -> Rates:
    return rates(int(matrix[row, row]), found=int(matrix[:, row].sum()), real=int(matrix[row].sum()))


def _matthews(matrix: npt.NDArray[np.int64]) -> float:
    """Matthews' correlation for any number of classes; 0 when gold or predicted has one class only.

    Source  Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient"
    """
    real, found = matrix.sum(axis=1), matrix.sum(axis=0)
    total = int(matrix.sum())
    covariance = int(matrix.trace()) * total - int(real @ found)
    spread = (total**2 - int(found @ found)) * (total**2 - int(real @ real))
    return covariance / math.sqrt(spread) if spread else 0.0
