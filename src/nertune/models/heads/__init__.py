"""What stands on the encoder: the name `model.head` is looked up here."""

from __future__ import annotations

from collections.abc import Mapping

from nertune.data.examples import Problem, Task
from nertune.errors import ModelError, closest
from nertune.models.heads.head import Head
from nertune.models.heads.linear import LINEAR, LINEAR_MULTI_LABEL
from nertune.spec.study import ModelSpec

HEADS: dict[str, Mapping[Problem, Head]] = {"linear": {"single_label": LINEAR, "multi_label": LINEAR_MULTI_LABEL}}


def find_head(name: str, *, problem: Problem) -> Head:
    """The head of this name for this kind of problem.

    Raises  ModelError with the closest known name
    """
    if name not in HEADS:
        near = closest(name, HEADS)
        raise ModelError(
            f"model.head is {name!r}, which is none of {', '.join(HEADS)}",
            fix=f"model.head: {near or 'linear'}",
        )
    return HEADS[name][problem]


def problem_of(model: ModelSpec, *, task: Task) -> Problem:
    """What the head of a point learns.

    One label where `model.problem` is still `auto` (opening a study puts in what the data are), and for the words of
    token tasks, whose encoding refuses those that carry several.
    """
    return "multi_label" if task == "sequence" and model.problem == "multi_label" else "single_label"
