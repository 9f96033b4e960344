"""Multi-label scores: any number of labels for each text, none included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nertune.results.records import SplitScores
from nertune.scores.classes import averages, binary_f1, mean
from nertune.scores.rates import rates

Labelled = npt.NDArray[np.bool_]  # [N, L] whether text n has label l


def score_label_sets(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    labels: Sequence[str],
    positive_label: str | None = None,
) -> SplitScores:
    """Macro, micro, weighted and text-wise scores, exact matches, wrong decisions, and the scores of every label.

    The figures are scikit-learn's, tested so. `f1`, `precision`, `recall` average over the labels present in gold or
    predicted, `macro_f1_all` over all `labels`, `samples_f1` over the texts, where one without a label that is given
    none counts 1. `accuracy` is the share of texts whose labels are all right, `hamming_loss` the share of wrong
    decisions among texts times labels.

    gold, predicted  the labels of each text, each in `labels`
    positive_label   adds `binary_f1`, the F1 of that label
    """
    true, guessed = _matrix(gold, labels=labels), _matrix(predicted, labels=labels)
    right, found, real = ((side.sum(axis=0).tolist()) for side in (true & guessed, guessed, true))
    counts = dict(zip(labels, zip(right, found, real, strict=True), strict=True))
    by_label = {label: rates(right, found=found, real=real) for label, (right, found, real) in counts.items()}
    present = [label for label, (_, found, real) in counts.items() if found or real]
    micro = rates(sum(right), found=sum(found), real=sum(real))
    overall = {
        **averages(by_label, present=present, micro_f1=micro.f1),
        "samples_f1": mean(_text_f1(true, guessed).tolist()),
        "accuracy": mean((true == guessed).all(axis=1).tolist()),
        "hamming_loss": float((true != guessed).mean()) if true.size else 0.0,
        **binary_f1(by_label, positive_label=positive_label),
    }
    return SplitScores(overall=overall, labels={label: one.to_scores() for label, one in by_label.items()})


def _matrix(label_sets: Sequence[Sequence[str]], *, labels: Sequence[str]) -> Labelled:
    columns = {label: column for column, label in enumerate(labels)}
    matrix = np.zeros((len(label_sets), len(labels)), dtype=np.bool_)
    for row, own in enumerate(label_sets):
        matrix[row, [columns[label] for label in own]] = True
    return matrix


def _text_f1(true: Labelled, guessed: Labelled) -> npt.NDArray[np.float64]:
    """The F1 of each text's labels, [N]."""
    doubled = 2 * (true & guessed).sum(axis=1)
    total = true.sum(axis=1) + guessed.sum(axis=1)
    return np.where(total == 0, 1.0, doubled / np.maximum(total, 1))
