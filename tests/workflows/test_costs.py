"""How many fits a study comes to, and how its time adds up."""

from __future__ import annotations

from typing import Any

import pytest

from nertune.spec.study import StudySpec
from nertune.workflows.costs import FIT_S, TRAIN_TO_EVALUATION, final_costs, fit_seconds, trial_cost

TOLD = {"precision": "fp32", "step_seconds": {"fp32": 1.6}}  # of 16 examples
EXAMPLES = {"train": 80, "dev": 20, "test": 50}


def study(**sections: Any) -> StudySpec:
    parts = {"name": "s", "task": "token", "data": {"dir": "d"}, "model": {"base": "b"}, "output": "o"}
    return StudySpec.model_validate({**parts, "train": {"epochs": 2}, **sections})


def fits(spec: StudySpec) -> int:
    return sum(cost.n_jobs * cost.n_fits for cost in final_costs(spec, TOLD, examples=EXAMPLES))


def test_a_fits_seconds_are_its_steps_and_its_evaluations() -> None:
    assert fit_seconds(study(), TOLD, train=80, dev=0) == pytest.approx(FIT_S + 2 * 5 * 1.6)
    evaluated = fit_seconds(study(), TOLD, train=80, dev=16)
    assert evaluated == pytest.approx(FIT_S + 2 * (5 + 1 / TRAIN_TO_EVALUATION) * 1.6)


@pytest.mark.parametrize(
    ("protocol", "n_fits", "train", "dev"),
    [("holdout", 1, 80, 20), ({"repeat": 3}, 3, 80, 20), ({"kfold": 5}, 5, 80, 20), ({"kfold": 4}, 4, 75, 25)],
)
def test_a_trial_takes_as_long_as_its_fits(protocol: Any, n_fits: int, train: float, dev: float) -> None:
    cost = trial_cost(study(protocol=protocol), TOLD, examples=EXAMPLES)
    assert cost.n_fits == n_fits
    assert cost.seconds == pytest.approx(n_fits * fit_seconds(study(), TOLD, train=train, dev=dev))


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


def test_jobs_run_so_many_at_a_time() -> None:
    (seeds,) = final_costs(study(final={"seeds": [1, 2, 3]}), TOLD, examples=EXAMPLES)
    assert seeds.seconds_on(2) == pytest.approx(2 * seeds.seconds)
    (_, half) = final_costs(study(final={"seeds": [1], "sizes": [50]}), TOLD, examples={"train": 80})
    assert half.seconds == pytest.approx(fit_seconds(study(), TOLD, train=40, dev=0))
