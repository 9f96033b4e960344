"""Who goes on from a rung: the rule by hand, whatever the order in which cells arrive."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from cell_rows import make_cell
from nertune.results.database import Moment
from nertune.search.pruner import make_pruner

RATES = {"train.learning_rate": [1e-5, 2e-5, 3e-5], "train.batch_size": [8, 16, 32]}


@pytest.fixture
def pruner(make_study):
    """`pruner("halving", total=9, …)`: keys of `search` are given by name."""

    def make(name, *, total, **search):
        end = {"trials": total} if total is not None else {"timeout": "1h"}
        spec = make_study(pruner=name, space=RATES, **end, **search)
        return make_pruner(spec, total=total)

    return make


def paused(number, *scores, state="paused"):
    """A cell with these scores at its rungs."""
    rungs = tuple(
        {"share": share, "scores": {"f1": score}, "seconds": 1.0}
        for share, score in zip((1 / 9, 1 / 3), scores, strict=False)
    )
    return make_cell(number, state=state, f1=scores[-1] if scores else None, rungs=rungs)


class Race:
    """Cells with given scores, run to their end in a random order by several workers that pause at rungs."""

    def __init__(self, pruner, scores, *, seed, workers):
        self.pruner, self.scores = pruner, scores
        self.cells = [make_cell(number, state="waiting") for number in range(len(scores))]
        self.most_paused = 0
        chance = random.Random(seed)
        while True:
            self._decide()
            waiting = [cell for cell in self.cells if cell.state == "waiting"]
            if not waiting:
                break
            for cell in chance.sample(waiting, min(workers, len(waiting))):
                self._run(cell)
                self._decide()
        self.states = [cell.state for cell in self.cells]

    def _run(self, cell):
        score = self.scores[cell.number]
        n = len(cell.rungs)
        share = self.pruner.pause_after(cell)
        if share is None:
            self.cells[cell.number] = paused(cell.number, *[score] * n, state="complete")
        else:
            self.cells[cell.number] = paused(cell.number, *[score] * (n + 1))

    def _decide(self):
        while decisions := self.pruner.decide(self.cells, is_all=True):
            for decision in decisions:
                assert decision.cell.state == "paused"
                scores = [rung["scores"]["f1"] for rung in decision.cell.rungs]
                state = "waiting" if decision.pruned is None else "pruned"
                self.cells[decision.cell.number] = paused(decision.cell.number, *scores, state=state)
        self.most_paused = max(self.most_paused, sum(cell.state == "paused" for cell in self.cells))


def survivors_by_hand(scores, *, eta=3):
    """Sort, keep the first ceil(n / eta), twice."""
    left = sorted(range(len(scores)), key=lambda number: (-scores[number], number))
    for _ in range(2):
        left = left[: math.ceil(len(left) / eta)]
    return sorted(left)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 10, 36])
def test_the_outcome_is_that_of_the_rule_whatever_the_timing(pruner, n):
    rule = pruner("halving", total=n)
    for seed, workers in itertools.product(range(5), (1, 2, 5)):
        scores = [round(random.Random(seed).random(), 1) for _ in range(n)]  # with ties
        race = Race(rule, scores, seed=seed * 7 + workers, workers=workers)
        complete = [number for number, state in enumerate(race.states) if state == "complete"]
        assert complete == survivors_by_hand(scores)
        assert set(race.states) <= {"complete", "pruned"}


def test_no_more_cells_wait_at_a_rung_than_may_go_on(pruner):
    scores = [number / 100 for number in range(36)]  # each better than all before it: the worst case
    assert Race(pruner("halving", total=36), scores, seed=1, workers=2).most_paused <= 12
    assert Race(pruner("halving", total=36), scores[::-1], seed=1, workers=2).most_paused <= 12


def test_nothing_goes_on_before_all_have_arrived(pruner):
    rule = pruner("halving", total=9)
    arrived = [paused(number, 0.1 * number) for number in range(8)]
    assert [one.cell.number for one in rule.decide(arrived, is_all=False) if one.pruned is None] == []
    running = make_cell(8, state="running")
    assert [one.cell.number for one in rule.decide([*arrived, running], is_all=True) if one.pruned is None] == []


def test_a_cell_that_so_many_have_beaten_is_cut_at_once(pruner):
    rule = pruner("halving", total=9)
    cells = [paused(0, 0.1), paused(1, 0.5), paused(2, 0.6), paused(3, 0.7)]
    assert [(one.cell.number, one.pruned) for one in rule.decide(cells, is_all=False)] == [
        (0, "0.1000 after 1/9 of its steps is behind 3 of 9 trials; 3 go on")
    ]


def test_failed_cells_hold_no_place_and_nobody_waits_for_them(pruner):
    cells = [paused(0, 0.3), paused(1, 0.2), paused(2, 0.1), *(make_cell(n, state="failed") for n in range(3, 9))]
    decisions = pruner("halving", total=9).decide(cells, is_all=True)
    assert [(one.cell.number, one.pruned is None) for one in decisions] == [(0, True), (1, True), (2, True)]


def test_a_score_that_is_not_finite_never_goes_on(pruner):
    cells = [paused(0, None), paused(1, 0.2), paused(2, None)]
    decisions = pruner("halving", total=3).decide(cells, is_all=True)
    assert {one.cell.number: one.pruned is None for one in decisions} == {0: False, 1: True, 2: False}


def test_a_trial_that_its_patience_ended_before_the_rung_competes_with_its_best(pruner):
    cells = [make_cell(0, state="complete", f1=0.9), paused(1, 0.8), paused(2, 0.7)]
    decisions = pruner("halving", total=3).decide(cells, is_all=True)
    assert {one.cell.number: one.pruned is None for one in decisions} == {1: False, 2: False}


def test_loss_is_better_when_it_is_less(make_study):
    rule = make_pruner(make_study(pruner="halving", objective="loss", space=RATES), total=3)
    cells = [
        make_cell(number, state="paused", rungs=({"share": 1 / 9, "scores": {"loss": loss}, "seconds": 1.0},))
        for number, loss in enumerate([0.9, 0.2, 0.5])
    ]
    assert {one.cell.number: one.pruned is None for one in rule.decide(cells, is_all=True)} == {
        0: False,
        1: True,
        2: False,
    }


def test_rungs_and_eta_are_the_users(pruner):
    rule = pruner("halving", total=4, rungs=["1/4", 1], eta=2)
    assert rule.pause_after(make_cell(0, state="waiting")) == 0.25
    cells = [paused(number, score) for number, score in enumerate([0.1, 0.4, 0.3, 0.2])]
    assert sorted(one.cell.number for one in rule.decide(cells, is_all=True) if one.pruned is None) == [1, 2]
    assert rule.pause_after(paused(1, 0.4)) is None


def test_hyperband_runs_brackets_of_nine_five_and_three_again_and_again(pruner):
    rule = pruner("hyperband", total=None, sampler="random")
    pauses = [rule.pause_after(make_cell(number, state="waiting")) for number in range(2 * 17)]
    assert pauses == [*[1 / 9] * 9, *[1 / 3] * 5, *[None] * 3] * 2


def test_brackets_are_decided_apart(pruner):
    rule = pruner("hyperband", total=None, sampler="random")
    first = [paused(number, 0.5 + number / 100) for number in range(9)]
    second = [paused(9, 0.99), make_cell(10, state="running")]
    going_on = [one.cell.number for one in rule.decide([*first, *second], is_all=False) if one.pruned is None]
    assert sorted(going_on) == [6, 7, 8]


def test_a_last_bracket_that_the_total_cuts_off_is_decided_with_what_it_has(pruner):
    rule = pruner("hyperband", total=11, sampler="random")
    cells = [*(make_cell(number, state="complete", f1=0.1) for number in range(9)), paused(9, 0.2), paused(10, 0.3)]
    assert {one.cell.number: one.pruned is None for one in rule.decide(cells, is_all=True)} == {9: False, 10: True}


def curve(*values):
    return [Moment(step, float(step), value) for step, value in enumerate(values, start=1)]


def test_the_median_ends_a_trial_whose_best_is_behind_it_at_the_same_time(make_study):
    rule = make_pruner(make_study(pruner="median", space=RATES, train={"epochs": 4}), total=9)
    others = [make_cell(number, state="complete", f1=0.9) for number in range(5)]
    curves = {number: curve(0.5 + number / 100, 0.7, 0.8, 0.9) for number in range(5)}
    running = make_cell(5, state="running")
    cut = rule.judge(running, others=others, curves={**curves, 5: curve(0.515)})
    assert (cut.share, cut.reason) == (0.25, "0.5150 after 1/4 of its epochs is behind the median of 5 finished trials")
    assert rule.judge(running, others=others, curves={**curves, 5: curve(0.525)}) is None
    assert rule.judge(running, others=others[:4], curves={**curves, 5: curve(0.1)}) is None  # too few to know
    assert rule.judge(running, others=others, curves={**curves, 5: curve(0.75, 0.1)}) is None  # its best counts


def test_without_a_pruner_every_trial_runs_to_its_end(pruner):
    rule = pruner("none", total=9)
    assert rule.pause_after(make_cell(0, state="waiting")) is None
    assert rule.decide([make_cell(0, state="complete", f1=0.1)], is_all=True) == []
    assert rule.judge(make_cell(0, state="running"), others=[], curves={}) is None


def test_what_is_left_of_a_trial_is_what_is_expected_of_the_rule(pruner):
    """Of 36 trials: 36 ninths, 12 times two ninths, 4 times two thirds."""
    rule = pruner("halving", total=36)
    whole = 36 / 9 + 12 * 2 / 9 + 4 * 2 / 3
    assert 36 * rule.work_left(0) == pytest.approx(whole)
    assert rule.work_left(0, n_rungs=1) == pytest.approx(2 / 9 + 2 / 3 / 3)
    assert rule.work_left(0, n_rungs=1, is_decided=False) == pytest.approx((2 / 9 + 2 / 3 / 3) / 3)
    assert rule.work_left(0, n_rungs=2) == pytest.approx(2 / 3)
    assert pruner("none", total=36).work_left(0) == 1.0


def test_checkpoints_are_counted_before_there_are_any(pruner):
    assert pruner("halving", total=36).most_paused == 12
    assert pruner("hyperband", total=None, sampler="random").most_paused == 3 + 2
    assert pruner("none", total=36).most_paused == 0
