"""Gold against predicted -> numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable

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


def objectives(task: Task, *, heads: Iterable[str] = (), extra: Iterable[str] = ()) -> list[str]:
    """What `search.objective` may name; of several heads also the scores of each, `NAME.f1`.

    extra  scores of the user's own, as results call them
    """
    names = [*OBJECTIVES[task], *extra]
    return [*names, *(f"{head}.{name}" for head in heads for name in names)]


def is_minimised(objective: str) -> bool:
    """Whether less of it is better."""
    return objective.rpartition(".")[2] in MINIMISED


def is_scored(objective: str, *, problem: Problem) -> bool:
    """Whether this objective of a task is a score of this kind of problem, too: `mcc` is none of several labels."""
    return ONLY_FOR.get(objective, problem) == problem


def better(score: float, best: float | None, *, objective: str) -> bool:
    """Whether `score` is strictly better than `best`; NaN and infinity never are, and anything finite beats None."""
    if not math.isfinite(score):
        return False
    if best is None or not math.isfinite(best):
        return True
    return score < best if is_minimised(objective) else score > best
