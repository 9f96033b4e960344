"""The Optuna dashboard: it shows the trials of the record, and can change none of them."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest

from nertune.results.database import open_database

pytest.importorskip("optuna_dashboard", reason="the package optuna-dashboard is not installed")

from nertune.search.dashboard import copy_view, make_dashboard


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record with a study of two finished trials, as Optuna sees it."""
    path = tmp_path / "nertune.db"
    open_database(str(path)).close()
    study = optuna.create_study(study_name="tiny", storage=f"sqlite:///{path}", direction="maximize")
    for value in (0.25, 0.75):
        study.add_trial(optuna.create_trial(value=value))
    return path


@pytest.fixture
def address(record: Path, tmp_path: Path) -> Iterator[str]:
    copy = tmp_path / "copy.db"
    assert copy_view(str(record), path=copy)
    with make_dashboard(copy, host="127.0.0.1", port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_dashboard_shows_the_trials_of_the_record(address: str) -> None:
    with urllib.request.urlopen(f"{address}/api/studies") as answer:
        (study,) = json.load(answer)["study_summaries"]
    assert study["study_name"] == "tiny"
    with urllib.request.urlopen(f"{address}/api/studies/{study['study_id']}?after=0") as answer:
        assert [trial["values"] for trial in json.load(answer)["trials"]] == [[0.25], [0.75]]


def test_pages_may_talk_to_this_server_only(address: str) -> None:
    with urllib.request.urlopen(f"{address}/dashboard/") as page:
        assert page.headers["content-security-policy"].startswith("default-src 'self'")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_would_change_something_is_refused(address: str, method: str) -> None:
    request = urllib.request.Request(f"{address}/api/studies/1", method=method, data=b"{}")
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(request)


def test_the_record_is_left_as_it_is(record: Path, tmp_path: Path) -> None:
    before = dumped(record)
    copy_view(str(record), path=tmp_path / "copy.db")
    optuna.delete_study(study_name="tiny", storage=f"sqlite:///{tmp_path / 'copy.db'}")
    assert dumped(record) == before
    assert optuna.get_all_study_names(f"sqlite:///{record}") == ["tiny"]


def dumped(path: Path) -> list[str]:
    """All that a SQLite file says. Its bytes may change without that, as its log is folded in."""
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_a_record_without_finished_trials_has_nothing_to_show(tmp_path: Path) -> None:
    open_database(str(tmp_path / "nertune.db")).close()
    assert not copy_view(str(tmp_path / "nertune.db"), path=tmp_path / "copy.db")


def test_a_record_that_is_no_sqlite_file_is_copied_study_by_study(record: Path, tmp_path: Path) -> None:
    from nertune.search.dashboard import _copy_studies

    assert _copy_studies(f"sqlite:///{record}", path=tmp_path / "copy.db")
    study = optuna.load_study(study_name="tiny", storage=f"sqlite:///{tmp_path / 'copy.db'}")
    assert [trial.value for trial in study.trials] == [0.25, 0.75]
