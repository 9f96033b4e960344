"""`nertune status` of searches that run in another process, or ran; its fits are stubs."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from stub_study import StubStudy

from nertune.results.database import open_database
from nertune.results.outcomes import SearchOutcome
from nertune.results.records import StepRecord
from nertune.workflows.holders import this_process
from nertune.workflows.run_status import status

Make = Callable[..., StubStudy]
Nertune = Callable[..., tuple[int, str, str]]
Run = Callable[..., SearchOutcome]


@pytest.fixture
def running(stub_study: Make) -> Iterator[tuple[StubStudy, subprocess.Popen[str]]]:
    """A search of four trials of 4 s, two at a time, whose first evaluations are in the record."""
    study = stub_study()
    process = study.start(seconds=2.0, workers=2)
    deadline = time.monotonic() + 60
    while not _n_evaluations(study):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield study, process
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGCONT)
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def _n_evaluations(study: StubStudy) -> int:
    with suppress(sqlite3.OperationalError):
        return int(study.record("SELECT count(*) FROM nertune_steps")[0][0])
    return 0


def test_a_search_in_another_process_is_seen_and_left_alone(
    running: tuple[StubStudy, subprocess.Popen[str]], nertune: Nertune
) -> None:
    study, process = running
    told = json.loads(nertune("status", study.path, "--json")[1])
    assert (told["state"], told["stage"], told["holder"]["pid"]) == ("running", "search", process.pid)
    [search] = told["stages"]
    assert (search["total"], search["running"], search["done"] + search["waiting"]) == (4, 2, 2)
    scored = [run for run in told["running"] if run["score"] is not None]
    assert scored[0]["epoch"] == 1.0
    assert 0 < told["seconds_left"] < 60
    code, out, _ = nertune("status", study.output)
    assert (code, f"search: process {process.pid}" in out, "epoch 1/4" in out) == (0, True, True)
    code, _, err = nertune("runs", "rm", "--study", study.path, "--yes")
    assert (code, "is being written by process" in err) == (2, True)
    os.kill(process.pid, signal.SIGSTOP)
    while (out := nertune("status", study.path)[1]) and "It stands still" not in out:
        time.sleep(0.05)
    assert f"kill -CONT {process.pid}" in out
    os.kill(process.pid, signal.SIGCONT)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    told = json.loads(nertune("status", study.path, "--json")[1])
    assert (told["state"], told["holder"], told["running"]) == ("unfinished", None, [])


def test_a_finished_search_tells_its_best_and_what_comes_next(
    stub_study: Make, run_search: Run, nertune: Nertune
) -> None:
    study = stub_study()
    run_search(study)
    before = {path: path.stat().st_mtime_ns for path in study.folder.rglob("*")}
    code, out, err = nertune("status", study.path)
    assert (code, err) == (0, "")
    assert "searched, not running; next: nertune best-and-train" in out
    assert "Trials     4 of 4 done" in out
    assert "Best       dev F1 1.0016, batch size 16, learning rate 0.0001 (trial 2)" in out
    assert {path: path.stat().st_mtime_ns for path in study.folder.rglob("*")} == before


def test_faults_and_cuts_are_counted(stub_study: Make, run_search: Run, nertune: Nertune) -> None:
    study = stub_study(space="{train.weight_decay: [0, 0.01]}")
    run_search(study)
    assert "2 of 2 done, 1 failed" in nertune("status", study.path)[1]
    [told] = json.loads(nertune("runs", "--storage", study.folder / "nertune.db", "--studies", "--json")[1])
    assert (told["state"], told["stages"][0]["failed"]) == ("searched", 1)
    code, out, _ = nertune("runs", "--storage", study.folder / "nertune.db", "--studies")
    assert (code, "searched" in out, "2/2" in out) == (0, True, True)


def test_watching_ends_when_nobody_runs_the_study(stub_study: Make, run_search: Run, nertune: Nertune) -> None:
    study = stub_study()
    run_search(study)
    code, out, _ = nertune("status", study.path, "--watch")
    assert (code, out) == (0, "s: searched, search 4/4 done, best dev F1 1.0016\n")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("s/s.yaml", "there is no record here"),
        ("s", "holds no results of a study"),
        ("nowhere.yaml", "there is no such study file"),
    ],
)
def test_what_has_no_record_is_told(stub_study: Make, nertune: Nertune, place: str, told: str) -> None:
    study = stub_study()
    code, _, err = nertune("status", place)
    assert (code, told in err) == (2, True), err
    assert not (study.folder / "nertune.db").exists()


def test_a_study_that_the_record_does_not_know_is_told(stub_study: Make, run_search: Run, nertune: Nertune) -> None:
    study = stub_study()
    run_search(study)
    code, _, err = nertune("status", study.path, "--set", "name=other")
    assert (code, "other has not been searched yet" in err) == (2, True)


def test_a_process_that_writes_nothing_for_long_may_stand_still(stub_study: Make, run_search: Run) -> None:
    study, told = _held(stub_study, run_search, silent_s=120.0)
    assert (told["state"], told["holder"]["host"]) == ("silent", this_process()["host"])
    assert study.record("SELECT count(*) FROM nertune_attempts WHERE state = 'running'") == [(1,)]


def test_time_left_is_that_of_what_ran_so_far(stub_study: Make, run_search: Run) -> None:
    """Three of four alike trials took 10 s each; the last one runs for 4 s."""
    _, told = _held(stub_study, run_search, silent_s=1.0)
    assert told["state"] == "running"
    assert told["seconds_left"] == pytest.approx(6, abs=0.5)


def test_time_left_follows_the_running_fit_where_it_has_told_its_steps(stub_study: Make, run_search: Run) -> None:
    """Half of its four epochs took 4 s, so the other half does, whatever the others took."""
    _, told = _held(stub_study, run_search, silent_s=1.0, epochs_done=2.0)
    assert told["seconds_left"] == pytest.approx(4, abs=0.5)
    assert (told["running"][0]["epoch"], told["running"][0]["epochs"]) == (2.0, 4)


def _held(
    stub_study: Make, run_search: Run, *, silent_s: float, epochs_done: float | None = None
) -> tuple[StubStudy, dict[str, Any]]:
    """A study that this process holds: three trials of 10 s, the fourth began 4 s ago; and what is told of it."""
    study = stub_study(space="{train.learning_rate: [1e-3, 1e-4, 1e-5]}")
    run_search(study)
    study.write(space="{train.learning_rate: [1e-3, 1e-4, 1e-5, 1e-6]}")
    with closing(open_database(str(study.folder / "nertune.db"))) as database:
        row = database.find_study("s")
        assert row is not None
        spec = {**row.spec, "search": {**row.spec["search"]}}
        spec["search"]["space"] = {"train.learning_rate": [1e-3, 1e-4, 1e-5, 1e-6]}
        database.update_study(row, spec=spec, owner=this_process(), owner_seen=time.time() - silent_s)
        cell = database.add_cell(
            row, stage="search", number=3, point={"train.learning_rate": 1e-6}, point_id="x", seed=42
        )
        attempt = database.open_attempt(row, cell, run_name="trial-0003", parameters={})
        if epochs_done is not None:
            database.add_steps(attempt.run_id, [StepRecord(10, epochs_done, "train", {"loss": 1.0})])
    started = (datetime.now(UTC) - timedelta(seconds=4)).isoformat()
    with closing(sqlite3.connect(study.folder / "nertune.db")) as connection, connection:
        connection.execute("UPDATE nertune_cells SET seconds = 10 WHERE number < 3")
        connection.execute("UPDATE nertune_runs SET started = ? WHERE state = 'running'", (started,))
    return study, status(study.path)


def test_a_folder_that_fresh_has_moved_tells_of_the_old_search(
    stub_study: Make, run_search: Run, nertune: Nertune
) -> None:
    study = stub_study()
    run_search(study, edits=["search.trials=1"])
    run_search(study, fresh=True)
    told = [json.loads(nertune("status", folder, "--json")[1]) for folder in (f"{study.output}@1", study.output)]
    assert [(one["study"], one["stages"][0]["done"]) for one in told] == [("s@1", 1), ("s", 4)]
    told = json.loads(nertune("runs", "--storage", study.folder / "nertune.db", "--studies", "--json")[1])
    assert [one["study"] for one in told] == ["s", "s@1"]
