"""A search that cuts trials short chooses by the rule, whoever runs it and however often it is killed."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable

import optuna
import pytest
from stub_fits import score
from stub_study import GRID_40, Heard, StubStudy, kill

from nertune.errors import NoScoreError
from nertune.results.outcomes import SearchOutcome

Make = Callable[..., StubStudy]
Run = Callable[..., SearchOutcome]
GRID_12 = "{train.batch_size: [8, 16, 32], train.learning_rate: [1e-3, 1e-4, 1e-5, 3e-4]}"
HALVING = "  pruner: halving"
TPE = "  sampler: tpe\n  trials: 22\n  pruner: hyperband"
SPACE = "{train.batch_size: [8, 16, 32], train.learning_rate: {low: 1e-6, high: 1e-2, log: true}}"


def survivors_by_hand(outcome: SearchOutcome) -> set[int]:
    """Sort, keep a third, twice; scores in a stub's course rise alike for all."""
    scores = {cell.number: score({**_train(cell.point)}, 1) for cell in outcome.cells}
    left = sorted(scores, key=lambda number: (-scores[number], number))
    for _ in range(2):
        left = left[: math.ceil(len(left) / 3)]
    return set(left)


def _train(point: object) -> dict[str, float]:
    return {key.removeprefix("train."): value for key, value in dict(point).items()}  # type: ignore[call-overload]


@pytest.mark.parametrize("workers", [1, 3])
def test_halving_runs_to_the_end_whom_the_rule_leaves(stub_study: Make, run_search: Run, workers: int) -> None:
    outcome = run_search(stub_study(space=GRID_12, search=HALVING), workers=workers)
    assert {cell.number for cell in outcome.cells if cell.state == "complete"} == survivors_by_hand(outcome)
    assert [cell.state for cell in outcome.cells].count("pruned") == 10
    assert outcome.finished
    assert [len(cell.rungs) for cell in outcome.ranked] == [2, 2]


def test_a_pruned_trial_says_where_it_was_cut_and_why(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_12, search=HALVING)
    outcome = run_search(study, workers=1)
    last = outcome.pruned[-1]
    assert last.message is not None
    assert "after 1/9 of its steps is behind" in last.message
    assert "of 12 trials; 4 go on" in last.message
    rows = {number: (state, cause) for number, state, cause in study.trials("number", "state", "cause")}
    assert rows[str(last.number)] == ("pruned", f"pruned: {last.message}")


def test_the_display_counts_pruned_trials_as_done(stub_study: Make, run_search: Run) -> None:
    heard = Heard()
    run_search(stub_study(space=GRID_12, search=HALVING), progress=heard, workers=1)
    assert (heard.state.done, heard.state.running) == (12, {})


def test_survivors_go_on_where_they_paused(stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub writes each step that it does; none is done twice."""
    study = stub_study(space=GRID_12, search=HALVING)
    outcome = run_search(study, workers=1)
    for cell in outcome.ranked:
        assert [round(18 * rung["share"]) for rung in cell.rungs] == [2, 6]
        assert cell.attempts == 3


def test_a_killed_search_cuts_and_keeps_the_same_trials(stub_study: Make) -> None:
    whole, broken = (stub_study(name, space=GRID_40, search=HALVING) for name in ("whole", "broken"))
    assert whole.finish(workers=1).returncode == 0
    chance = random.Random(4)
    for _ in range(2):
        process = broken.start(seconds=0.05, workers=2)
        time.sleep(chance.uniform(0.9, 2.2))
        kill(process)
    assert broken.finish(workers=2).returncode == 0
    columns = ("number", "state", "train.batch_size", "train.learning_rate", "dev_f1")
    assert broken.trials(*columns) == whole.trials(*columns)


@pytest.mark.slow
def test_a_killed_hyperband_search_asks_and_keeps_the_same(stub_study: Make) -> None:
    whole, broken = (stub_study(name, space=SPACE, search=TPE) for name in ("whole", "broken"))
    assert whole.finish(workers=1).returncode == 0
    chance = random.Random(5)
    for _ in range(2):
        process = broken.start(seconds=0.1, workers=1)
        time.sleep(chance.uniform(0.9, 2.5))
        kill(process)
    assert broken.finish(workers=1).returncode == 0
    assert broken.trials() == whole.trials()
    states = [state for (state,) in whole.trials("state")]
    assert [states[:9].count("complete"), states[9:14].count("complete"), states[14:17].count("complete")] == [1, 2, 3]


def test_paused_trials_lie_on_disk_only_while_they_may_go_on(stub_study: Make, run_search: Run) -> None:
    study, most = stub_study(space=GRID_12, search=HALVING), [0]

    class Watching(Heard):
        def tick(self) -> None:
            files = [*study.output.glob("work/*/checkpoint/fit.pt")]
            most[0] = max(most[0], len(files))

    run_search(study, progress=Watching(), workers=1)
    assert 0 < most[0] <= math.ceil(12 / 3) + 1  # and the one that has just arrived
    assert not [*study.output.glob("work/trial-*")]


def test_optuna_is_told_of_pruned_trials_with_what_they_had(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_12, search=HALVING)
    outcome = run_search(study, workers=1)
    shown = optuna.load_study(study_name="s", storage=f"sqlite:///{study.folder / 'nertune.db'}").trials
    assert [trial.state.name for trial in shown].count("PRUNED") == 10
    cut = outcome.pruned[-1]
    assert shown[cut.number].intermediate_values == {111: cut.rungs[0]["scores"]["f1"]}


def test_a_wider_grid_competes_with_those_that_are_there(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space="{train.learning_rate: [1e-6, 1e-5, 3e-6]}", search=HALVING)
    run_search(study, workers=1)
    study.write(space="{train.learning_rate: [1e-6, 1e-5, 3e-6, 1e-4, 1e-3, 3e-4]}", search=HALVING)
    outcome = run_search(study, workers=1)
    assert outcome.best.point == {"train.learning_rate": 1e-4}
    assert outcome.finished


def test_repeated_fits_pause_between_fits(stub_study: Make, run_search: Run) -> None:
    outcome = run_search(stub_study(space=GRID_12, search=HALVING, more="protocol: {repeat: 3}"), workers=1)
    assert outcome.finished
    assert len(outcome.ranked) == 2


def test_the_median_cuts_what_is_behind_when_enough_are_done(stub_study: Make, run_search: Run) -> None:
    space = "{train.learning_rate: [1e-4, 9e-5, 1.1e-4, 8e-5, 1.2e-4, 1e-6, 1e-4]}"
    outcome = run_search(stub_study(space=space.replace("1e-4]", "1.05e-4]"), search="  pruner: median"), workers=1)
    states = [cell.state for cell in outcome.cells]
    assert states == ["complete"] * 5 + ["pruned", "complete"]
    assert "is behind the median of 5 finished trials" in str(outcome.cells[5].message)


def test_failed_trials_that_are_offered_again_still_have_their_chance(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space="{train.weight_decay: [0.0, 0.05, 0.5, 0.6, 0.7, 0.8]}", search=HALVING)
    first = run_search(study, workers=1)
    assert first.cells[1].state == "failed"
    again = run_search(study, workers=1, retry_failed=True)
    assert again.cells[1].state == "failed"
    assert [cell.state for cell in again.cells] == [cell.state for cell in first.cells]


def test_time_that_ends_before_any_trial_has_run_to_its_end_is_told(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_12, search=f"{HALVING}\n  timeout: 0.001")
    with pytest.raises(NoScoreError, match="before a trial had run to its end"):
        run_search(study, workers=1)
    assert run_search(study, workers=1, edits=["search.timeout=1h"]).finished


@pytest.mark.parametrize(
    ("search", "is_told"), [(HALVING, True), (f"{HALVING}\n  rungs: [1/2, 1]", False), ("", False)]
)
def test_trials_that_are_compared_when_they_have_hardly_begun_are_told_of(
    stub_study: Make, run_search: Run, search: str, is_told: bool
) -> None:
    """Of 100 examples in batches of up to 8, 4 epochs: 52 steps, whose ninth part is 6."""
    heard = Heard()
    run_search(stub_study(space="{train.batch_size: [4, 8]}", search=search), progress=heard, workers=1)
    told = [line for line in heard.said if "after as few as 6 optimizer steps" in line]
    assert len(told) == is_told
