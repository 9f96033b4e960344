"""What a search takes besides its fits, measured with jobs that sleep; and the moment of the first step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searched import WORK

import course
from course import MANY, OverheadRun, overhead_rows, read_first, run_overhead, search_of_stubs, start_row
from first_step import FirstStep
from nertune.testing import check_callback
from sets import Encoder
from timed_jobs import EPOCHS, SLEEP_S
from turns import Run
from works import Inputs


def test_cost_of_a_trial_is_what_its_job_did_not_sleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [{"began": 1.0, "ended": 2.0, "slept_s": 0.5}, {"began": 2.25, "ended": 3.0, "slept_s": 0.5}]

    def fake(work: Any, *, seed: int, trials: int, folder: Path) -> tuple[float, list[dict[str, float]]]:
        return (4.0, jobs[:1]) if trials == 1 else (4.75, jobs)

    monkeypatch.setattr(course, "search_of_stubs", fake)
    assert run_overhead(WORK, seed=42, folder=tmp_path) == OverheadRun(8.75, 250.0, 750.0, (250.0,))


def test_overhead_and_waiting_are_rows_of_their_own() -> None:
    done = [OverheadRun(1.0, cost, 15.0, (4.0, wait, 500.0)) for cost, wait in ((20.0, 8.0), (40.0, 9.0), (25.0, 12.0))]
    cost, wait = overhead_rows({"nertune": done}, n=40)
    assert (cost.figure, cost.is_met, wait.figure, wait.is_met) == (25.0, True, 9.0, True)
    assert cost.notes == ("from the first job's beginning to the last one's, a trial took 15.0 ms besides its fit",)
    assert wait.notes == ("the longest wait of a free worker was 500.0 ms",)


def test_search_of_sleeping_jobs_notes_each_of_them(tmp_path: Path) -> None:
    work = Inputs(tmp_path, Encoder("nobody/none"), {}).work(MANY, task="token")
    wall_s, jobs = search_of_stubs(work, seed=42, trials=3, folder=tmp_path / "run")
    assert [job["slept_s"] >= EPOCHS * SLEEP_S for job in jobs] == [True] * 3
    assert jobs[0]["ended"] < jobs[1]["began"] < jobs[1]["ended"] < jobs[2]["began"]
    assert jobs[2]["ended"] - jobs[0]["began"] < wall_s


def test_callback_that_notes_the_first_step_is_one_that_studies_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST_STEPS", str(tmp_path / "noted.txt"))
    check_callback(FirstStep)


def test_first_step_is_noted_once_a_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noted = tmp_path / "noted.txt"
    monkeypatch.setenv("FIRST_STEPS", str(noted))
    assert read_first(noted) is None
    fits = FirstStep(), FirstStep()
    for fit in (*fits, *fits):
        fit.on_step_end(None, None, None)
    moments = [float(line) for line in noted.read_text().splitlines()]
    assert len(moments) == 2
    assert read_first(noted) == min(moments)


def test_start_is_the_median_of_the_rounds() -> None:
    row = start_row(WORK, {"nertune": [Run(5.0), Run(9.0), Run(5.5)]})
    assert (row.figure, row.is_met, row.plain) == (5.5, True, None)
