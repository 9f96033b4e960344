"""Files of ours that are torn, locked or written by two; a clock that is set back."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from stub_study import GRID_4, Heard, StubStudy, kill, wait_for

from nertune.errors import StoppedError, StudyConflictError
from nertune.report.progress import Quiet
from nertune.results import database as database_module
from nertune.results.database import open_database
from nertune.results.outcomes import SearchOutcome
from nertune.workflows import best_and_train
from nertune.workflows.holders import process_started, this_process

Make = Callable[..., StubStudy]
Run = Callable[..., SearchOutcome]
SPACE_6 = "{train.batch_size: [8, 16, 32], train.learning_rate: [1e-4, 1e-5]}"  # GRID_4, and more


def tear(path: Path, *, share: float) -> None:
    """Keep this share of a file's bytes."""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])


def damage(study: StubStudy, statement: str) -> None:
    with closing(sqlite3.connect(study.folder / "nertune.db")) as connection, connection:
        connection.execute(statement)


@contextmanager
def held(study: StubStudy, *statements: str) -> Iterator[None]:
    """The study's database while another program is in the middle of something."""
    with closing(sqlite3.connect(study.folder / "nertune.db", isolation_level=None)) as other:
        for statement in statements:
            other.execute(statement).fetchall()
        yield


def suspend_at_rest(pid: int, study: StubStudy) -> None:
    """Stop a coordinator where it holds no lock on the record."""
    coordinator = psutil.Process(pid)
    while True:
        coordinator.suspend()
        wait_for(lambda: coordinator.status() == psutil.STATUS_STOPPED)
        if is_free(study):
            return
        coordinator.resume()
        time.sleep(0.05)


def is_free(study: StubStudy) -> bool:
    with (study.folder / "nertune.db.lock").open("a") as lock, suppress(BlockingIOError, sqlite3.OperationalError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with held(study, "PRAGMA busy_timeout = 100", "BEGIN IMMEDIATE"):
            return True
    return False


# files


@pytest.mark.parametrize("name", ["best.yaml", "trials.csv"])
def test_a_torn_file_is_written_anew_by_the_same_command(stub_study: Make, run_search: Run, name: str) -> None:
    study = stub_study()
    run_search(study)
    file = study.output / name
    whole = file.read_bytes()
    for share in (0, 0.6):
        tear(file, share=share)
        run_search(study)
        assert file.read_bytes() == whole


@pytest.mark.parametrize("content", [b'{"host": "he', b"\xff\xfe"])
def test_lock_files_may_hold_anything(stub_study: Make, run_search: Run, content: bytes) -> None:
    study = stub_study()
    study.output.mkdir(parents=True)
    for file in (study.output / ".lock", study.folder / "nertune.db.lock"):
        file.write_bytes(content)
    assert run_search(study).finished


def test_a_torn_best_setting_is_not_refitted_as_if_somebody_had_edited_it(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    (study.folder / "data" / "test.txt").write_text("Dora\tB-Person\n")
    tear(study.output / "best.yaml", share=0.6)
    with pytest.raises(StudyConflictError, match=r"best\.yaml: is torn(.|\n)*nertune search"):
        best_and_train(study.path, progress=Quiet())


def test_a_torn_study_file_in_the_results_is_told_with_the_way_out(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    file = study.output / "study.yaml"
    whole = file.read_bytes()
    for share in (0, 0.5):
        tear(file, share=share)
        with pytest.raises(StudyConflictError, match=f"study.yaml: is torn(.|\n)*rm {file}"):
            run_search(study)
    file.unlink()
    run_search(study)
    assert file.read_bytes() == whole


# the record


def test_facts_that_are_torn_are_told_as_a_damaged_record(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    damage(study, "UPDATE nertune_studies SET facts = substr(facts, 1, 20)")
    with pytest.raises(StudyConflictError, match=r"nertune\.db: the record is damaged(.|\n)*--set storage=PATH"):
        run_search(study)


def test_a_torn_database_is_told_as_a_damaged_record(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    for share in (0.9, 0.2):
        tear(study.folder / "nertune.db", share=share)
        with pytest.raises(StudyConflictError, match=r"nertune\.db: the record is damaged"):
            run_search(study)


def test_a_reader_of_the_record_holds_nobody_up(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    study.write(space=SPACE_6)
    with held(study, "BEGIN", "SELECT * FROM nertune_cells"):
        assert run_search(study).finished


def test_a_record_that_another_program_keeps_locked_stops_for_now(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = stub_study()
    run_search(study)
    study.write(space=SPACE_6)
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 200)
    with (
        held(study, "BEGIN IMMEDIATE"),
        pytest.raises(StoppedError, match=r"nertune\.db: .*locked by another program(.|\n)*same command again"),
    ):
        run_search(study)
    assert run_search(study).finished


def test_who_stands_still_while_tables_are_made_holds_nobody_up_for_ever(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = stub_study()
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 200)
    with (study.folder / "nertune.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoppedError, match=r"nertune\.db: .*locked by another program"):
            run_search(study)
    assert run_search(study).finished


@pytest.mark.slow
def test_two_studies_may_make_one_record_together(stub_study: Make) -> None:
    studies = [stub_study(name, more="storage: ../nertune.db") for name in ("one", "two")]
    processes = [study.start() for study in studies]
    told = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert [study.trials("state") for study in studies] == [[("complete",)] * 4] * 2


# late and early ones


def test_an_orphan_that_wakes_up_late_changes_nothing(stub_study: Make) -> None:
    study = stub_study(space=GRID_4)
    process = study.start(seconds=0.4)
    wait_for(lambda: study.n_complete() >= 1)
    orphans = [orphan for orphan in study.processes() if orphan.pid != process.pid]
    for orphan in orphans:
        orphan.suspend()
    kill(process)
    assert study.finish().returncode == 0
    before = study.trials(), study.record("SELECT * FROM nertune_attempts"), sorted(study.output.rglob("*"))
    for orphan in orphans:
        with suppress(psutil.NoSuchProcess):  # a template that goes on first kills its workers
            orphan.resume()
    wait_for(lambda: study.processes() == [])
    assert (study.trials(), study.record("SELECT * FROM nertune_attempts"), sorted(study.output.rglob("*"))) == before


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_clock_that_is_set_amid_a_search_changes_nothing(
    stub_study: Make, run_search: Run, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    real_time = time.time

    class SetsClock(Heard):
        def started(self, cell, *, attempt):
            super().started(cell, attempt=attempt)
            if cell.number == 1:
                monkeypatch.setattr(time, "time", lambda: real_time() + hours * 3600)

    study = stub_study(more="execute: {trial_timeout: 60, hang_after: 30}")
    outcome = run_search(study, progress=SetsClock())
    assert (outcome.finished, [cell.attempts for cell in outcome.cells]) == (True, [1] * 4)


@pytest.mark.parametrize("seconds", [-7200, pytest.param(7200, marks=pytest.mark.slow)])
def test_who_is_alive_keeps_a_study_whatever_the_clock_says(stub_study: Make, run_search: Run, seconds: int) -> None:
    study = stub_study(space=SPACE_6)
    process = study.start(seconds=0.4)
    wait_for(lambda: study.n_complete() >= 1)
    suspend_at_rest(process.pid, study)  # it renews nothing: as under Ctrl-Z
    damage(study, f"UPDATE nertune_studies SET owner_seen = owner_seen + {seconds}")
    with pytest.raises(StudyConflictError, match=f"is being written by process {process.pid}"):
        run_search(study, edits=["output=elsewhere"])
    kill(process)
    assert run_search(study).finished


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_process_is_known_by_a_time_that_no_clock_moves() -> None:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    assert process_started(os.getpid()) == pytest.approx(ticks / os.sysconf("SC_CLK_TCK"), abs=0.1)


def test_a_lease_of_another_machine_ends_when_it_is_not_renewed(stub_study: Make, run_search: Run) -> None:
    study = stub_study()
    run_search(study)
    study.write(space=SPACE_6)
    database = open_database(str(study.folder / "nertune.db"))
    database.set_lease(database.find_study("s"), {**this_process(), "host": f"not-{socket.gethostname()}"})
    with pytest.raises(StudyConflictError, match="is being written"):
        run_search(study)
    damage(study, "UPDATE nertune_studies SET owner_seen = owner_seen - 61")
    assert run_search(study).finished
    database.close()
