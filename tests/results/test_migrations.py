"""Records of older versions: what they held is there, in the tables of today."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from nertune.results.database import MIGRATIONS, SCHEMA_VERSION, open_database

KEPT = Path(__file__).parents[1] / "records"
VERSIONS = sorted(int(folder.name.removeprefix("version-")) for folder in KEPT.iterdir())


def columns(path):
    """Name, type and nullness of every column of every table of ours."""
    with sqlite3.connect(path) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'nertune_%'")]
        return {
            table: sorted(
                (name, kind, required)
                for _, name, kind, required, *_ in connection.execute(f"PRAGMA table_info({table})")
            )
            for table in tables
            if not table.endswith("autoindex_1")
        }


@pytest.fixture
def old_record(tmp_path):
    def make(version):
        path = tmp_path / "old.db"
        with sqlite3.connect(path) as connection:
            connection.executescript((KEPT / f"version-{version}" / "record.sql").read_text(encoding="utf-8"))
        return path

    return make


def test_a_record_of_every_version_but_this_one_is_kept():
    assert list(range(1, SCHEMA_VERSION)) == VERSIONS
    assert sorted(MIGRATIONS) == list(range(2, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_record_gets_the_tables_of_a_new_one(old_record, tmp_path, version):
    path = old_record(version)
    open_database(str(path)).close()
    open_database(str(tmp_path / "new.db")).close()
    assert columns(path) == columns(tmp_path / "new.db")


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_record_keeps_all_that_it_held(old_record, version):
    path = old_record(version)
    database = open_database(str(path))
    (study,) = database.studies()
    cells = database.cells(study, "search")
    assert [(cell.state, cell.scores.get("dev", {}).get("f1")) for cell in cells] == [
        ("complete", 1.00082),
        ("complete", 0.50082),
        ("waiting", None),
    ]
    assert [cell.rungs for cell in cells] == [(), (), ()]
    assert [len(database.steps(run["id"])) for run in database.runs(study)] == [4, 4]
    database.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_migration_that_is_cut_off_is_done_again(old_record, version, monkeypatch):
    path = old_record(version)
    with monkeypatch.context() as broken:
        broken.setitem(MIGRATIONS, SCHEMA_VERSION, (*MIGRATIONS[SCHEMA_VERSION], "no such statement"))
        with pytest.raises(Exception, match=r"no such statement|syntax error"):
            open_database(str(path))
    database = open_database(str(path))
    assert len(database.cells(database.studies()[0], "search")) == 3
    database.close()
