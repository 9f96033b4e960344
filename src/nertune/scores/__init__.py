"""Gold against predicted -> numbers."""

from __future__ import annotations

import math

from nertune.data.examples import Problem, Task

# What `search.objective` may name. Everything is maximised but what is in MINIMISED.
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
        "samples_f1",
        "hamming_loss",
        "binary_f1",  # with data.positive_label only
        "loss",
    ),
}
ONLY_FOR: dict[str, Problem] = {"mcc": "single_label", "samples_f1": "multi_label", "hamming_loss": "multi_label"}
MINIMISED = frozenset({"loss", "hamming_loss"})


def is_scored(objective: str, *, problem: Problem) -> bool:
    """Whether this objective of a task is a score of this kind of problem, too: `mcc` is none of several labels."""
    return ONLY_FOR.get(objective, problem) == problem


def better(score: float, best: float | None, *, objective: str) -> bool:
    """Whether `score` is strictly better than `best`; NaN and infinity never are, and anything finite beats None."""
    if not math.isfinite(score):
        return False
    if best is None or not math.isfinite(best):
        return True
    return score < best if objective in MINIMISED else score > best
