"""The coordinator's side: whatever becomes of the process, nothing is raised and nobody waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from recording import new_record, projector_of, wait_until

from nertune.errors import UserError
from nertune.track import projector as projector_module
from nertune.track.projector import Program, rebuild

COORDINATOR = """
import sys, time
from pathlib import Path
from recording import projector_of
projector = projector_of(Path(sys.argv[1]))
projector.start()
print(projector.pid, flush=True)
time.sleep(600)
"""


def aim_running(code: str) -> Program:
    return replace(projector_module.AIM, command=(sys.executable, "-c", code))


def test_the_coordinator_and_the_ui_never_import_aim_or_wandb() -> None:
    tracking = ("projector", "aim", "aim_ui", "wandb")
    modules = ", ".join([*(f"nertune.track.{name}" for name in tracking), "nertune.workflows.run_ui"])
    program = f"import sys, {modules}; sys.exit(bool({{'aim', 'wandb'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_folder_that_cannot_be_made_raises_nothing_and_is_explained_in_the_log(tmp_path: Path) -> None:
    new_record(tmp_path)
    (tmp_path / "file").write_text("")
    projector = projector_of(tmp_path, aim=tmp_path / "file" / "aim")
    projector.start()
    assert projector.finish() is False
    assert projector.trouble is not None
    assert "NotADirectoryError" in (tmp_path / "logs" / "aim.log").read_text()


def test_a_log_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    projector = projector_of(tmp_path)
    projector.start()
    projector.check()
    assert projector.finish() is False
    assert projector.trouble is not None
    assert "Aim runs are not written" in projector.trouble


def test_a_projector_that_keeps_dying_is_started_four_times_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector_module, "RESTART_AFTER_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(projector_module, "AIM", aim_running("print('started')"))
    projector = projector_of(tmp_path)
    projector.start()
    wait_until(lambda: projector.check() or projector.trouble)
    assert (tmp_path / "logs" / "aim.log").read_text() == "started\n" * 4


def test_a_projector_that_died_is_not_restarted_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector_module, "AIM", aim_running("pass"))
    projector = projector_of(tmp_path)
    projector.start()
    first = projector.pid
    wait_until(lambda: not projector.is_alive)
    projector.check()
    assert projector.pid == first


def test_a_projector_that_hangs_is_killed_when_the_time_is_up(tmp_path: Path) -> None:
    new_record(tmp_path)
    projector = projector_of(tmp_path)
    projector.start()
    assert projector.pid is not None
    os.kill(projector.pid, signal.SIGSTOP)
    started = time.monotonic()
    assert projector.finish(timeout_s=0.2) is False
    assert time.monotonic() - started < 1.0
    assert not projector.is_alive


def test_the_projector_ends_when_its_coordinator_is_killed(tmp_path: Path) -> None:
    new_record(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-c", COORDINATOR, str(tmp_path)]
    coordinator = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert coordinator.stdout is not None
    pid = int(coordinator.stdout.readline())
    coordinator.kill()
    coordinator.wait()
    wait_until(lambda: not is_running(pid))


def test_runs_that_cannot_be_made_anew_are_the_users_business(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no record yet"):
        rebuild(tmp_path / "aim", storage=str(tmp_path / "missing.db"))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
