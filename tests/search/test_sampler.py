import math

import optuna
import pytest
from optuna.trial import TrialState

from cell_rows import make_cell
from nertune.errors import StudyFileError
from nertune.search.sampler import direction_of, distribution_of, frozen_trial, make_sampler
from nertune.spec.fingerprint import point_id
from nertune.spec.space import Choices, Range, dimensions

LOG_RANGE = {"low": 1e-6, "high": 1e-2, "log": True}
SPACE = {"train.learning_rate": LOG_RANGE, "train.batch_size": [8, 16, 32]}
FINITE = {"train.batch_size": [8, 16], "train.epochs": [1, 2, 3], "train.schedule": ["linear", "cosine"]}


def score(point):
    """A toy objective with its best at a learning rate of 1e-4."""
    return 1 - abs(math.log10(point.get("train.learning_rate", 1e-3)) + 4) / 4 - point["train.batch_size"] / 1000


def run(spec, n, *, restart_every=None, in_flight=0, cells=()):
    """Points of n cells; the newest `in_flight` ones still run at the next ask; a restart forgets the sampler."""
    sampler = make_sampler(spec)
    points = [cell.point for cell in cells]
    while len(points) < n:
        if restart_every and len(points) % restart_every == 0:
            sampler = make_sampler(spec)
        known = [
            cell_of(spec, number, point, open=number >= len(points) - in_flight) for number, point in enumerate(points)
        ]
        point = sampler.next_point(known)
        if point is None:
            break
        points.append(point)
    return points


def cell_of(spec, number, point, *, open=False, **others):
    state = "running" if open else others.pop("state", "complete")
    f1 = score(point) if state == "complete" else None
    return make_cell(number, point, state=state, f1=f1, point_id=point_id(spec, point), **others)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
@pytest.mark.parametrize("in_flight", [0, 1])
def test_search_that_was_restarted_asks_the_points_of_an_unbroken_one(make_study, sampler, in_flight):
    spec = make_study(sampler=sampler, trials=16, space=SPACE)
    unbroken = run(spec, 16, in_flight=in_flight)
    assert run(spec, 16, in_flight=in_flight, restart_every=3) == unbroken
    assert len({repr(point) for point in unbroken}) == 16


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_another_sampler_seed_asks_other_points(make_study, sampler):
    one, two = (run(make_study(sampler=sampler, trials=5, space=SPACE, sampler_seed=seed), 5) for seed in (0, 1))
    assert not any(point in two for point in one)


@pytest.mark.parametrize("sampler", ["grid", "tpe", "random"])
def test_finite_space_ends_with_every_point_asked_once(make_study, sampler):
    spec = make_study(sampler=sampler, trials=99, space=FINITE)
    points = run(spec, 99, in_flight=1)
    assert len({repr(point) for point in points}) == len(points) == make_sampler(spec).size == 12


def test_stepped_range_ends_with_every_step_asked_once(make_study):
    spec = make_study(sampler="random", trials=99, space={"train.warmup_ratio": {"low": 0.1, "high": 0.7, "step": 0.1}})
    sampler, cells = make_sampler(spec), []
    while (point := sampler.next_point(cells)) is not None:
        cells.append(make_cell(len(cells), point, f1=0.5, point_id=point_id(spec, point)))
    assert sorted(cell.point["train.warmup_ratio"] for cell in cells) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]


def test_widened_grid_asks_for_the_new_cells_only(make_study):
    old = make_study(space={"train.batch_size": [8, 16]})
    cells = [cell_of(old, number, point) for number, point in enumerate(run(old, 9))]
    new = make_study(space={"train.batch_size": [4, 8, 16, 32]})
    assert run(new, 9, cells=cells)[2:] == [{"train.batch_size": 4}, {"train.batch_size": 32}]


def test_sampler_that_only_repeats_itself_is_given_a_new_point(make_study, monkeypatch):
    """Also in a space too large to count."""
    for high in (3, 10**6):
        spec = make_study(sampler="tpe", trials=99, space={"train.epochs": {"low": 1, "high": high}})
        sampler = make_sampler(spec)
        monkeypatch.setattr(sampler, "_ask", lambda cells, *, seed: {"train.epochs": 2})
        cells = [make_cell(0, {"train.epochs": 2}, f1=1.0, point_id=point_id(spec, {"train.epochs": 2}))]
        assert sampler.next_point(cells)["train.epochs"] != 2


def test_tpe_goes_where_the_score_is_high(make_study):
    points = run(make_study(sampler="tpe", trials=30, space=SPACE), 30)
    assert sum(3e-5 < point["train.learning_rate"] < 3e-4 for point in points[15:]) > 7


def test_loss_is_minimised_and_all_else_maximised(make_study):
    directions = [direction_of(make_study(objective=name)).name for name in ("loss", "f1", "mcc")]
    assert directions == ["MINIMIZE", "MAXIMIZE", "MAXIMIZE"]


@pytest.mark.parametrize(
    ("cell", "state"),
    [
        (make_cell(state="running"), TrialState.RUNNING),
        (make_cell(state="waiting"), TrialState.RUNNING),
        (make_cell(state="interrupted"), TrialState.RUNNING),
        (make_cell(f1=0.5), TrialState.COMPLETE),
        (make_cell(scores={"dev": {"f1": None}}), TrialState.PRUNED),
        (make_cell(state="pruned", f1=0.5), TrialState.PRUNED),
        (make_cell(state="failed", cause="nan"), TrialState.PRUNED),
        (make_cell(state="failed", cause="oom"), TrialState.PRUNED),
        (make_cell(state="failed", cause="timeout"), TrialState.PRUNED),
        (make_cell(state="failed", cause="bug"), TrialState.FAIL),
        (make_cell(state="failed", cause="lost"), TrialState.FAIL),
    ],
)
def test_sampler_is_told_of_failures_in_a_bad_region_as_pruned(make_study, cell, state):
    trial = frozen_trial(cell, spec=make_study(), distributions={})
    assert (trial.state, trial.value) == (state, 0.5 if state == TrialState.COMPLETE else None)


def test_choices_that_are_lists_or_mappings_come_back_as_they_are(make_study):
    sizes = [[1, 2], {"b": 1, "a": None}, None, "text", 0.5]
    spec = make_study(sampler="random", trials=9, space={"model.config.sizes": sizes})
    points = run_unscored(spec)
    assert sorted(points, key=repr) == sorted(sizes, key=repr)


def run_unscored(spec):
    sampler, cells = make_sampler(spec), []
    while (point := sampler.next_point(cells)) is not None:
        cells.append(make_cell(len(cells), point, f1=0.5, point_id=point_id(spec, point)))
    return [cell.point["model.config.sizes"] for cell in cells]


def test_cells_keep_in_a_narrower_space_what_it_can_hold(make_study):
    spec = make_study(space={"train.batch_size": [8, 16], "train.weight_decay": [0, 1]})
    distributions = {dimension.key: distribution_of(dimension) for dimension in dimensions(spec)}
    cell = make_cell(3, {"train.batch_size": 64, "train.weight_decay": 1.0}, f1=0.5)
    trial = frozen_trial(cell, spec=spec, distributions=distributions)
    assert (trial.params, trial.user_attrs) == ({"train.weight_decay": 1}, {"nertune:cell": 3})


def test_dimensions_become_optunas_distributions():
    assert distribution_of(Range("x", 1, 9, step=2, integer=True)) == optuna.distributions.IntDistribution(1, 9, step=2)
    assert distribution_of(Range("x", 1e-5, 1.0, log=True)) == optuna.distributions.FloatDistribution(
        1e-5, 1.0, log=True
    )
    assert distribution_of(Choices("x", (1, [2]))) == optuna.distributions.CategoricalDistribution([1, "[2]"])


def test_unknown_sampler_is_answered_with_the_closest(make_study):
    spec = make_study()
    spec = spec.model_copy(update={"search": spec.search.model_copy(update={"sampler": "randm"})})
    with pytest.raises(StudyFileError, match=r"there is no randm\n    Did you mean random\?"):
        make_sampler(spec)
