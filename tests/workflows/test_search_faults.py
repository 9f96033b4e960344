"""What the design promises of every fault (section 7), each by doing the thing."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from stub_study import GRID_40, Heard, StubStudy, kill, wait_for

from nertune.errors import NertuneError, StoppedError, StudyConflictError
from nertune.results.outcomes import SearchOutcome
from nertune.workflows import run_search as run_search_module

Make = Callable[..., StubStudy]
Run = Callable[..., SearchOutcome]
FIXED_BATCH = "train: {device_batch_size: 64}"  # the whole batch at once


def space_with(fault: float) -> str:
    """Three cells of which the middle one has this weight decay, which stub_fits.py takes for a fault."""
    return f"{{train.weight_decay: [0.0, {fault}, 0.5]}}"


def unbroken(stub_study: Make, *, search: str = "", space: str = GRID_40) -> list[tuple[str, ...]]:
    study = stub_study("unbroken", space=space, search=search)
    assert study.finish().returncode == 0
    return study.trials()


def kill_at_random(
    study: StubStudy, *, victims: Sequence[str], seed: int, seconds: float = 0.05, amid: float = 1.0
) -> None:
    """A search under so many kills, each of one victim at a random moment; in the end it is left alone.

    victims  worker: the search goes on with another one; coordinator, or all: the same command is given again
    amid     share of the kills that wait for one more outcome; the others fall anywhere from the very start
    """
    chance = random.Random(seed)
    process = None
    for victim in victims:
        process = process or study.start(seconds=seconds)
        if chance.random() < amid:
            _wait_for_outcome(study, process)
            time.sleep(chance.uniform(0, 0.3))
        else:
            time.sleep(chance.uniform(0, 1.8))
        if victim == "worker":
            _kill_a_worker(study, process)
        elif victim == "all":
            _kill_all(study)
        if victim != "worker":
            kill(process)
            process = None
    if process is not None:
        kill(process)
    told = study.finish()
    assert told.returncode == 0, told.stderr


def _wait_for_outcome(study: StubStudy, coordinator: subprocess.Popen[str]) -> None:
    n_complete = study.n_complete()
    wait_for(lambda: study.n_complete() > n_complete or coordinator.poll() is not None)


def _kill_a_worker(study: StubStudy, coordinator: subprocess.Popen[str]) -> None:
    """The next kill waits until one more cell is done: three of them would be the end of this one's cell."""
    wait_for(lambda: study.workers() or coordinator.poll() is not None)
    for worker in study.workers():
        worker.kill()
    _wait_for_outcome(study, coordinator)


def _kill_all(study: StubStudy) -> None:
    for process in study.processes():
        with suppress(psutil.Error):
            process.kill()


def refuse_doubles(study: StubStudy) -> None:
    """Every cell has one final outcome, from one attempt; nothing is open."""
    outcomes = study.record(
        "SELECT cell_id, count(*) FROM nertune_attempts WHERE state = 'complete' GROUP BY cell_id ORDER BY cell_id"
    )
    assert [n for _, n in outcomes] == [1] * len(study.trials())
    assert study.record("SELECT * FROM nertune_attempts WHERE state = 'running'") == []


def test_a_search_killed_at_random_ends_with_the_cells_of_an_unbroken_one(stub_study: Make) -> None:
    study = stub_study(space=GRID_40)
    kill_at_random(study, victims=("coordinator", "worker", "all", "coordinator"), seed=1)
    refuse_doubles(study)
    assert study.trials() == unbroken(stub_study)


@pytest.mark.slow
def test_a_killed_tpe_search_asks_the_same_points_as_an_unbroken_one(stub_study: Make) -> None:
    parts = {
        "search": "  sampler: tpe\n  trials: 20",
        "space": "{train.batch_size: [8, 16, 32], train.learning_rate: {low: 1e-6, high: 1e-2, log: true}}",
    }
    study = stub_study(**parts)
    kill_at_random(study, victims=["coordinator"] * 3, seed=2)
    assert study.trials() == unbroken(stub_study, **parts)


@pytest.mark.slow
def test_fifty_kills_lose_and_double_nothing(stub_study: Make) -> None:
    study = stub_study(space=GRID_40)
    victims = random.Random(3).choices(("worker", "coordinator", "all"), (1, 2, 2), k=50)
    kill_at_random(study, victims=victims, seed=3, seconds=0.5, amid=1 / 3)
    refuse_doubles(study)
    assert study.trials() == unbroken(stub_study)


def test_ctrl_c_saves_the_state_ends_with_130_and_the_same_command_continues(stub_study: Make) -> None:
    study = stub_study(space=GRID_40)
    process = study.start(seconds=0.05, workers=2)
    _wait_for_trials(study)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "what was finished is saved" in err
    assert study.finish(workers=2).returncode == 0
    assert sorted(study.trials("state")) == [("complete",)] * 40


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_terminated_search_ends_with_75_and_continues(stub_study: Make, number: signal.Signals) -> None:
    study = stub_study(space=GRID_40)
    process = study.start(seconds=0.05, workers=2)
    _wait_for_trials(study)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == 75
    assert study.finish(workers=2).returncode == 0
    assert len(study.trials()) == 40


def test_no_process_outlives_a_killed_coordinator(stub_study: Make) -> None:
    study = stub_study(space=GRID_40)
    process = study.start(seconds=1, workers=2)
    wait_for(lambda: len(study.workers()) == 2)
    kill(process)
    wait_for(lambda: not study.processes())


def test_a_second_coordinator_is_refused_while_the_first_goes_on(stub_study: Make) -> None:
    study = stub_study(space=GRID_40)
    process = study.start(seconds=0.1, workers=1)
    _wait_for_trials(study)
    second = study.finish(workers=1)
    assert second.returncode == 2
    assert f"process {process.pid}" in second.stderr
    kill(process)


def test_a_study_is_written_by_one_coordinator_also_from_another_output_folder(
    stub_study: Make, run_search: Run
) -> None:
    study = stub_study(space=GRID_40)
    process = study.start(seconds=0.1, workers=1)
    _wait_for_trials(study)
    with pytest.raises(StudyConflictError, match=f"is being written by process {process.pid}"):
        run_search(study, edits=["output=elsewhere"])
    kill(process)
    assert not (study.folder / "elsewhere").exists()
    assert run_search(study).finished  # the dead coordinator's lease holds nobody up


def test_a_killed_coordinator_that_nobody_has_reaped_holds_no_study(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=GRID_40)
    process = study.start(seconds=0.1, workers=1)
    _wait_for_trials(study)
    os.kill(process.pid, signal.SIGKILL)  # not waited for: a zombie until the end of this test
    time.sleep(0.5)
    assert run_search(study).finished
    process.communicate()


def test_a_cell_whose_worker_is_killed_is_tried_again(stub_study: Make, run_search: Run) -> None:
    heard = Heard()
    outcome = run_search(stub_study(space=space_with(0.03)), progress=heard, workers=1)
    assert [cell.state for cell in outcome.cells] == ["complete"] * 3
    assert heard.outcomes == [
        (0, "complete", "complete"),
        (1, "failed", "waiting"),
        (1, "complete", "complete"),
        (2, "complete", "complete"),
    ]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(0.04, id="busy"),
        pytest.param(0.08, id="stopped"),
        pytest.param(0.09, id="stopped in the middle of its outcome"),
        pytest.param(0.11, id="reading"),
    ],
)
def test_a_silent_worker_is_replaced_and_its_cell_tried_again(stub_study: Make, run_search: Run, fault: float) -> None:
    study = stub_study(space=space_with(fault), more="execute: {hang_after: 1}")
    outcome = run_search(study, workers=1)
    tries = [(cell.state, cell.attempts, cell.scores["dev"]["f1"] < 1) for cell in outcome.cells]
    assert tries == [("complete", 1, True), ("complete", 2, True), ("complete", 1, True)]


def test_a_fit_over_its_time_limit_fails_with_that_cause(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=space_with(0.07), more="execute: {trial_timeout: 1}")
    cell = run_search(study, workers=1).cells[1]
    assert (cell.state, cell.cause) == ("failed", "timeout")
    assert "execute.trial_timeout (1 s)" in str(cell.message)


@pytest.mark.slow
def test_a_suspended_coordinator_blames_no_fit_for_the_pause(stub_study: Make) -> None:
    study = stub_study(space="{train.batch_size: [8, 16, 32, 64]}", more="execute: {trial_timeout: 4, hang_after: 2}")
    process = study.start(seconds=1, workers=1)
    wait_for(lambda: (study.output / "work" / "trial-0000").exists())
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(7)
    os.kill(process.pid, signal.SIGCONT)
    process.communicate(timeout=60)
    assert study.trials("state", "attempts") == [("complete", "1")] * 4


def test_out_of_memory_is_tried_once_more_with_half_the_examples(stub_study: Make, run_search: Run) -> None:
    space = "{train.weight_decay: [0.02], train.batch_size: [8, 16, 64]}"
    cells = run_search(stub_study(space=space, more=FIXED_BATCH), workers=1).cells
    found = [(cell.state, cell.attempts, cell.cause) for cell in cells]
    assert found == [("complete", 1, None), ("complete", 2, None), ("failed", 2, "oom")]


def test_a_loss_that_is_not_finite_is_final_with_step_and_last_loss(stub_study: Make, run_search: Run) -> None:
    cell = run_search(stub_study(space=space_with(0.01)), workers=1).cells[1]
    assert (cell.state, cell.cause, cell.attempts) == ("failed", "nan", 1)
    assert cell.message == "loss is not finite at step 3 (loss: 0.7 before)"


def test_one_bug_fails_its_cell_and_the_search_goes_on(stub_study: Make, run_search: Run) -> None:
    outcome = run_search(stub_study(space=space_with(0.05)), workers=1)
    assert [cell.state for cell in outcome.cells] == ["complete", "failed", "complete"]
    assert "KeyError" in str(outcome.cells[1].message)


def test_failed_cells_are_offered_again_on_request(stub_study: Make, run_search: Run) -> None:
    study, heard = stub_study(space=space_with(0.05)), Heard()
    run_search(study, workers=1)
    run_search(study, workers=1, progress=heard, retry_failed=True)
    assert heard.outcomes == [(1, "failed", "failed")]


def test_the_same_bug_in_the_first_three_fits_stops_the_search(stub_study: Make, run_search: Run) -> None:
    space = "{train.weight_decay: [0.05], train.batch_size: [1, 2, 3, 4, 5]}"
    with pytest.raises(NertuneError, match="the first 3 fits all ended in the same error"):
        run_search(stub_study(space=space), workers=1)


def test_a_full_disk_stops_the_search_which_continues_when_there_is_room(stub_study: Make, run_search: Run) -> None:
    study = stub_study(space=space_with(0.06))
    with pytest.raises(StoppedError, match="Make room") as told:
        run_search(study, workers=1)
    assert told.value.exit_code == 75
    assert [cell.state for cell in run_search(study, workers=1).cells] == ["complete"] * 3


def test_a_disk_that_fills_under_the_coordinators_own_files_ends_with_75(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = stub_study()

    def no_room(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as full:
        full.setattr(run_search_module, "write_csv", no_room)
        with pytest.raises(StoppedError, match=r"trials\.csv: the disk is full(.|\n)*Make room") as told:
            run_search(study)
    assert told.value.exit_code == 75
    assert run_search(study).finished


def _wait_for_trials(study: StubStudy) -> None:
    wait_for(lambda: (study.output / "trials.csv").exists())
