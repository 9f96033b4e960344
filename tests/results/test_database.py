import json
import math
import random
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa

from nertune.errors import StoppedError, StudyConflictError
from nertune.results import database as module
from nertune.results.database import META, SCHEMA_VERSION, Settlement, open_database, sqlite_path, storage_url
from nertune.results.records import SplitScores, StepRecord

DONE = Settlement(
    "complete",
    "complete",
    seconds=2.0,
    best_epoch=1.0,
    best_step=4,
    scores={"dev": SplitScores({"f1": 0.5}, {"PER": {"f1": 0.4}})},
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "record.db"


@pytest.fixture
def database(path):
    opened = open_database(str(path))
    yield opened
    opened.close()


@pytest.fixture
def study(database, tmp_path):
    return database.add_study("one", task="token", identity={"a": 1}, spec={"b": None}, output=tmp_path)


@pytest.fixture
def cell(database, study):
    return database.add_cell(study, stage="search", number=0, point={"train.epochs": 2}, point_id="f" * 16, seed=42)


@pytest.fixture
def attempt(database, study, cell):
    return database.open_attempt(study, cell, run_name="trial-0000", parameters={"train.epochs": 2})


def rows(path, query):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_study_is_found_again_as_it_was_added(database, study):
    assert database.find_study("one") == study
    assert (study.identity, study.spec, study.facts) == ({"a": 1}, {"b": None}, {})
    assert database.find_study("two") is None


def test_facts_are_added_to_those_known(database, study):
    study = database.set_facts(study, threads=2)
    study = database.set_facts(study, precision="fp32", loss=math.nan)
    assert study.facts == {"threads": 2, "precision": "fp32", "loss": None}
    assert database.find_study("one") == study


def test_a_cell_and_a_seed_are_there_once(database, study, cell):
    with pytest.raises(sa.exc.IntegrityError):
        database.add_cell(study, stage="search", number=1, point={}, point_id="f" * 16, seed=42)
    database.add_cell(study, stage="final", number=0, point={}, point_id="f" * 16, seed=1)
    assert [found.number for found in database.cells(study, "search")] == [0]


def test_cell_runs_with_its_attempt_and_is_final_with_its_outcome(database, study, cell, attempt):
    assert (cell.state, database.cell(cell.id).state, database.cell(cell.id).attempts) == ("waiting", "running", 1)
    final = database.settle(attempt, DONE)
    assert (final.state, final.scores, final.best_epoch, final.seconds) == ("complete", {"dev": {"f1": 0.5}}, 1.0, 2.0)
    assert not final.is_open
    assert [run["state"] for run in database.runs(study)] == ["complete"]
    assert [(row["label"], row["value"]) for row in database.label_scores(attempt.run_id)] == [("PER", 0.4)]


def test_attempts_are_counted_and_keep_their_causes(database, study, cell, attempt):
    database.settle(attempt, Settlement("lost", "waiting", cause="lost", message="signal 9"))
    second = database.open_attempt(study, cell, run_name="trial-0000", parameters={})
    database.settle(second, DONE)
    told = [(row["number"], row["state"], row["cause"]) for row in database.attempts(cell)]
    assert told == [(1, "lost", "lost"), (2, "complete", None)]
    assert database.cell(cell.id).attempts == 2


def test_cells_read_with_what_was_known_are_those_of_the_record(database, study):
    draw = random.Random(0)
    known = []
    for number in range(30):
        database.add_cell(study, stage="search", number=number, point={}, point_id=str(number), seed=42)
        open_cells = [cell for cell in database.cells(study, "search") if cell.is_open]
        cell = draw.choice(open_cells)
        state = draw.choice(["complete", "failed", "waiting", "paused", "interrupted"])
        attempt = database.open_attempt(study, cell, run_name="one", parameters={})
        database.settle(attempt, Settlement("failed", state, seconds=1.0))
        if draw.random() < 0.3:
            database.reopen_cell(draw.choice([one for one in open_cells if one.id != cell.id] or [cell]))
            known = []  # whoever opens a cell that has ended knows of it
        known = database.cells(study, "search", known=known)
        assert known == database.cells(study, "search")


def test_of_known_cells_only_the_open_ones_are_read_again(database, study, monkeypatch):
    for number in range(5):
        cell = database.add_cell(study, stage="search", number=number, point={}, point_id=str(number), seed=42)
        if number != 3:
            database.settle(database.open_attempt(study, cell, run_name="one", parameters={}), DONE)
    known = database.cells(study, "search")
    database.add_cell(study, stage="search", number=5, point={}, point_id="5", seed=42)
    read = []
    original = module._cell
    monkeypatch.setattr(module, "_cell", lambda row: read.append(row.number) or original(row))
    assert len(database.cells(study, "search", known=known)) == 6
    assert sorted(read) == [3, 5]


def test_steps_of_an_outcome_are_recorded_with_it(database, attempt):
    database.settle(attempt, DONE, steps=[StepRecord(2, 1.0, "dev", {"f1": 0.5})])
    assert [(row["step"], row["name"], row["value"]) for row in database.steps(attempt.run_id)] == [(2, "f1", 0.5)]


def test_outcome_is_written_whole_or_not_at_all(database, study, cell, attempt):
    with database.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER no BEFORE INSERT ON nertune_scores BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(sa.exc.IntegrityError):
        database.settle(attempt, DONE)
    assert (database.cell(cell.id).state, database.runs(study)[0]["state"]) == ("running", "running")
    assert database.attempts(cell)[0]["state"] == "running"


def test_attempts_left_open_by_a_dead_coordinator_become_lost_and_their_cells_wait(
    database, study, cell, attempt, tmp_path
):
    other = database.add_study("two", task="token", identity={}, spec={}, output=tmp_path)
    theirs = database.add_cell(other, stage="search", number=0, point={}, point_id="0", seed=1)
    database.open_attempt(other, theirs, run_name="x", parameters={})
    assert (database.close_open_attempts(study), database.close_open_attempts(study)) == (1, 0)
    assert (database.cell(cell.id).state, database.cell(theirs.id).state) == ("waiting", "running")
    assert [(row["state"], row["cause"]) for row in database.attempts(cell)] == [("lost", "lost")]
    assert database.runs(study)[0]["state"] == "lost"


def test_failed_cell_that_is_offered_again_waits_without_a_cause(database, cell, attempt):
    failed = database.settle(attempt, Settlement("failed", "failed", cause="oom", message="too large"))
    database.reopen_cell(failed)
    assert (database.cell(cell.id).state, database.cell(cell.id).cause) == ("waiting", None)
    assert database.attempts(cell)[0]["cause"] == "oom"


def test_numbers_that_are_not_finite_are_null(database, path, attempt):
    database.add_steps(
        attempt.run_id, [StepRecord(3, 0.5, "train", {"loss": math.nan, "grad_norm": math.inf, "lr": 0.1})]
    )
    bad = SplitScores({"f1": math.nan}, {"PER": {"f1": math.inf}})
    cell = database.settle(attempt, Settlement("failed", "failed", cause="nan", scores={"dev": bad}))
    assert cell.scores == {"dev": {"f1": None}}
    assert rows(path, "SELECT name, value FROM nertune_steps") == [("loss", None), ("grad_norm", None), ("lr", 0.1)]
    assert rows(path, "SELECT value FROM nertune_scores") == [(None,)]


def test_steps_can_be_followed(database, attempt):
    for step in (1, 2, 3):
        database.add_steps(attempt.run_id, [StepRecord(step, step / 4, "train", {"loss": 1 / step})])
    database.add_steps(attempt.run_id, [])
    first = database.steps(attempt.run_id, limit=1)
    assert [row["step"] for row in first] == [1]
    assert [row["step"] for row in database.steps(attempt.run_id, after=first[0]["id"])] == [2, 3]


def test_lease_tells_who_holds_the_study_and_when_they_were_seen(database, study):
    assert database.lease(study)[0] is None
    database.set_lease(study, {"host": "here", "pid": 7})
    owner, seen_s = database.lease(study)
    assert (owner, seen_s < 5) == ({"host": "here", "pid": 7}, True)
    database.set_lease(study, None)
    assert database.lease(study)[0] is None


def test_renamed_study_keeps_its_cells_and_frees_its_name(database, study, cell, tmp_path):
    database.set_lease(study, {"pid": 7})
    database.rename_study(study, name="one@1", output=tmp_path / "else")
    moved = database.find_study("one@1")
    assert (moved.output, database.lease(moved)[0], database.find_study("one")) == (str(tmp_path / "else"), None, None)
    assert [found.id for found in database.cells(moved, "search")] == [cell.id]


def test_all_tables_are_ours_by_name_and_the_journal_is_written_ahead(database, path):
    assert all(name.startswith("nertune_") for name in META.tables)
    assert (database.journal, rows(path, "PRAGMA journal_mode")) == ("wal", [("wal",)])
    assert rows(path, "SELECT version FROM nertune_schema") == [(SCHEMA_VERSION,)]


def test_rollback_journal_where_the_file_system_cannot_share_memory(path, monkeypatch):
    class WithoutWal(sqlite3.Connection):
        def execute(self, statement, *arguments):
            return super().execute(statement.replace("= WAL", "= DELETE"), *arguments)

    connect = sqlite3.connect
    monkeypatch.setattr(module.sqlite3, "connect", lambda *a, **k: connect(*a, **{"factory": WithoutWal, **k}))
    database = open_database(str(path))
    assert (database.journal, database.studies()) == ("delete", [])


def test_write_waits_for_another_writer_instead_of_failing(database, study):
    order = []

    def write_slowly():
        with database.write() as connection:
            connection.execute(
                sa.select(sa.func.count()).select_from(module.STUDIES)
            )  # reads first: BEGIN would be too late
            order.append("one began")
            time.sleep(0.3)
            connection.execute(sa.update(module.STUDIES).values(task="slow"))
        order.append("one ended")

    thread = threading.Thread(target=write_slowly)
    thread.start()
    while not order:
        time.sleep(0.01)
    other = open_database(str(database.engine.url.database))
    other.update_study(study, task="quick")
    thread.join()
    assert order == ["one began", "one ended"]
    assert database.find_study("one").task == "quick"


def test_reader_sees_the_last_state_while_another_writes(database, study, path):
    with database.write() as connection:
        connection.execute(sa.update(module.STUDIES).values(task="half done"))
        assert rows(path, "SELECT task FROM nertune_studies") == [("token",)]


WRITER = """
import sys
from pathlib import Path
from nertune.results.database import open_database
name, path = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
database = open_database(path)
study = database.add_study(name, task="token", identity={}, spec={}, output=Path("x"))
for number in range(60):
    database.add_cell(study, stage="search", number=number, point={}, point_id=str(number), seed=1)
"""


def test_processes_that_create_and_write_one_file_together_all_succeed(path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, name, str(path)], **pipes) for name in "abc"]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 3
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    errors = [writer.communicate()[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0], errors
    assert rows(path, "SELECT count(*) FROM nertune_cells") == [(180,)]


def test_record_of_a_newer_nertune_is_refused_and_left_as_it_is(database, path):
    with database.write() as connection:
        connection.exec_driver_sql(f"INSERT INTO nertune_schema VALUES ({SCHEMA_VERSION + 1})")
        connection.exec_driver_sql("DROP TABLE nertune_scores")
    with pytest.raises(
        StudyConflictError, match=f"schema version {SCHEMA_VERSION + 1}, this nertune knows {SCHEMA_VERSION}"
    ):
        open_database(str(path))
    assert rows(path, "SELECT name FROM sqlite_master WHERE name = 'nertune_scores'") == []


def test_readers_do_not_make_a_record(path):
    with pytest.raises(StudyConflictError, match="there is no record yet\n    nertune search STUDY"):
        open_database(str(path), must_exist=True)
    assert not path.exists()


def test_file_that_is_no_database_is_the_users_error(path):
    path.write_text("task: token\n" * 100)
    with pytest.raises(StudyConflictError, match="cannot be opened for writing: file is not a database") as caught:
        open_database(str(path))
    assert "--set storage=PATH" in caught.value.fix
    assert path.read_text() == "task: token\n" * 100


def test_folder_in_the_files_place_or_a_file_in_the_folders_is_the_users_error(tmp_path):
    with pytest.raises(StudyConflictError, match="cannot be opened for writing"):
        open_database(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(StudyConflictError, match="cannot be opened for writing"):
        open_database(str(tmp_path / "file" / "record.db"))


@pytest.mark.parametrize("message", ["attempt to write a readonly database", "unable to open database file"])
def test_read_only_file_is_the_users_error_when_written_later(database, message):
    with (
        pytest.raises(StudyConflictError, match=f"record.db: the record cannot be opened: {message}"),
        database.write(),
    ):
        raise sa.exc.OperationalError("", {}, sqlite3.OperationalError(message))


@pytest.mark.parametrize("message", ["database or disk is full", "disk I/O error"])
def test_full_disk_stops_for_now(database, message):
    with pytest.raises(StoppedError, match=f"the record cannot be written: {message}"), database.write():
        raise sa.exc.OperationalError("", {}, sqlite3.OperationalError(message))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+nodriver://host/base", "the database cannot be opened: Can't load plugin"),
        ("oracle+cx_oracle://host/base", "the Python package cx_Oracle is needed"),
        ("://", "the database cannot be opened: Could not parse"),
    ],
)
def test_database_url_that_cannot_be_used_is_the_users_error(url, message):
    with pytest.raises(StudyConflictError, match=f"storage: {message}"):
        open_database(url)


def test_sqlite_path_and_url_name_one_file(tmp_path):
    path = tmp_path / "a b.db"
    assert sqlite_path(str(path)) == sqlite_path(f"sqlite:///{path}") == path
    assert storage_url(str(path)) == storage_url(f"sqlite:///{path}") == f"sqlite:///{path}"
    assert (sqlite_path("postgresql://host/base"), storage_url("postgresql://host/base")) == (
        None,
        "postgresql://host/base",
    )


def test_text_in_the_record_is_readable(database, path, tmp_path):
    database.add_study("two", task="token", identity={"data.rename": {"Ä": "ß"}}, spec={}, output=tmp_path)
    assert json.loads(rows(path, "SELECT identity FROM nertune_studies")[0][0]) == {"data.rename": {"Ä": "ß"}}
    assert "Ä" in rows(path, "SELECT identity FROM nertune_studies")[0][0]


def pause(database, study, cell, *, share, f1, step):
    attempt = database.open_attempt(study, cell, run_name="trial-0000", parameters={})
    database.add_steps(attempt.run_id, [StepRecord(step, step / 10, "dev", {"f1": f1, "loss": 1.0})])
    scores = {"dev": SplitScores({"f1": f1})}
    return database.settle(attempt, Settlement("paused", "paused", seconds=2.0, scores=scores, share=share))


def test_a_cell_that_pauses_keeps_what_it_had_at_each_rung_and_one_run(database, study, cell):
    pause(database, study, cell, share=1 / 9, f1=0.4, step=2)
    paused = pause(database, study, cell, share=1 / 3, f1=0.5, step=6)
    assert paused.is_open
    assert [(rung["share"], rung["scores"]) for rung in paused.rungs] == [(1 / 9, {"f1": 0.4}), (1 / 3, {"f1": 0.5})]
    attempt = database.open_attempt(study, cell, run_name="trial-0000", parameters={})
    done = database.settle(attempt, DONE)
    assert (done.seconds, done.attempts, len(done.rungs)) == (6.0, 3, 2)
    (run,) = database.runs(study)
    assert (run["state"], run["seconds"]) == ("complete", 6.0)
    assert len(database.steps(run["id"])) == 4


def test_a_cell_that_is_pruned_is_final_and_so_is_its_run(database, study, cell):
    database.prune_cell(pause(database, study, cell, share=1 / 9, f1=0.4, step=2), message="behind 3 of 9")
    pruned = database.cell(cell.id)
    assert (pruned.is_open, pruned.state, pruned.cause, pruned.message) == (False, "pruned", "pruned", "behind 3 of 9")
    assert [run["state"] for run in database.runs(study)] == ["pruned"]


def test_a_curve_goes_on_over_pauses_and_takes_the_last_attempts_word(database, study, cell):
    pause(database, study, cell, share=1 / 9, f1=0.4, step=2)
    lost = database.open_attempt(study, cell, run_name="trial-0000", parameters={})
    database.add_steps(lost.run_id, [StepRecord(4, 0.4, "dev", {"f1": 0.1})])
    database.settle(lost, Settlement("failed", "waiting", "lost", "killed"))
    again = database.open_attempt(study, cell, run_name="trial-0000", parameters={})
    database.add_steps(
        again.run_id, [StepRecord(4, 0.4, "dev", {"f1": math.nan}), StepRecord(6, 0.6, "dev", {"f1": 0.6})]
    )
    curves = database.curves(study, "search", split="dev", name="f1")
    assert [(one.step, one.value) for one in curves[0]] == [(2, 0.4), (4, None), (6, 0.6)]
