"""What is said of a search: the grid's best, its edges, and whether it was long enough."""

from __future__ import annotations

from itertools import product
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.analysis.search import Trial, expected_best, heat_map, slices, values_at_edges
from nertune.spec.space import Choices, Range

RATE, BATCH, LAYERS = "train.learning_rate", "train.batch_size", "train.top_layers"
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=4)


def trial(number, score, **point):
    return Trial(number, {RATE: point["rate"], BATCH: point["batch"], LAYERS: point.get("layers", 1)}, score)


@given(SCORES, st.booleans())
def test_the_expected_best_is_that_of_all_draws(scores, minimised):
    pick = min if minimised else max
    for point in expected_best(scores, minimised=minimised):
        draws = [pick(drawn) for drawn in product(scores, repeat=int(point["trials"]))]
        assert point["mean"] == pytest.approx(fmean(draws), abs=1e-9)
        assert point["sd"] ** 2 == pytest.approx(fmean((one - fmean(draws)) ** 2 for one in draws), abs=1e-9)


def test_a_square_holds_the_best_of_the_other_keys_and_names_its_trial():
    trials = [trial(0, 0.5, rate=1e-3, batch=8), trial(1, 0.7, rate=1e-3, batch=8, layers=2)]
    trials += [
        trial(2, 0.6, rate=1e-4, batch=8),
        trial(3, None, rate=1e-4, batch=16),
        trial(4, 0.1, rate=1e-5, batch=16),
    ]
    grid = heat_map(trials, [BATCH, RATE, LAYERS], score="f1", minimised=False)
    assert (grid["rows"], grid["columns"], grid["others"]) == (RATE, BATCH, [LAYERS])
    assert (grid["row_values"], grid["column_values"]) == ([1e-5, 1e-4, 1e-3], [8, 16])
    assert grid["cells"] == [[None, 0.1], [0.6, None], [0.7, None]]
    assert grid["trials"] == [[None, 4], [2, 3], [1, None]]


def test_of_losses_the_least_stands_in_a_square():
    trials = [trial(0, 0.5, rate=1e-3, batch=8), trial(1, 0.7, rate=1e-3, batch=8, layers=2)]
    trials.append(trial(2, 0.6, rate=1e-2, batch=16))
    assert heat_map(trials, [BATCH, RATE], score="loss", minimised=True)["trials"] == [[0, None], [None, 2]]


def test_drawn_numbers_are_put_together_so_that_every_trial_has_its_square():
    trials = [trial(number, number / 40, rate=10 ** (-6 + number / 10), batch=8 << number % 2) for number in range(40)]
    grid = heat_map(trials, [RATE, BATCH], score="f1", minimised=False)
    assert grid["row_values"] == sorted({*grid["row_values"]})
    assert 8 <= len(grid["row_values"]) <= 13
    assert max(number for row in grid["trials"] for number in row if number is not None) == 39


@pytest.mark.parametrize("keys", [[RATE], [RATE, LAYERS]])
def test_a_key_that_never_changed_is_no_side(keys):
    trials = [trial(0, 0.5, rate=1, batch=8), trial(1, 0.5, rate=2, batch=8)]
    assert heat_map(trials, keys, score="f1", minimised=False) is None


def test_slices_go_by_value_and_leave_out_what_has_no_score():
    trials = [trial(0, 0.5, rate=3, batch=8), trial(1, None, rate=2, batch=8), trial(2, 0.4, rate=1, batch=8)]
    assert [(one["value"], one["trial"]) for one in slices(trials, [RATE])[RATE]] == [(1, 2), (3, 0)]


@pytest.mark.parametrize(
    ("dimension", "value", "side"),
    [
        (Choices(RATE, (1e-5, 1e-4, 1e-3)), 1e-3, "highest"),
        (Choices(RATE, (1e-5, 1e-4, 1e-3)), 1e-5, "lowest"),
        (Choices(RATE, (1e-5, 1e-4, 1e-3)), 1e-4, None),
        (Choices(BATCH, (16, 32)), 32, None),  # nothing but edges
        (Choices("train.optimizer", ("a", "b", "c")), "c", None),
        (Range(RATE, 1e-6, 1e-3, log=True), 9e-4, "highest"),
        (Range(RATE, 1e-6, 1e-3, log=True), 3e-5, None),
        (Range(RATE, 0.0, 1.0), 0.02, "lowest"),
        (Range(BATCH, 8, 64, step=8, integer=True), 56, None),
        (Range(BATCH, 8, 64, step=8, integer=True), 64, "highest"),
    ],
)
def test_a_best_value_at_the_edge_is_noticed(dimension, value, side):
    found = values_at_edges([dimension], {dimension.key: value})
    assert [one["side"] for one in found] == ([] if side is None else [side])
