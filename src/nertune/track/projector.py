"""The coordinator's side of tracking: it starts a process that follows the record, and never waits for it long.

Aim itself is not imported here: on a full disk it keeps its process from ever exiting (design, section 4).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from nertune.errors import UserError, Where, shown_path
from nertune.results.database import open_database
from nertune.track.silent import Silent

RESTART_AFTER_S = (1.0, 10.0, 60.0)  # one pause for each restart; after the last the search goes on untracked

AIM_COMMAND = [sys.executable, "-m", "nertune.track.aim"]


class Tracker(Protocol):
    """Who is told about a study while it runs. No method raises, and none blocks longer than it says.

    trouble  None, or a line for the user: why the others are not told any more
    """

    trouble: str | None

    def start(self) -> None:
        """Begin to follow the record."""

    def check(self) -> None:
        """Called now and then: keeps the tracker going."""

    def finish(self, *, timeout_s: float = 5.0) -> bool:
        """Tell what is left and end, in about `timeout_s` at most; whether everything was told."""


class Projector:
    """The process that writes a study's Aim runs (`nertune.track.aim`), restarted at most three times.

    folder   the Aim repository is `folder/.aim`; made when missing
    storage  of the record: a SQLite file or a database URL
    log      where the process writes its messages
    """

    def __init__(self, folder: Path, *, storage: str, study: str, log: Path, poll_s: float = 1.0) -> None:
        self.log = log
        self.trouble: str | None = None
        self._order: dict[str, Any] = {
            "storage": storage,
            "study": study,
            "folder": str(folder.absolute()),
            "poll_s": poll_s,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._restarts = 0
        self._died_at: float | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._died_at = None
        try:
            self._process = start_aim(self._order, log=self.log)
            self.trouble = None
        except OSError as error:  # no room for the log, no process to be had
            self._process = None
            self.trouble = f"Aim runs are not written: {error.strerror}"

    def check(self) -> None:
        """Start the process again when it died, a little later each time."""
        if self.is_alive:
            return
        now = time.monotonic()
        self._died_at = now if self._died_at is None else self._died_at
        if self._restarts == len(RESTART_AFTER_S):
            self.trouble = f"Aim runs are not written any more; see {shown_path(self.log)}"
        elif now - self._died_at >= RESTART_AFTER_S[self._restarts]:
            self._restarts += 1
            self.start()

    def finish(self, *, timeout_s: float = 5.0) -> bool:
        process = self._process
        if process is None:
            return False
        _hang_up(process)
        try:
            is_told = process.wait(timeout_s) == 0
        except subprocess.TimeoutExpired:
            is_told = False
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # in an uninterruptible write it dies when that ends
                process.wait(0.5)
        if not is_told:
            self.trouble = (
                "Some Aim runs are not written yet; the next command, or `nertune ui STUDY --rebuild`, writes them. "
                f"The reason is in {shown_path(self.log)}"
            )
        return is_told


def open_tracker(folder: Path | None, *, storage: str, study: str, log: Path) -> Tracker:
    """The tracker of a study: Aim runs below `folder`, or none when it is None (`track.aim: null`)."""
    return Silent() if folder is None else Projector(folder, storage=storage, study=study, log=log)


def rebuild(folder: Path, *, storage: str) -> None:
    """Make the Aim runs of every study of a record anew; other runs in the folder stay.

    Raises  UserError when there is no record, a study is running, or the folder cannot be written
    """
    open_database(storage, must_exist=True).close()
    order = json.dumps({"storage": storage, "folder": str(folder.absolute()), "rebuild": True})
    ended = subprocess.run(AIM_COMMAND, input=order + "\n", text=True, capture_output=True, env=aim_environment())
    if ended.returncode != 0:
        reason = ended.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UserError(
            f"the Aim runs cannot be made anew: {reason[0]}",
            where=Where(folder),
            fix="Wait for the command that is running, or end it; then give the same command again",
        )


def aim_environment() -> dict[str, str]:
    """The environment of processes that import Aim: one thread each, the usual name of its folder."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "__AIM_REPO_NAME__": ".aim"}


def start_aim(order: Mapping[str, Any], *, log: Path) -> subprocess.Popen[bytes]:
    """A process of `nertune.track.aim` with its order; a byte more or the end of its standard input ends it.

    The order goes through the pipe because a database URL may hold a password, and arguments are public.
    Raises  OSError when there is no process or log file to be had
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            AIM_COMMAND,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            env=aim_environment(),
            start_new_session=True,  # Ctrl-C in the terminal is the coordinator's business
        )
    assert process.stdin is not None
    with suppress(OSError):  # it died at once: is_alive tells
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
    return process


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    """A byte and the end of the pipe: the byte counts where a forked process still holds the pipe open."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.write(b"\n")
    with suppress(OSError):
        process.stdin.close()
