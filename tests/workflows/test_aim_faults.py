"""Whatever becomes of Aim's folder: the search ends well, its process ends, and a rebuild makes the runs anew."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from small_disk import SmallDisk
from stub_study import StubStudy, wait_for

from nertune.errors import UserError
from nertune.results.database import open_database
from nertune.track.projector import aim_projector, rebuild

sys.path.append(str(Path(__file__).parent.parent / "track"))
from recording import complete, new_cell, new_record, open_fit, read_aim

Make = Callable[..., StubStudy]
SPACE = "{train.learning_rate: [1e-3, 1e-4, 1e-5, 1e-6]}"
LATER = "--rebuild`, writes them"


def aim_of(study: StubStudy) -> Path:
    return study.folder / "logs" / ".aim"


def make_anew(study: StubStudy) -> Path | None:
    return rebuild(study.folder / "logs", storage=str(study.folder / "nertune.db"))


def trials_in_aim(study: StubStudy) -> list[str]:
    return sorted(name for name, run in read_aim(study.folder / "logs").items() if "search" in run["tags"])


def refuse_stop(study: StubStudy, told: subprocess.CompletedProcess[str]) -> None:
    """The search came to its end, says that Aim lacks something, and left no process."""
    assert (told.returncode, study.trials("state")) == (0, [("complete",)] * 4)
    assert LATER in told.stderr
    wait_for(lambda: study.processes() == [])


@contextmanager
def locked(study: StubStudy) -> Iterator[None]:
    with closing(sqlite3.connect(aim_of(study) / "run_metadata.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_a_file_called_aim_in_the_working_directory_is_not_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_record(tmp_path)
    (tmp_path / "aim.py").write_text("raise SystemExit('not the package')")
    monkeypatch.chdir(tmp_path)
    log = tmp_path / "aim.log"
    projector = aim_projector(tmp_path / "logs", storage=str(tmp_path / "nertune.db"), study="tiny", log=log)
    projector.start()
    assert projector.finish(timeout_s=60), log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("files", ["VERSION", "run_metadata.sqlite", "*/chunks/*/CURRENT", "nertune/*.json"])
def test_torn_files_of_aim_are_made_anew(tmp_path: Path, files: str) -> None:
    database, study = new_record(tmp_path)
    complete(database, open_fit(database, study, new_cell(database, study), name="trial-0000"), dev=0.5)
    rebuild(tmp_path / "aim", storage=str(tmp_path / "nertune.db"))
    found = list((tmp_path / "aim" / ".aim").glob(files))
    assert found
    for path in found:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    rebuild(tmp_path / "aim", storage=str(tmp_path / "nertune.db"))
    assert read_aim(tmp_path / "aim")["trial-0000"]["parameters"]["state"] == "complete"


@pytest.mark.slow
def test_a_broken_aim_folder_stops_no_search_and_is_kept_aside(stub_study: Make) -> None:
    study = stub_study(space=SPACE, aim="logs")
    aim_of(study).mkdir(parents=True)
    (aim_of(study) / "VERSION").write_text("torn")
    refuse_stop(study, study.finish())
    aside = make_anew(study)
    assert aside == study.folder / "logs" / ".aim@1"
    assert (aside / "VERSION").read_text() == "torn"
    assert len(trials_in_aim(study)) == 4


@pytest.mark.slow
def test_a_locked_aim_folder_stops_no_search_and_is_not_taken_for_a_broken_one(stub_study: Make) -> None:
    study = stub_study(space=SPACE, aim="logs")
    open_database(str(study.folder / "nertune.db")).close()
    make_anew(study)
    with locked(study):
        refuse_stop(study, study.finish())
        with pytest.raises(UserError, match=r"database is locked(.|\n)*Wait for the command"):
            make_anew(study)
    assert make_anew(study) is None
    assert len(trials_in_aim(study)) == 4


@pytest.mark.slow
def test_a_full_disk_under_aim_stops_no_search(stub_study: Make) -> None:
    study = stub_study(space=SPACE, aim="logs")
    with SmallDisk(study.folder / "logs", size="300k") as disk:
        refuse_stop(study, study.finish(inside=disk.inside))
    make_anew(study)
    assert len(trials_in_aim(study)) == 4


@pytest.mark.slow
def test_an_aim_folder_deleted_amid_a_search_stops_nothing(stub_study: Make) -> None:
    study = stub_study(space=SPACE, aim="logs")
    process = study.start(seconds=2)
    wait_for(lambda: list(aim_of(study).glob("meta/chunks/*")))
    shutil.rmtree(aim_of(study), ignore_errors=True)  # the projector makes new files meanwhile
    process.communicate(timeout=120)
    assert (process.returncode, study.trials("state")) == (0, [("complete",)] * 4)
    make_anew(study)
    assert len(trials_in_aim(study)) == 4
