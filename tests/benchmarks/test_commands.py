"""Programs of the sides: what they say when they fail, and that none is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commands import SideError, started, timed, wait_until


def test_side_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys; print('no memory left', file=sys.stderr); sys.exit(3)"
    with pytest.raises(SideError, match=r"exit code 3.*\n.*no memory left"):
        timed("nertune", [sys.executable, "-c", code], folder=tmp_path)


def test_program_runs_in_its_folder_and_is_ended_with_the_block(tmp_path: Path) -> None:
    code = "import time; open('here', 'w').close(); time.sleep(60)"
    with started([sys.executable, "-c", code], folder=tmp_path) as process:
        wait_until((tmp_path / "here").exists, side="it", process=process, folder=tmp_path)
    assert process.returncode == -9


def test_program_that_ends_before_it_did_what_is_awaited_is_an_error(tmp_path: Path) -> None:
    with started([sys.executable, "-c", ""], folder=tmp_path) as process, pytest.raises(SideError, match="it ended"):
        wait_until(lambda: False, side="it", process=process, folder=tmp_path)


def test_programs_may_keep_what_they_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    timed("it", [sys.executable, "-c", "import sys; sys.exit(sys.dont_write_bytecode)"], folder=tmp_path)
