"""Which key matters."""

from __future__ import annotations

import pytest

from cell_rows import make_cell
from nertune.search.importance import importances

RATES, SIZES = [1e-5, 1e-4, 1e-3, 1e-2], [8, 16, 32]
SPACE = {"train.learning_rate": RATES, "train.batch_size": SIZES}
POINTS = [{"train.learning_rate": rate, "train.batch_size": size} for rate in RATES for size in SIZES]


def cells_with(score):
    return [make_cell(number, point, f1=score(point)) for number, point in enumerate(POINTS)]


@pytest.mark.parametrize("key", list(SPACE))
def test_the_key_that_decides_the_score_has_nearly_all_of_it(make_study, key):
    shares = importances(make_study(space=SPACE), cells_with(lambda point: SPACE[key].index(point[key]) / 10))
    assert next(iter(shares)) == key
    assert shares[key] > 0.9
    assert sum(shares.values()) == pytest.approx(1)


def test_equal_trials_give_equal_shares_each_time(make_study):
    cells = cells_with(lambda point: point["train.batch_size"] * point["train.learning_rate"])
    study = make_study(space=SPACE)
    assert importances(study, cells) == importances(study, cells)


@pytest.mark.parametrize(
    "cells", [[], cells_with(lambda _: 0.5), cells_with(lambda point: point["train.batch_size"])[:2]]
)
def test_nothing_is_said_of_too_few_trials_or_equal_scores(make_study, cells):
    assert importances(make_study(space=SPACE), cells) is None


def test_trials_without_a_score_and_keys_that_never_changed_do_no_harm(make_study):
    cells = [*cells_with(lambda point: point["train.learning_rate"]), make_cell(12, POINTS[0], state="failed")]
    study = make_study(space={**SPACE, "train.epochs": [3]})
    points = [{**cell.point, "train.epochs": 3} for cell in cells]
    found = [
        make_cell(cell.number, point, state=cell.state, f1=cell.scores.get("dev", {}).get("f1"))
        for cell, point in zip(cells, points, strict=True)
    ]
    assert set(importances(study, found)) == set(SPACE)
