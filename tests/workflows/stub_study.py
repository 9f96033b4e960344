"""Studies whose fits are stub jobs of milliseconds."""

from __future__ import annotations

import csv
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from nertune.report.progress import Quiet

HERE = Path(__file__).parent
PROGRAM = HERE / "stub_search.py"
MARK = "STUB_FAULTS"  # in the environment of all that a study starts: its folder
RATES = "[1e-3, 1e-4, 1e-5, 1e-6, 3e-3, 3e-4, 3e-5, 3e-6, 5e-3, 5e-4]"
GRID_40 = f"{{train.batch_size: [8, 16, 32, 64], train.learning_rate: {RATES}}}"
GRID_4 = "{train.batch_size: [8, 16], train.learning_rate: [1e-4, 1e-5]}"


class Heard(Quiet):
    """A display that remembers what was said and what ended."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.outcomes: list[tuple[int, str, str]] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def ended(self, cell: Any, how: Any) -> None:
        super().ended(cell, how)
        self.outcomes.append((cell.number, how.attempt, cell.state))


class StubStudy:
    """A study in a folder of its own, with data of three sentences."""

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "s",
        space: str = GRID_4,
        more: str = "",
        search: str = "",
        aim: str = "null",
    ) -> None:
        self.folder = folder
        self.name = name
        self.path = folder / f"{name}.yaml"
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "train.txt").write_text("Anna\tB-Person\nsings\tO\n\nBob\tB-Person\n")
        (folder / "data" / "dev.txt").write_text("Clara\tB-Person\n")
        self.write(space=space, more=more, search=search, aim=aim)

    def write(self, *, space: str = GRID_4, more: str = "", search: str = "", aim: str = "null") -> None:
        self.path.write_text(
            f"task: token\ndata: {{dir: data}}\nmodel: {{base: nobody/none}}\ntrack: {{aim: {aim}}}\n"
            f"search:\n  space: {space}\n{search}\n{more}\n"
        )

    @property
    def output(self) -> Path:
        return self.folder / "runs" / self.name

    def trials(self, *columns: str) -> list[tuple[str, ...]]:
        """Rows of trials.csv, these columns only."""
        wanted = columns or ("number", "state", "train.batch_size", "train.learning_rate", "dev_f1")
        with (self.output / "trials.csv").open() as stream:
            return [tuple(row[column] for column in wanted) for row in csv.DictReader(stream)]

    def start(
        self, *words: object, seconds: float = 0.002, workers: int = 1, inside: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """The search as a process of its own.

        words   more words of the command line
        inside  a command that runs the search as its own words say (`nsenter …`)
        """
        environment = os.environ | {"STUB_SECONDS": str(seconds), MARK: str(self.folder)}
        return subprocess.Popen(
            [
                *inside,
                sys.executable,
                str(PROGRAM),
                "search",
                str(self.path),
                "--workers",
                str(workers),
                "--no-report",
                *map(str, words),
            ],
            **{
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "start_new_session": True,
                "preexec_fn": hear_signals,
                **options,
            },
            text=True,
            env=environment,
        )

    def finish(self, *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, **options)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def processes(self) -> list[psutil.Process]:
        """All that live of what this study started: coordinators, templates, workers, those who follow the record.

        They are known by their environment, so that those count, too, which left session, group and parent behind.
        """
        return [process for process in psutil.process_iter() if self._is_mine(process)]

    def _is_mine(self, process: psutil.Process) -> bool:
        try:
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            return not is_dead and process.pid != os.getpid() and process.environ().get(MARK) == str(self.folder)
        except psutil.Error:
            return False

    def workers(self) -> list[psutil.Process]:
        """The worker processes: children of a template."""
        mine = self.processes()
        templates = {process.pid for process in mine if is_template(process)}
        return [process for process in mine if parent_of(process) in templates]

    def record(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the study's database."""
        with closing(sqlite3.connect(self.folder / "nertune.db")) as connection:
            return connection.execute(query).fetchall()

    def n_complete(self) -> int:
        """Cells that have their outcome by now."""
        try:
            return int(self.record("SELECT count(*) FROM nertune_cells WHERE state = 'complete'")[0][0])
        except sqlite3.OperationalError:  # there is no record yet
            return 0


def is_template(process: psutil.Process) -> bool:
    """Whether this is a template and no worker, which has the same words."""
    try:
        return "nertune.execute.template" in process.cmdline() and not _is_worker(process)
    except psutil.Error:
        return False


def _is_worker(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and "nertune.execute.template" in parent.cmdline()


def parent_of(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def wait_for(is_true: Callable[[], object], *, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def hear_signals() -> None:
    """As a program of a terminal does, also where the tests themselves run under nohup or in the background."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
