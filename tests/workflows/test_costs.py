"""How many fits a study comes to, and how its time adds up."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from stub_study import Heard, StubStudy

from cell_rows import make_cell
from nertune.report.progress import State, makespan
from nertune.results.database import Settlement
from nertune.results.outcomes import SearchOutcome
from nertune.spec.space import apply_point, grid_points
from nertune.spec.study import StudySpec
from nertune.workflows.costs import FIT_S, MOST_TIMED, STEP_S, Costs, Forecast, Timing, points_to_time

Make = Callable[..., StubStudy]
Run = Callable[..., SearchOutcome]

# A fit of 80 windows with 10 pieces each, 20 of dev, 50 of test
WINDOWS = {"train": 80, "dev": 20, "test": 50}
PIECES = {name: 10 * n for name, n in WINDOWS.items()}
TIMING = Timing({}, learning=[0.01], updating=[0.1], scoring=0.003, full=0.002, setup=0.3)
BEFORE = FIT_S + 0.3
FROZEN = {"freezing": 0.005, "frozen": 12, "cache_bytes": 400}


def study(**sections: Any) -> StudySpec:
    parts = {"name": "s", "task": "token", "data": {"dir": "d"}, "model": {"base": "b"}, "output": "o"}
    return StudySpec.model_validate({**parts, "train": {"epochs": 2, "batch_size": 8}, **sections})


def costs(spec: StudySpec, *timings: Timing, **sizes: Any) -> Costs:
    return Costs(spec, timings=timings or [TIMING], **{"windows": WINDOWS, "pieces": PIECES, **sizes})


def searched(**space: Any) -> StudySpec:
    return study(search={"space": {key.replace("__", "."): values for key, values in space.items()}})


def fits(spec: StudySpec) -> int:
    return sum(cost.n_jobs * cost.n_fits for cost in costs(spec).finals([spec]))


def epoch(batch_size: int = 8, *, train: float = 80, dev: float = 20) -> float:
    return train * 10 * 0.01 + train / batch_size * (0.1 + STEP_S) + dev * 10 * 0.003


def test_a_fits_seconds_are_its_pieces_its_steps_and_its_evaluations() -> None:
    trial = costs(study()).trial_at({})
    assert (trial.n_fits, trial.before) == (1, pytest.approx(BEFORE))
    assert trial.seconds == pytest.approx(BEFORE + 2 * epoch())


@pytest.mark.parametrize(
    ("point", "seconds"),
    [
        ({"train.epochs": 8}, 8 * epoch()),
        ({"train.batch_size": 40}, 2 * epoch(40)),
        ({"data.size": 50}, 2 * epoch(train=40)),
        ({"train.max_steps": 5}, epoch() / 2 + 20 * 10 * 0.003 / 2),
        ({"train.evaluate_from": 2}, 2 * epoch() - 20 * 10 * 0.003),
        ({"train.evaluate_every": 5}, 2 * (epoch() + 20 * 10 * 0.003)),
        ({"train.learning_rate": 1e-3}, 2 * epoch()),
    ],
)
def test_each_point_is_reckoned_by_its_own_values(point: Any, seconds: float) -> None:
    assert costs(study()).trial_at(point).seconds == pytest.approx(BEFORE + seconds)


def test_each_stage_has_a_time_of_its_own() -> None:
    spec = study(stages=[{"epochs": 3, "freeze": "encoder"}, {"epochs": 1}])
    timing = Timing({}, learning=[0.001, 0.01], updating=[0.0, 0.1], scoring=0.003, full=0.002)
    head = 80 * 10 * 0.001 + 10 * STEP_S + 20 * 10 * 0.003
    assert costs(spec, timing).trial_at({}).seconds == pytest.approx(FIT_S + 3 * head + epoch())


def test_a_point_takes_what_the_timed_point_most_like_it_took() -> None:
    spec = searched(train__top_layers=[0, 6], train__batch_size=[8, 64])
    timings = [
        Timing({"train.top_layers": layers, "train.batch_size": size}, [layers * 0.01 + size], [0.0], scoring=0, full=0)
        for layers in (0, 6)
        for size in (8, 64)
    ]
    own = costs(spec, *timings)
    for point in grid_points(spec):
        wanted = point["train.top_layers"] * 0.01 + point["train.batch_size"]
        steps = -(-80 // point["train.batch_size"])
        assert own.trial_at(point).seconds == pytest.approx(FIT_S + 2 * (800 * wanted + steps * STEP_S))
    near = own.trial_at({"train.top_layers": 5, "train.batch_size": 48}).seconds
    assert near == pytest.approx(FIT_S + 2 * (800 * 64.06 + 2 * STEP_S))


@pytest.mark.parametrize(
    ("protocol", "n_fits", "train", "dev"),
    [("holdout", 1, 80, 20), ({"repeat": 3}, 3, 80, 20), ({"kfold": 5}, 5, 80, 20), ({"kfold": 4}, 4, 75, 25)],
)
def test_a_trial_takes_as_long_as_its_fits(protocol: Any, n_fits: int, train: float, dev: float) -> None:
    cost = costs(study(protocol=protocol)).trial_at({})
    assert cost.n_fits == n_fits
    assert cost.seconds == pytest.approx(n_fits * (BEFORE + 2 * epoch(train=train, dev=dev)), rel=0.01)


def test_no_trial_takes_longer_than_it_may() -> None:
    assert costs(study(execute={"trial_timeout": 5})).trial_at({}).seconds == 5


@pytest.mark.parametrize(
    ("protocol", "final", "n_fits"),
    [
        ("holdout", {"seeds": [1, 2]}, 2),
        ("holdout", {"seeds": [1, 2], "sizes": [10, 50, 100]}, 6),
        ("holdout", {"seeds": [1, 2], "candidates": 3}, 6),
        ("holdout", {"seeds": [1, 2], "candidates": 3, "train_with_dev": True}, 8),
        ({"repeat": 3}, {"seeds": [1, 2]}, 2),
        ({"kfold": 5}, {"seeds": [1, 2], "sizes": [50]}, 4),
        ({"kfold": 5}, {"seeds": [1, 2], "candidates": 2}, 22),
        ({"kfold": 5, "final": "average"}, {"seeds": [1, 2]}, 10),
        ({"kfold": 5, "final": "average"}, {"seeds": [1, 2], "candidates": 2, "sizes": [50]}, 30),
    ],
)
def test_best_and_train_is_counted_as_it_runs(protocol: Any, final: Any, n_fits: int) -> None:
    assert fits(study(protocol=protocol, final=final)) == n_fits


def test_a_seed_run_is_a_fit_and_the_scores_of_its_saved_weights() -> None:
    spec = study()
    assert costs(spec).seed(spec).seconds == pytest.approx(BEFORE + 2 * epoch() + 0.3 + (20 + 50) * 10 * 0.002)
    only_scored = costs(spec).seed(spec, has_weights=True).seconds
    assert only_scored == pytest.approx(0.3 + (20 + 50) * 10 * 0.002)


def test_a_seed_run_on_train_and_dev_lasts_as_many_epochs_as_were_best() -> None:
    spec = study(final={"train_with_dev": True})
    seconds = costs(spec).seed(spec, epochs=1).seconds
    assert seconds == pytest.approx(BEFORE + 0.3 + epoch(train=100, dev=0) + 50 * 10 * 0.002, rel=0.01)


def test_best_and_train_expects_the_mean_of_what_may_be_best() -> None:
    spec = searched(train__epochs=[1, 3])
    points = [apply_point(spec, point) for point in grid_points(spec)]
    (seeds,) = costs(spec).finals(points)
    assert seeds.seconds == pytest.approx(costs(spec).seed(study()).seconds)
    assert seeds.seconds_on(2) == pytest.approx(3 * seeds.seconds)  # five seeds


def test_the_first_trials_compute_what_the_frozen_layers_give_and_later_ones_read_it() -> None:
    spec = searched(train__learning_rate=[1e-3, 1e-4, 1e-5, 1e-6])
    frozen = Timing({}, [0.0], [0.0], scoring=0.0, full=0.0, **FROZEN)
    forecast = Forecast(costs(spec, frozen), cells=(), total=4, n_slots=2)
    cache_s, steps_s = (800 + 200 + 500 - 500) * 0.005, 20 * STEP_S
    assert list(forecast.to_come().values()) == pytest.approx([FIT_S + cache_s + steps_s] * 2 + [FIT_S + steps_s] * 2)
    assert forecast.of(make_cell(0)).before == pytest.approx(FIT_S + cache_s)


def test_after_a_resume_nobody_computes_again_what_the_frozen_layers_give() -> None:
    spec = searched(train__learning_rate=[1e-3, 1e-4, 1e-5, 1e-6])
    frozen = Timing({}, [0.0], [0.0], scoring=0.0, full=0.0, **FROZEN)
    cells = [make_cell(number, point) for number, point in zip(range(2), grid_points(spec), strict=False)]
    to_come = Forecast(costs(spec, frozen), cells=cells, total=4, n_slots=2).to_come(done=[0, 1])
    assert to_come == pytest.approx(dict.fromkeys((2, 3), FIT_S + 20 * STEP_S))


def test_what_frozen_layers_give_is_kept_once_for_each_depth() -> None:
    spec = searched(train__top_layers=[0, 3], train__learning_rate=[1e-3, 1e-4])
    deep = Timing({"train.top_layers": 0}, [0.0], [0.0], 0.0, 0.0, **FROZEN)
    half = Timing({"train.top_layers": 3}, [0.0], [0.0], 0.0, 0.0, **{**FROZEN, "frozen": 9})
    assert costs(spec, deep, half).cache_bytes(list(grid_points(spec))) == 2 * 1000 * 400


def test_points_that_are_not_drawn_yet_are_expected_to_be_the_mean() -> None:
    space = {"train.epochs": [1, 3], "train.learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}
    spec = study(search={"sampler": "random", "trials": 5, "space": space})
    forecast = Forecast(costs(spec), cells=(), total=5, n_slots=2)
    assert list(forecast.to_come()) == [0, 1, 2, 3, 4]
    assert forecast.mean == pytest.approx(costs(spec).trial_at({"train.epochs": 2}).seconds, rel=0.1)
    drawn = forecast.of(make_cell(0, {"train.epochs": 1, "train.learning_rate": 1e-4}))
    assert (drawn.seconds, drawn.epochs) == (pytest.approx(BEFORE + epoch()), 1)


def test_only_what_changes_a_step_is_timed() -> None:
    space = {
        "train__learning_rate": [1e-3, 1e-4],
        "train__epochs": [1, 2],
        "model__config__hidden_dropout_prob": [0, 1],
    }
    assert points_to_time(searched(**space)) == [{}]
    assert points_to_time(searched(**space, train__batch_size=[8, 32])) == [
        {"train.batch_size": 8},
        {"train.batch_size": 32},
    ]


def test_of_many_kinds_of_steps_some_are_timed_the_ends_first() -> None:
    found = points_to_time(searched(train__batch_size=list(range(1, 31))))
    assert len(found) == MOST_TIMED
    assert [point["train.batch_size"] for point in found[:2]] == [1, 30]


def test_without_a_timed_step_epochs_still_weigh() -> None:
    own = Costs(study(), timings=(), windows=WINDOWS, pieces=PIECES)
    one, four = (own.trial_at({"train.epochs": n}).seconds for n in (1, 4))
    assert not own.is_timed
    assert four == pytest.approx(4 * one)


def test_a_grid_is_expected_to_take_what_its_cells_take_on_so_many_slots() -> None:
    spec = searched(train__epochs=[1, 2, 4])
    own = costs(spec)
    each = [own.trial_at(point).seconds for point in grid_points(spec)]
    to_come = Forecast(own, cells=(), total=3, n_slots=2).to_come()
    assert makespan(to_come.values(), n_slots=2) == pytest.approx(each[0] + each[2])


class Clocked(Heard):
    """A display that remembers, at its beginning and after each cell, the clock and how much time was left by it."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[tuple[float, float]] = []

    def begin(self, state: Any) -> None:
        super().begin(state)
        self._note()

    def ended(self, cell: Any, how: Any) -> None:
        super().ended(cell, how)
        self._note()

    def _note(self) -> None:
        self.left.append((time.monotonic(), self.state.seconds_left() or 0.0))

    def after(self, n_cells: int) -> float:
        """What was left by the estimate, divided by what it was."""
        then, estimated = self.left[n_cells]
        return estimated / (self.left[-1][0] - then)


UNEQUAL = {"train.epochs": [1, 2, 4, 8], "train.batch_size": [8, 16], "train.learning_rate": [1e-3, 1e-4, 1e-5]}


def displayed(
    monkeypatch: pytest.MonkeyPatch, *, seconds: Callable[[float], float], n_done: int = 0, n_slots: int = 2
) -> Clocked:
    """What was shown of the unequal grid, cells taking so much where so much was expected, by a clock of its own."""
    spec = study(search={"space": UNEQUAL})
    cells = [make_cell(number, point) for number, point in enumerate(grid_points(spec))]
    forecast = Forecast(costs(spec), cells=cells[:n_done], total=len(cells), n_slots=n_slots)
    take = [seconds(forecast.of(cell).seconds) for cell in cells]
    done = range(n_done)
    state = State("s", "f1", n_slots, False, len(cells), forecast.of, waiting=forecast.to_come(done=done))
    state.is_timed = True
    for number in done:
        state.take_seconds(cells[number], take[number])
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown, ends = Clocked(), [(0.0, -1)] * n_slots
    shown.begin(state)
    to_start = list(range(n_done, len(cells)))
    while ends:
        now[0], ended = heapq.heappop(ends)
        if ended >= 0:
            shown.ended(cells[ended], Settlement("complete", "complete", seconds=take[ended]))
        if to_start:
            number = to_start.pop(0)
            shown.started(cells[number], attempt=1)
            heapq.heappush(ends, (now[0] + take[number], number))
    return shown


@pytest.mark.parametrize(
    "seconds",
    [
        lambda expected: expected,
        lambda expected: 5 * expected,
        lambda expected: expected / 5,
        lambda expected: expected * random.Random(str(expected)).uniform(0.8, 1.2),
        lambda expected: 3 * expected + 2,  # 2 seconds before each fit that nobody knows of
    ],
)
@pytest.mark.parametrize(("n_done", "n_more"), [(0, 4), (4, 0), (12, 0), (12, 1), (0, 20)])
def test_after_the_first_of_24_unequal_cells_the_estimate_is_within_30_percent(
    monkeypatch: pytest.MonkeyPatch, seconds: Any, n_done: int, n_more: int
) -> None:
    assert 0.7 < displayed(monkeypatch, seconds=seconds, n_done=n_done).after(n_more) < 1.3


@pytest.mark.slow
def test_the_estimate_of_a_search_that_runs_is_within_30_percent(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("STUB_EPOCHS", "1"), ("STUB_SECONDS", "0.1"), ("STUB_TIMED_SECONDS", "1")):
        monkeypatch.setenv(name, value)  # a timed step took ten times as long as those that follow
    monkeypatch.setattr("nertune.workflows.costs.FIT_S", 0.0)
    monkeypatch.setattr("nertune.workflows.run_search.VIEW_EVERY_S", 1e9)  # the first view takes longer than a cell
    tries = []
    for name in "abc":  # a busy machine makes some cells wait for seconds
        mine, shown, again = stub_study(name, space=str(UNEQUAL)), Clocked(), Clocked()
        run_search(mine, progress=shown, edits=["search.trials=12"], workers=2)
        run_search(mine, progress=again, workers=2)
        tries.append((shown.after(4), again.after(0)))  # after four cells, and right after a resume
        if all(0.7 < ratio < 1.3 for ratio in tries[-1]):
            return
    raise AssertionError(tries)


def test_a_search_runs_although_no_step_can_be_timed(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STUB_TIMED_SECONDS", "none")
    shown = Clocked()
    outcome = run_search(stub_study(more="train: {freeze: encoder}"), progress=shown, workers=2)
    assert (outcome.finished, shown.state.is_timed, outcome.facts["timings"]) == (True, False, [])
    assert shown.left[1][1] > 0  # the first cell says what the others take
