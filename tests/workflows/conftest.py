"""Fixtures: stub studies, and the search workflow over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from stub_study import HERE, StubStudy

from nertune.execute.executor import JobCode
from nertune.report.progress import Quiet
from nertune.results.outcomes import SearchOutcome
from nertune.workflows import opening
from nertune.workflows.run_search import search


@pytest.fixture
def stub_study(tmp_path: Path) -> Callable[..., StubStudy]:
    def make(name: str = "s", **parts: str) -> StubStudy:
        folder = tmp_path / name
        folder.mkdir()
        return StubStudy(folder, name=name, **parts)

    return make


@pytest.fixture
def run_search(monkeypatch: pytest.MonkeyPatch) -> Callable[..., SearchOutcome]:
    """The search workflow in this process, its workers running stub jobs."""
    code = JobCode(function="stub_fits:run_job", extra_path=(str(HERE),))
    monkeypatch.setattr(opening, "JOB_CODE", code)
    monkeypatch.setattr(opening, "modelling_code", lambda base: ())

    def run(study: StubStudy, *, edits: Sequence[str] = (), progress: Any = None, **keywords: Any) -> SearchOutcome:
        monkeypatch.setenv("STUB_FAULTS", str(study.folder))
        return search(study.path, progress=progress or Quiet(), edits=edits, **keywords)

    return run
