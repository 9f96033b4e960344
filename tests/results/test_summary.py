import math
import statistics

import pytest

from nertune.results.summary import size_rows, spread, summarise_seeds, summarise_sizes


def seed(number, f1, *, split="test", per=None):
    return {
        "seed": number,
        "scores": {split: {"f1": f1}},
        "labels": {split: {"PER": {"f1": per}} if per is not None else {}},
    }


def test_spread_is_the_sample_standard_deviation():
    found = spread({"1": 0.5, "2": 0.7, "3": 0.6})
    assert found == {
        "mean": pytest.approx(0.6),
        "sd": pytest.approx(0.1),
        "min": 0.5,
        "max": 0.7,
        "n": 3,
        "values": {"1": 0.5, "2": 0.7, "3": 0.6},
    }
    assert found["sd"] == statistics.stdev([0.5, 0.7, 0.6])


def test_single_seed_has_no_spread():
    assert spread({"1": 0.5}) == {"mean": 0.5, "sd": None, "min": 0.5, "max": 0.5, "n": 1, "values": {"1": 0.5}}


@pytest.mark.parametrize("missing", [None, math.nan, math.inf])
def test_values_that_are_missing_or_not_finite_are_told_and_not_counted(missing):
    found = spread({"1": missing, "2": 0.5})
    assert (found["mean"], found["n"], found["values"]) == (0.5, 1, {"1": None, "2": 0.5})


def test_no_value_at_all_is_no_number():
    assert spread({"1": None}) == {"mean": None, "sd": None, "min": None, "max": None, "n": 0, "values": {"1": None}}


def test_every_score_and_label_is_summarised_by_split_and_seed():
    told = summarise_seeds([seed(1, 0.5, per=0.25), seed(2, 0.75), seed(3, 0.25, split="dev")])
    assert list(told) == ["dev", "test"]
    assert told["dev"]["scores"]["f1"]["values"] == {"1": None, "2": None, "3": 0.25}
    assert told["test"]["scores"]["f1"]["mean"] == 0.625
    assert told["test"]["labels"] == {"PER": {"f1": spread({"1": 0.25, "2": None, "3": None})}}


def test_sizes_are_summarised_by_percent_and_listed_by_seed():
    rows = {
        50.0: [{**seed(number, f1), "examples": 20, "best_epoch": 2.0} for number, f1 in ((1, 0.5), (2, 0.7))],
        12.5: [{**seed(1, 0.25), "examples": 5, "best_epoch": 3.0}],
    }
    told = summarise_sizes(rows)
    assert list(told) == ["12.5", "50"]
    assert (told["50"]["examples"], told["50"]["seeds"]) == (20, [1, 2])
    assert told["50"]["test"]["scores"]["f1"] == spread({"1": 0.5, "2": 0.7})
    listed, columns = size_rows(rows)
    assert columns == ["percent", "examples", "seed", "best_epoch", "test_f1"]
    assert [tuple(row.values()) for row in listed] == [
        ("12.5", 5, 1, 3.0, 0.25),
        ("50", 20, 1, 2.0, 0.5),
        ("50", 20, 2, 2.0, 0.7),
    ]


def test_split_that_no_seed_has_is_left_out():
    assert list(summarise_seeds([seed(1, 0.5)])) == ["test"]
    assert summarise_seeds([]) == {}
