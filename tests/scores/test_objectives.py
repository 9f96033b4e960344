"""What makes one score better than another."""

from __future__ import annotations

from math import inf, nan

import pytest

from nertune.data.examples import Span
from nertune.scores import OBJECTIVES, better, is_scored
from nertune.scores.classes import score_classes
from nertune.scores.entities import score_entities
from nertune.scores.multi_label import score_label_sets


@pytest.mark.parametrize(
    ("score", "best", "objective", "answer"),
    [
        (0.5, 0.4, "f1", True),
        (0.5, 0.5, "f1", False),
        (0.4, 0.5, "loss", True),
        (0.5, 0.5, "loss", False),
        (0.4, 0.5, "hamming_loss", True),
        (nan, 0.1, "f1", False),
        (nan, None, "f1", False),
        (-inf, 0.1, "loss", False),
        (0.0, None, "f1", True),
        (0.0, nan, "f1", True),
    ],
)
def test_better_is_strictly_better_and_finite(score, best, objective, answer):
    assert better(score, best, objective=objective) is answer


def test_every_objective_is_a_score_and_every_score_an_objective():
    token = score_entities([[Span("X", 0, 1)]], [[]], n_words=[1]).overall
    single = score_classes(["a"], ["a"], labels=["a", "b"], positive_label="a").overall
    several = score_label_sets([["a"]], [["a"]], labels=["a", "b"], positive_label="a").overall
    assert set(OBJECTIVES["token"]) == {"loss", *token}
    for problem, scores in (("single_label", single), ("multi_label", several)):
        known = {name for name in OBJECTIVES["sequence"] if is_scored(name, problem=problem)}
        assert known == {"loss", *scores}
