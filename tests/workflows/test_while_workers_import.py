"""Workers import for seconds: what else there is to do is done meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stub_study import StubStudy

from nertune.errors import NertuneError, StudyConflictError, UserError
from nertune.execute.processes import ProcessesExecutor
from nertune.report.progress import Quiet
from nertune.workflows import run_best_and_train, run_search
from nertune.workflows.run_best_and_train import best_and_train

Make = Callable[..., StubStudy]
Run = Callable[..., Any]


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened: workers were started, data were read, workers were asked for the first thing."""
    happened: list[str] = []

    def noted(owner: Any, name: str, event: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            happened.append(event)
            return original(*arguments, **keywords)

        monkeypatch.setattr(owner, name, call)

    noted(ProcessesExecutor, "start", "workers")
    for workflow in (run_search, run_best_and_train):
        noted(workflow, "read_data", "data")
        noted(workflow, "look_at_model", "look")
    return happened


def test_a_search_starts_workers_first_and_asks_them_last(stub_study: Make, run_search: Run, order: list[str]) -> None:
    run_search(stub_study(), meanwhile=lambda: order.append("meanwhile"))
    assert order == ["workers", "data", "meanwhile", "look"]


def test_faulty_data_are_told_before_anything_else_is_done_meanwhile(
    stub_study: Make, run_search: Run, order: list[str]
) -> None:
    study = stub_study()
    (study.folder / "data" / "dev.txt").write_text("Clara\tB-Person\nBob\n")
    with pytest.raises(UserError, match=r"dev\.txt:2"):
        run_search(study, meanwhile=lambda: order.append("meanwhile"))
    assert order == ["workers", "data"]


def test_the_first_best_and_train_starts_workers_before_it_reads_the_data(
    stub_study: Make, run_search: Run, order: list[str]
) -> None:
    look_at_seeds(searched(stub_study, run_search), order)
    assert order == ["workers", "data", "meanwhile", "look"]


def test_after_that_there_may_be_nothing_to_fit_and_workers_are_started_when_there_is(
    stub_study: Make, run_search: Run, order: list[str]
) -> None:
    study = searched(stub_study, run_search)
    (study.output / "summary.json").write_text("{}")
    look_at_seeds(study, order)
    assert order == ["data", "workers", "meanwhile", "look"]


def test_of_a_study_that_was_not_searched_no_worker_is_started(stub_study: Make, order: list[str]) -> None:
    study = stub_study()
    (study.folder / "data" / "test.txt").write_text("Dora\tB-Person\n")
    with pytest.raises(StudyConflictError, match="has not been searched yet"):
        best_and_train(study.path, progress=Quiet())
    assert order == ["data"]


def look_at_seeds(study: StubStudy, order: list[str]) -> None:
    """Best-and-train up to where it looks at the model: stub jobs know of no seeds."""
    order.clear()
    with pytest.raises(NertuneError):
        best_and_train(study.path, progress=Quiet(), meanwhile=lambda: order.append("meanwhile"))


def searched(stub_study: Make, run_search: Run) -> StubStudy:
    study = stub_study()
    run_search(study)
    (study.folder / "data" / "test.txt").write_text("Dora\tB-Person\n")
    return study


def test_libraries_of_a_report_are_imported_when_they_are_needed_or_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys; from nertune.workflows import run_report;"
        "heavy = {'matplotlib', 'sklearn'}; assert not heavy & set(sys.modules);"
        "run_report.import_libraries(); assert heavy <= set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
