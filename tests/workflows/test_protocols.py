"""Studies of several fits a trial: the same course, files and continuation as any other."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from stub_study import StubStudy, kill

from nertune.errors import DataError, Problems, StudyConflictError
from nertune.results.outcomes import SearchOutcome

Make = Callable[..., StubStudy]
Run = Callable[..., SearchOutcome]
KFOLD = "protocol: {kfold: 3}"
GRID_8 = "{train.batch_size: [8, 16], train.learning_rate: [1e-4, 1e-5, 3e-4, 3e-5]}"


def test_a_killed_kfold_search_continues_with_whole_trials(stub_study: Make, run_search: Run) -> None:
    columns = ("number", "state", "train.learning_rate", "dev_f1", "dev_f1_sd", "dev_f1_1", "dev_f1_3")
    study, unbroken = stub_study(space=GRID_8, more=KFOLD), stub_study("unbroken", space=GRID_8, more=KFOLD)
    process = study.start(seconds=0.05, workers=1)
    while not _has_begun(study, trial=2, fold=2):
        time.sleep(0.02)
    kill(process)
    assert study.finish(workers=1).returncode == 0
    run_search(unbroken)
    assert study.trials(*columns) == unbroken.trials(*columns)
    assert len(study.trials()) == 8
    assert study.trials("attempts")[:4] == [("1",), ("1",), ("2",), ("1",)]


def _has_begun(study: StubStudy, *, trial: int, fold: int) -> bool:
    """Whether a fold of a trial (of the first attempts) was evaluated once."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(study.folder / "nertune.db")) as record:
        query = "SELECT count(*) FROM nertune_steps WHERE run_id = ? AND split = ?"
        return bool(record.execute(query, (trial + 1, f"dev_{fold}")).fetchone()[0])
    return False


def test_the_table_and_its_file_show_the_spread_over_the_fits(
    stub_study: Make, run_search: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from nertune.report.results import show_search

    study = stub_study(more="protocol: {repeat: 3}")
    outcome = run_search(study)
    show_search(outcome, then="", again="")
    assert "± 0.0010 (mean ± sd over 3 repeats)" in capsys.readouterr().out
    mean, sd, *single = (
        float(value) for value in study.trials("dev_f1", "dev_f1_sd", "dev_f1_1", "dev_f1_2", "dev_f1_3")[0]
    )
    assert mean == pytest.approx(sum(single) / 3)
    assert sd == pytest.approx(0.001)


def test_a_study_of_folds_needs_no_dev(stub_study: Make, run_search: Run) -> None:
    study = stub_study(more="protocol: {kfold: 2}")
    (study.folder / "data" / "dev.txt").unlink()
    assert run_search(study).finished
    with pytest.raises(Problems, match="no file for dev"):
        run_search(study, edits=["protocol=holdout"])


def test_another_protocol_is_another_study_but_not_another_end(stub_study: Make, run_search: Run) -> None:
    study = stub_study(more=KFOLD)
    first = run_search(study)
    assert run_search(study, edits=["protocol.final=average"]).cells == first.cells
    with pytest.raises(StudyConflictError, match=r"protocol\.kfold \(3 → 2\)"):
        run_search(study, edits=["protocol.kfold=2"])


def test_more_folds_than_texts_are_refused_at_their_line_before_anything_is_written(
    stub_study: Make, run_search: Run
) -> None:
    study = stub_study(more="protocol:\n  kfold: 9")
    with pytest.raises(
        DataError, match=r"s\.yaml:9: protocol\.kfold asks for 9 folds, but there are 3 different texts"
    ):
        run_search(study)
    assert not Path(study.output).exists()
