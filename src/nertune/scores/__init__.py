"""Gold against predicted -> numbers."""

from __future__ import annotations

import math

from nertune.data.examples import Task

# What `search.objective` may name. Everything is maximised but the loss.
OBJECTIVES: dict[Task, tuple[str, ...]] = {
    "token": ("f1", "precision", "recall", "macro_f1", "weighted_f1", "accuracy", "loss"),
    "sequence": (
        "f1",
        "precision",
        "recall",
        "macro_f1_all",
        "micro_f1",
        "weighted_f1",
        "accuracy",
        "mcc",
        "binary_f1",  # with data.positive_label only
        "loss",
    ),
}
MINIMISED = frozenset({"loss"})


def better(score: float, best: float | None, *, objective: str) -> bool:
    """Whether `score` is strictly better than `best`; NaN and infinity never are, and anything finite beats None."""
    if not math.isfinite(score):
        return False
    if best is None or not math.isfinite(best):
        return True
    return score < best if objective in MINIMISED else score > best
