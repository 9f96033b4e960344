"""Precision, recall and F1 from three counts: what entities and classes share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """Scores of one label. `support` is how often it stands in gold."""

    precision: float
    recall: float
    f1: float
    support: int

    def to_scores(self) -> dict[str, float]:
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1, "support": self.support}


def rates(right: float, *, found: int, real: int) -> Rates:
    """Rates from counts: right ones, all predicted ones, all gold ones.

    What cannot be divided is 0, as in seqeval and scikit-learn.
    """
    precision = right / found if found else 0.0
    recall = right / real if real else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return Rates(precision=precision, recall=recall, f1=f1, support=real)
