"""Looking at a record changes nothing, and waits for nobody."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nertune.errors import StoppedError, StudyConflictError
from nertune.results import database as module
from nertune.results.database import Database, Settlement, open_database, open_snapshot

KEPT = Path(__file__).parents[1] / "records"


def make(path: Path) -> Database:
    database = open_database(str(path))
    study = database.add_study("s", task="token", identity={}, spec={}, output=path.parent)
    cell = database.add_cell(study, stage="search", number=0, point={"x": 1}, point_id="p", seed=1)
    attempt = database.open_attempt(study, cell, run_name="trial-0000", parameters={"x": 1})
    database.settle(attempt, Settlement("complete", "complete", seconds=1.0))
    return database


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_record_that_nobody_writes_is_left_as_it_is(tmp_path: Path) -> None:
    make(tmp_path / "n.db").close()
    before = files(tmp_path)
    with closing(open_snapshot(str(tmp_path / "n.db"))) as database:
        assert [(run.name, run.state) for run in database.all_runs()] == [("trial-0000", "complete")]
    assert files(tmp_path) == before


def test_what_a_writer_has_written_is_seen_while_it_writes(tmp_path: Path) -> None:
    writer = make(tmp_path / "n.db")
    with writer.write() as connection:
        connection.exec_driver_sql("UPDATE nertune_studies SET task = 'sequence'")
        with closing(open_snapshot(str(tmp_path / "n.db"))) as database:
            assert [study.task for study in database.studies()] == ["token"]  # not committed yet
    with closing(open_snapshot(str(tmp_path / "n.db"))) as database:
        assert [study.task for study in database.studies()] == ["sequence"]
    writer.close()


def test_a_record_without_write_ahead_log_is_read(tmp_path: Path) -> None:
    make(tmp_path / "n.db").close()
    with closing(sqlite3.connect(tmp_path / "n.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with closing(open_snapshot(str(tmp_path / "n.db"))) as database:
        assert len(database.all_runs()) == 1


def test_a_record_that_is_locked_for_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "n.db").close()
    monkeypatch.setattr(module, "READER_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(tmp_path / "n.db", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoppedError, match="locked by another program"):
            open_snapshot(str(tmp_path / "n.db"))


@pytest.mark.parametrize("version", [folder.name for folder in sorted(KEPT.iterdir())])
def test_an_older_record_is_read_and_stays_old(tmp_path: Path, version: str) -> None:
    script = (KEPT / version / "record.sql").read_text(encoding="utf-8").replace("@FOLDER@", str(tmp_path))
    with closing(sqlite3.connect(tmp_path / "n.db")) as connection:
        connection.executescript(script)
    before = files(tmp_path)
    with closing(open_snapshot(str(tmp_path / "n.db"))) as database:
        assert len(database.all_runs()) >= 2
    assert files(tmp_path) == before


def test_what_is_no_record_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("not a database, " * 100)
    (tmp_path / "empty.db").touch()
    (tmp_path / "folder.db").mkdir()
    for name, told in {
        "nowhere.db": "there is no record here",
        "text.db": "is no database",
        "empty.db": "holds no record of nertune",
        "folder.db": "cannot be read",
    }.items():
        with pytest.raises(StudyConflictError, match=told):
            open_snapshot(str(tmp_path / name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "folder.db", "text.db"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_record_on_a_read_only_disk_is_read(tmp_path: Path) -> None:
    make(tmp_path / "n.db").close()
    tmp_path.chmod(0o555)
    try:
        with closing(open_snapshot(str(tmp_path / "n.db"))) as database:
            assert len(database.all_runs()) == 1
    finally:
        tmp_path.chmod(0o755)


def test_a_record_that_is_opened_meanwhile_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "n.db").close()
    opened: list[Database] = []
    connect = sqlite3.connect

    def open_meanwhile(place: Any, **options: Any) -> sqlite3.Connection:
        if "immutable" in str(place) and not opened:
            opened.append(open_database(str(tmp_path / "n.db")))
            opened[0].update_study(opened[0].studies()[0], task="sequence")
        return connect(place, **options)

    monkeypatch.setattr(sqlite3, "connect", open_meanwhile)
    with closing(open_snapshot(str(tmp_path / "n.db"))) as database:
        assert [study.task for study in database.studies()] == ["sequence"]
    opened[0].close()
