"""A study that an older version began goes on with this one."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from stub_study import StubStudy

from nertune.results.outcomes import SearchOutcome

KEPT = Path(__file__).parents[1] / "records"


@pytest.mark.parametrize("version", [folder.name for folder in sorted(KEPT.iterdir())])
def test_an_older_study_goes_on_where_it_stopped(
    stub_study: Callable[..., StubStudy], run_search: Callable[..., SearchOutcome], version: str
) -> None:
    """Its record, best.yaml and folder are as they were when its search was killed after two of four trials."""
    study = stub_study()
    shutil.copytree(KEPT / version, study.output)
    script = (study.output / "record.sql").read_text(encoding="utf-8").replace("@FOLDER@", str(study.folder))
    (study.output / "record.sql").unlink()
    with sqlite3.connect(study.folder / "nertune.db") as connection:
        connection.executescript(script)
    outcome = run_search(study, workers=1)
    assert [(cell.state, cell.attempts) for cell in outcome.cells] == [("complete", 1)] * 4
    assert outcome.best.number == 2
    assert study.trials("number") == [("0",), ("1",), ("2",), ("3",)]
