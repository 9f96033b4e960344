"""Studies whose fits are stub jobs of milliseconds."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from nertune.report.progress import Quiet

HERE = Path(__file__).parent
PROGRAM = HERE / "stub_search.py"
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

    def __init__(self, folder: Path, *, name: str = "s", space: str = GRID_4, more: str = "", search: str = "") -> None:
        self.folder = folder
        self.name = name
        self.path = folder / f"{name}.yaml"
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "train.txt").write_text("Anna\tB-Person\nsings\tO\n\nBob\tB-Person\n")
        (folder / "data" / "dev.txt").write_text("Clara\tB-Person\n")
        self.write(space=space, more=more, search=search)

    def write(self, *, space: str = GRID_4, more: str = "", search: str = "") -> None:
        self.path.write_text(
            "task: token\ndata: {dir: data}\nmodel: {base: nobody/none}\ntrack: {aim: null}\n"
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

    def start(self, *, seconds: float = 0.002, **keywords: Any) -> subprocess.Popen[str]:
        """The search as a process of its own."""
        environment = os.environ | {"STUB_SECONDS": str(seconds), "STUB_FAULTS": str(self.folder)}
        return subprocess.Popen(
            [sys.executable, str(PROGRAM), str(self.path), json.dumps(keywords)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def finish(self, **keywords: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(**keywords)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def processes_in_session(session: int) -> list[int]:
    """Living processes whose environment or ancestry is of this session, by /proc; empty where there is none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()
