"""What the fits of a point come to."""

from __future__ import annotations

import math

import pytest

from nertune.protocols import PROTOCOLS, plan_fits, protocol_name
from nertune.protocols.reduce import mean_scores, reduce_fits
from nertune.results.records import FitRecord, SplitScores, values_of_fits
from nertune.spec.study import ProtocolSpec

MEMBERS = {"holdout": ProtocolSpec(), "repeat": ProtocolSpec(repeat=3), "kfold": ProtocolSpec(kfold=4)}


def record(f1, *, epoch=1.0, step=10, labels=None):
    return FitRecord(epoch, step, step, epoch, SplitScores({"f1": f1}, labels or {}), {})


def test_every_protocol_is_tried_here():
    assert set(MEMBERS) == set(PROTOCOLS)


@pytest.mark.parametrize("name", MEMBERS)
def test_fits_are_planned_alike_for_every_point_and_have_names_of_their_own(name):
    planned = plan_fits(MEMBERS[name], seed=5)
    assert protocol_name(MEMBERS[name]) == name
    assert planned == plan_fits(MEMBERS[name], seed=5)
    assert len({fit.name for fit in planned}) == len(planned)
    assert planned[0].seed == 5


def test_repeats_differ_by_their_seed_and_folds_by_what_is_dev():
    assert [fit.seed for fit in plan_fits(MEMBERS["repeat"], seed=42)] == [42, 43, 44]
    folds = plan_fits(MEMBERS["kfold"], seed=42)
    assert [(fit.seed, fit.fold, fit.name) for fit in folds[:2]] == [(42, 0, "fold-1"), (42, 1, "fold-2")]


def test_one_fit_speaks_for_itself():
    found = reduce_fits(plan_fits(MEMBERS["holdout"], seed=1), [record(0.5, epoch=3.0, step=30)])
    assert (found.best_epoch, found.best_step, found.scores) == (3.0, 30, {"dev": SplitScores({"f1": 0.5})})


def test_several_fits_are_their_mean_and_each_by_itself():
    planned = plan_fits(ProtocolSpec(kfold=2), seed=1)
    found = reduce_fits(planned, [record(0.5, epoch=2.0, step=20), record(1.0, epoch=3.0, step=31)])
    assert (found.best_epoch, found.best_step) == (2.5, 26)
    told = {split: dict(scores.overall) for split, scores in found.scores.items()}
    assert told == {"dev": {"f1": 0.75}, "dev_1": {"f1": 0.5}, "dev_2": {"f1": 1.0}}
    assert values_of_fits(told, "f1") == [0.5, 1.0]
    assert values_of_fits({"dev": {"f1": 0.5}, "test": {"f1": 0.5}}, "f1") == []


def test_values_of_ten_fits_are_in_the_order_of_the_fits():
    scores = {f"dev_{number}": {"f1": float(number)} for number in (10, 2, 1)}
    assert values_of_fits(scores, "f1") == [1.0, 2.0, 10.0]


def test_a_score_that_is_not_finite_in_one_fit_is_not_finite_in_the_mean():
    assert math.isnan(mean_scores([SplitScores({"f1": 0.5}), SplitScores({"f1": math.nan})]).overall["f1"])


def test_a_label_that_some_folds_lack_is_the_mean_over_the_others():
    with_label = SplitScores({"f1": 0.5}, {"PER": {"f1": 0.25}})
    assert mean_scores([with_label, SplitScores({"f1": 0.5})]).labels == {"PER": {"f1": 0.25}}
