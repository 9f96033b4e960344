"""Workers import for seconds: they begin early, and what else there is to do is done meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from stub_study import StubStudy

from nertune.errors import NertuneError, StudyConflictError, UserError
from nertune.execute import launch
from nertune.execute.processes import ProcessesExecutor
from nertune.report.progress import Quiet
from nertune.workflows import opening, run_best_and_train, run_search
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


def errands(order: list[str]) -> Iterator[None]:
    """Something to do meanwhile that never ends."""
    while True:
        order.append("meanwhile")
        yield


def one_by_one(order: list[str]) -> list[str]:
    """What happened, each told once for as often as it came in a row."""
    return [event for event, _ in groupby(order)]


def test_a_search_starts_workers_first_and_is_not_late_for_them(
    stub_study: Make, run_search: Run, order: list[str]
) -> None:
    run_search(stub_study(), meanwhile=errands(order))  # and ends: a worker that is ready is not kept waiting
    assert one_by_one(order) == ["workers", "data", "look", "meanwhile"]


def test_faulty_data_are_told_before_anything_else_is_done_meanwhile(
    stub_study: Make, run_search: Run, order: list[str]
) -> None:
    study = stub_study()
    (study.folder / "data" / "dev.txt").write_text("Clara\tB-Person\nBob\n")
    with pytest.raises(UserError, match=r"dev\.txt:2"):
        run_search(study, meanwhile=errands(order))
    assert order == ["workers", "data"]


def test_the_first_best_and_train_starts_workers_before_it_reads_the_data(
    stub_study: Make, run_search: Run, order: list[str]
) -> None:
    look_at_seeds(searched(stub_study, run_search), order)
    assert one_by_one(order) == ["workers", "data", "look", "meanwhile"]


def test_after_that_there_may_be_nothing_to_fit_and_workers_are_started_when_there_is(
    stub_study: Make, run_search: Run, order: list[str]
) -> None:
    study = searched(stub_study, run_search)
    (study.output / "summary.json").write_text("{}")
    look_at_seeds(study, order)
    assert one_by_one(order) == ["data", "workers", "look", "meanwhile"]


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
        best_and_train(study.path, progress=Quiet(), meanwhile=errands(order))


def searched(stub_study: Make, run_search: Run) -> StubStudy:
    study = stub_study()
    run_search(study)
    (study.folder / "data" / "test.txt").write_text("Dora\tB-Person\n")
    return study


def test_libraries_of_a_report_are_imported_when_they_are_needed_or_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys; from nertune.workflows import run_report;"
        "heavy = {'matplotlib', 'sklearn'}; assert not heavy & set(sys.modules);"
        "assert len(list(run_report.import_libraries())) > 1; assert heavy <= set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


@pytest.mark.parametrize("command", ["search", "best-and-train", "check"])
def test_a_command_with_workers_has_them_begin_before_it_reads_the_study(
    command: str, nertune: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    began: list[str] = []

    @contextmanager
    def launched() -> Iterator[None]:
        began.append("import")
        yield
        began.append("end")

    def load(path: Path, **_: Any) -> Any:
        began.append("read")
        raise UserError(f"{path} is faulty")

    monkeypatch.setattr(launch, "launched_ahead", launched)
    monkeypatch.setattr(opening, "load_study", load)
    (tmp_path / "study.yaml").write_text("name: x\n")
    code, _, told = nertune(command, "study.yaml")
    assert (code, told.strip()) == (2, "study.yaml is faulty")
    assert began == ["import", "read"]


def test_of_a_faulty_study_no_process_is_left(
    nertune: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def noted(*arguments: Any, **options: Any) -> Any:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(launch.subprocess, "Popen", noted)
    (tmp_path / "study.yaml").write_text("nonsense: 1\n")
    assert nertune("search", "study.yaml")[0] == 2
    assert [process.poll() for process in started] == [-signal.SIGKILL]
