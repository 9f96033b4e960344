from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import optuna
import pytest

from nertune.errors import UserError
from nertune.results.database import open_database
from nertune.workflows import run_ui
from nertune.workflows.run_ui import ui, ui_of_optuna, ui_of_study

SERVE = """
import sys
from pathlib import Path
from nertune.results.database import open_database
from nertune.workflows.run_ui import ui
storage = sys.argv[1] + "/nertune.db"
open_database(storage).close()
ui(Path(sys.argv[1]) / "logs", port=int(sys.argv[2]), rebuild_from=storage, say=lambda line: print(line, flush=True))
"""


def test_a_folder_without_aim_runs_is_refused_and_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Aim runs here"):
        ui(tmp_path, port=free_port())
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_told_with_another_one_to_try(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} is in use\n.*--port {port + 1}"):
            ui(tmp_path, port=port)


def test_a_study_without_tracking_has_no_ui(tmp_path: Path) -> None:
    study = tmp_path / "tiny.yaml"
    study.write_text("nertune: 1\ntask: token\ndata: {dir: data}\nmodel: {base: base}\ntrack: {aim: null}\n")
    with pytest.raises(UserError, match="so there are no Aim runs"):
        ui_of_study(study)


def test_without_the_package_the_optuna_dashboard_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_ui, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"optuna-dashboard is not installed\n.*pip install 'nertune\[optuna-dashboard\]'"
    ):
        ui_of_optuna(tmp_path / "tiny.yaml")


def test_before_the_search_there_is_no_optuna_dashboard(tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="the package optuna-dashboard is not installed")
    study = tmp_path / "tiny.yaml"
    study.write_text("nertune: 1\ntask: token\ndata: {dir: data}\nmodel: {base: base}\n")
    with pytest.raises(UserError, match="there is no record yet"):
        ui_of_optuna(study)
    open_database(str(tmp_path / "nertune.db")).close()
    with pytest.raises(UserError, match="no trial is finished yet"):
        ui_of_optuna(study, port=free_port())


@pytest.mark.slow
def test_the_optuna_dashboard_answers_and_leaves_nothing_behind_on_ctrl_c(tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="the package optuna-dashboard is not installed")
    study, port = tmp_path / "tiny.yaml", free_port()
    study.write_text("nertune: 1\ntask: token\ndata: {dir: data}\nmodel: {base: base}\n")
    open_database(str(tmp_path / "nertune.db")).close()
    optuna.create_study(study_name="tiny", storage=f"sqlite:///{tmp_path / 'nertune.db'}")
    (tmp_path / "temporary").mkdir()
    command = [sys.executable, "-m", "nertune.cli", "ui", str(study), "--optuna", "--port", str(port)]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    assert f"http://127.0.0.1:{port}" in server.stdout.readline()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as answer:
        assert b"tiny" in answer.read()
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=15) == 0
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.slow
def test_the_ui_answers_talks_to_nobody_else_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-c", SERVE, str(tmp_path), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert f"http://127.0.0.1:{port}" in server.stdout.readline()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
        assert page.headers["content-security-policy"].startswith("default-src 'self'")
    server.send_signal(signal.SIGINT)
    assert server.wait(timeout=15) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
