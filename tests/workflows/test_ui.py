from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from nertune.errors import UserError
from nertune.workflows.run_ui import ui, ui_of_study

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
