"""`nertune ui`: Aim's web UI over the runs, or Optuna's dashboard over the trials, until Ctrl-C."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from nertune.errors import NertuneError, UserError, Where, shown_path
from nertune.results.database import open_database
from nertune.spec.load import load_study
from nertune.track.aim_ui import start_server
from nertune.track.projector import rebuild

START_S = 60.0  # the first start on a slow disk
STOP_S = 5.0


def ui(
    log_dir: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 43800,
    rebuild_from: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the Aim runs of a folder until Ctrl-C.

    rebuild_from  a record's storage: its Aim runs are made anew first
    say           is given the address, once it answers
    Raises        UserError when the folder has no Aim runs, or the address cannot be had
    """
    check_address(host, port=port)
    if rebuild_from is not None:
        aside = rebuild(log_dir, storage=rebuild_from)
        if aside is not None:
            say(f"Aim's files were broken; they are in {shown_path(aside)} now, with other runs that were in them")
    if not (log_dir / ".aim").is_dir():
        raise UserError(
            "no Aim runs here (no folder .aim)",
            where=Where(log_dir),
            fix="Name the folder of track.aim, or a study file: nertune ui STUDY; --rebuild makes them from the record",
        )
    with tempfile.TemporaryFile() as output:
        server = start_server(log_dir, host=host, port=port, output=output)
        try:
            wait_for_server(server, host=host, port=port, output=output)
            say(f"Aim UI: http://{host}:{port}   (runs of {log_dir}; Ctrl-C ends it)")
            server.wait()
        except KeyboardInterrupt:
            say("Aim UI ended.")
        finally:
            stop(server)


def ui_of_study(
    study_file: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 43800,
    is_rebuilt: bool = False,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the Aim runs of a study's `track.aim`; see `ui`."""
    study = load_study(study_file)
    if study.track.aim is None:
        raise UserError(
            "track.aim is null, so there are no Aim runs",
            where=Where(study_file),
            fix=f"Write track: {{aim: logs}} there, then: nertune ui {study_file} --rebuild",
        )
    ui(study.track.aim, host=host, port=port, rebuild_from=study.storage if is_rebuilt else None, say=say)


def ui_of_optuna(
    study_file: Path, *, host: str = "127.0.0.1", port: int = 43800, say: Callable[[str], None] = print
) -> None:
    """Serve the Optuna dashboard over a copy of what a study's record holds now.

    say     is given the address, once it answers
    Raises  UserError when there is no record or no finished trial in it, the package is missing, or the address taken
    """
    if find_spec("optuna_dashboard") is None:
        raise UserError(
            "--optuna: the package optuna-dashboard is not installed",
            fix="pip install 'nertune[optuna-dashboard]'",
        )
    from nertune.search.dashboard import copy_view, make_dashboard  # Optuna takes a while

    storage = load_study(study_file).storage
    open_database(storage, must_exist=True).close()
    check_address(host, port=port)
    with tempfile.TemporaryDirectory(prefix="nertune-optuna-") as folder:
        copy = Path(folder) / "optuna.db"
        if not copy_view(storage, path=copy):
            raise UserError(
                "no trial is finished yet", where=Where(study_file), fix=f"nertune search {shown_path(study_file)}"
            )
        with make_dashboard(copy, host=host, port=port) as server:
            say(f"Optuna dashboard: http://{host}:{port}   (a copy, as the record is now; Ctrl-C ends it)")
            with suppress(KeyboardInterrupt):
                server.serve_forever()
            say("Optuna dashboard ended.")


def check_address(host: str, *, port: int) -> None:
    """Raise UserError when nothing can listen at this address."""
    try:
        with socket.create_server((host, port)):
            return
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        raise UserError(
            f"port {port} is in use" if is_taken else f"cannot listen on {host}:{port}: {error.strerror}",
            fix=f"nertune ui --port {port + 1 if is_taken else 43800}",
        ) from None


def wait_for_server(server: subprocess.Popen[bytes], *, host: str, port: int, output: IO[bytes]) -> None:
    """Return when the server answers. Raises NertuneError with its own last words when it ends or never does."""
    deadline = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((host, port), timeout=1.0):
            return
        time.sleep(0.1)
    output.seek(0)
    words = output.read().decode(errors="replace").strip().splitlines()[-5:]
    raise NertuneError("the Aim UI did not start:\n    " + "\n    ".join(words))


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server and its children: by the end of its standard input, or else by force."""
    assert server.stdin is not None
    server.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        server.wait(STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
