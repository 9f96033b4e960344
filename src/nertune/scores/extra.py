"""Scores of the user's own: functions of gold and predicted labels that `search.scores` names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

from nertune.data.examples import Problem, Span
from nertune.errors import NertuneError
from nertune.hooks import hook_name, load_hook

Classes = Sequence[tuple[str, ...]]
Entities = Sequence[Sequence[Span]]
KEY = "search.scores"


class ScoreError(NertuneError):
    """A score of the user's own gave something that is no score."""


def score_extra_entities(names: Sequence[str], *, gold: Entities, predicted: Entities) -> dict[str, float]:
    """The scores that `search.scores` names, by the last part of their names.

    Each is given lists with a list of (label, first word, word behind the last) for each sentence.

    Raises  HookError, ScoreError for what is no finite number, and whatever a score raises
    """
    return _score(names, gold=_plain_entities(gold), predicted=_plain_entities(predicted))


def score_extra_classes(
    names: Sequence[str], *, gold: Classes, predicted: Classes, problem: Problem
) -> dict[str, float]:
    """The same for texts: each score is given lists of classes; with several labels a text, lists of tuples of them."""
    if problem == "multi_label":
        return _score(names, gold=list(gold), predicted=list(predicted))
    return _score(names, gold=[label for (label,) in gold], predicted=[label for (label,) in predicted])


def _score(names: Sequence[str], *, gold: list[Any], predicted: list[Any]) -> dict[str, float]:
    hooks = {name: load_hook(name, key=KEY, kind="score") for name in names}
    return {hook_name(name): check_number(score(gold, predicted), name=name) for name, score in hooks.items()}


def check_number(value: object, *, name: str) -> float:
    """The value as a float.

    Raises  ScoreError for anything but a finite number
    """
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ScoreError(f"{KEY}: {name} gave {value!r:.60}, which is no number; let it return a float")
    if not math.isfinite(value):
        raise ScoreError(f"{KEY}: {name} gave {value}; let it return 0.0 where it cannot divide")
    return float(value)


def _plain_entities(spans: Entities) -> list[list[tuple[str, int, int]]]:
    return [[(span.label, span.start, span.end) for span in own] for own in spans]
