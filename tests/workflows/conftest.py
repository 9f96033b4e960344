"""Fixtures: stub studies, and the search workflow over them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from stub_study import HERE, MARK, StubStudy

from nertune.execute.executor import JobCode
from nertune.report.progress import Quiet
from nertune.results.outcomes import SearchOutcome
from nertune.workflows import opening
from nertune.workflows.run_search import search


@pytest.fixture
def stub_study(tmp_path: Path) -> Iterator[Callable[..., StubStudy]]:
    """Makes stub studies. After the test none of them may have left a process behind."""
    made = []

    def make(name: str = "s", **parts: str) -> StubStudy:
        folder = tmp_path / name
        folder.mkdir()
        made.append(StubStudy(folder, name=name, **parts))
        return made[-1]

    yield make
    for study in made:
        refuse_orphans(study)


def refuse_orphans(study: StubStudy) -> None:
    """The moment that a process needs to see that its coordinator is gone is given; then it is one too many."""
    deadline = time.monotonic() + 20
    while (left := study.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    assert left == []


@pytest.fixture
def run_search(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SearchOutcome]:
    """The search workflow in this process, its workers running stub jobs."""
    code = JobCode(function="stub_fits:run_job", extra_path=(str(HERE),))
    monkeypatch.setattr(opening, "JOB_CODE", code)
    monkeypatch.setattr(opening, "modelling_code", lambda base: ())

    def run(study: StubStudy, *, edits: Sequence[str] = (), progress: Any = None, **keywords: Any) -> SearchOutcome:
        monkeypatch.setenv(MARK, str(study.folder))
        return search(study.path, progress=progress or Quiet(), edits=edits, **keywords)

    return run
