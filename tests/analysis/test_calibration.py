"""Calibration and thresholds, computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.analysis.calibration import best_thresholds, calibration


def test_the_error_is_the_weighted_distance_of_the_bins():
    found = calibration([0.95, 0.91, 0.99, 0.55], [True, True, False, True])
    assert [(one["low"], one["n"]) for one in found["bins"]] == [(0.5, 1), (0.9, 3)]
    assert found["ece"] == pytest.approx((3 * abs(2 / 3 - 0.95) + 1 * abs(1 - 0.55)) / 4)


def test_a_probability_of_one_is_in_the_last_bin():
    assert calibration([1.0], [True])["bins"] == [{"low": 0.9, "high": 1.0, "n": 1, "confidence": 1.0, "accuracy": 1.0}]


def test_of_nothing_nothing_is_said():
    assert calibration([], []) == {"ece": None, "n": 0, "bins": []}


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_the_error_is_a_share_and_every_prediction_is_in_a_bin(pairs):
    found = calibration([sure for sure, _ in pairs], [right for _, right in pairs])
    assert 0 <= found["ece"] <= 1
    assert sum(one["n"] for one in found["bins"]) == len(pairs)


def test_a_better_threshold_is_found():
    gold = [["joy"], ["joy"], [], []]
    sure = [{"joy": 0.42}, {"joy": 0.9}, {"joy": 0.38}, {"joy": 0.1}]
    (row,) = best_thresholds(gold, sure, used={"joy": 0.5})
    assert (row["threshold"], row["f1"], row["best_threshold"], row["best_f1"]) == (0.5, 2 / 3, 0.4, 1.0)


def test_a_threshold_that_is_as_good_as_any_stays():
    (row,) = best_thresholds([["joy"], []], [{"joy": 0.9}, {"joy": 0.1}], used={"joy": 0.37})
    assert (row["best_threshold"], row["best_f1"], row["support"]) == (0.37, 1.0, 1)
