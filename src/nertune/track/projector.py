"""The coordinator's side of tracking: it starts processes that follow the record, and never waits for them long.

Neither Aim nor wandb is imported here: on a full disk Aim keeps its process from ever exiting (design, section 4).
"""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from nertune.errors import StudyFileError, UserError, Where, shown_path
from nertune.results.database import open_database
from nertune.results.layout import StudyFolder
from nertune.spec.study import TrackSpec
from nertune.track.several import Several
from nertune.track.silent import Silent

RESTART_AFTER_S = (1.0, 10.0, 60.0)  # one pause for each restart; after the last the search goes on untracked
AIM_FILES = ".aim"
# What is said when Aim's files are in use or cannot be written, though they may be whole.
NOT_BROKEN = re.compile(
    r"\block(ed)?\b|is running|UI is open|no space left|is full|permission denied|read-only", re.IGNORECASE
)
PROJECT_NAME = re.compile(r"[^/\\#?%:]{1,128}")  # as W&B takes it


@dataclass(frozen=True)
class Program:
    """A process that tells somebody of a study's runs.

    runs         what it writes, for messages
    later        what writes those that it could not, for messages
    finish_s     how long the coordinator waits for it at the end
    environment  what its process has besides the coordinator's variables
    """

    runs: str
    command: tuple[str, ...]
    later: str
    finish_s: float
    environment: Mapping[str, str] = field(default_factory=dict)


AIM = Program(
    "Aim runs",
    (
        sys.executable,
        "-P",
        "-m",
        "nertune.track.aim",
    ),  # -P: a file `aim.py` or a folder `wandb` of the user's is not the package
    later="the next command, or `nertune ui STUDY --rebuild`, writes them",
    finish_s=5.0,
    environment={
        "OMP_NUM_THREADS": "1",
        "__AIM_REPO_NAME__": AIM_FILES,
        "PYTHONSAFEPATH": "1",  # a file `aim.py` of the user's is not the package, also for what Aim itself starts
    },
)
WANDB = Program(
    "W&B runs",
    (sys.executable, "-P", "-m", "nertune.track.wandb"),  # -P: a folder `wandb` of the user's is not the package
    later="the next search or best-and-train that fits something sends them",
    finish_s=30.0,  # over the network
    environment={
        # Only what the record says is sent: nothing of this machine, the user's other files, or how wandb is used.
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_HOST": "",
        "WANDB_CONSOLE": "off",
        "WANDB_DISABLE_CODE": "true",
        "WANDB_DISABLE_GIT": "true",
        "WANDB__DISABLE_META": "true",
        "WANDB__DISABLE_STATS": "true",
        "WANDB__DISABLE_MACHINE_INFO": "true",
        "WANDB__SAVE_REQUIREMENTS": "false",
    },
)


class Tracker(Protocol):
    """Who is told about a study while it runs. No method raises, and none blocks longer than it says.

    trouble  None, or a line for the user: why the others are not told any more
    """

    @property
    def trouble(self) -> str | None: ...

    def start(self) -> None:
        """Begin to follow the record."""

    def check(self) -> None:
        """Called now and then: keeps the tracker going."""

    def finish(self, *, timeout_s: float | None = None) -> bool:
        """Tell what is left and end, in about `timeout_s` at most (None: as it needs); whether everything was told."""


class Projector:
    """A process that follows the record, restarted at most three times.

    order  `storage` (a SQLite file or a database URL) and `study` name what it follows, `folder` is where it writes
    log    where the process writes its messages
    """

    def __init__(self, program: Program, *, order: Mapping[str, Any], log: Path) -> None:
        self.log = log
        self.trouble: str | None = None
        self._program = program
        self._order = order
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
            self._process = start_process(self._program, order=self._order, log=self.log)
            self.trouble = None
        except OSError as error:  # no room for the log, no process to be had
            self._process = None
            self.trouble = f"{self._program.runs} are not written: {error.strerror}"

    def check(self) -> None:
        """Start the process again when it died, a little later each time."""
        if self.is_alive:
            return
        now = time.monotonic()
        self._died_at = now if self._died_at is None else self._died_at
        if self._restarts == len(RESTART_AFTER_S):
            self.trouble = f"{self._program.runs} are not written any more; see {shown_path(self.log)}"
        elif now - self._died_at >= RESTART_AFTER_S[self._restarts]:
            self._restarts += 1
            self.start()

    def finish(self, *, timeout_s: float | None = None) -> bool:
        process = self._process
        if process is None:
            return False
        _hang_up(process)
        try:
            is_told = process.wait(self._program.finish_s if timeout_s is None else timeout_s) == 0
        except subprocess.TimeoutExpired:
            is_told = False
            process.kill()
            with suppress(subprocess.TimeoutExpired):  # in an uninterruptible write it dies when that ends
                process.wait(0.5)
        if not is_told:
            self.trouble = (
                f"Some {self._program.runs} are not written yet; {self._program.later}. "
                f"The reason is in {shown_path(self.log)}"
            )
        return is_told


def open_tracker(track: TrackSpec, *, storage: str, study: str, folder: StudyFolder) -> Tracker:
    """Who is told of a study: Aim below `track.aim`, the project `track.wandb`, both, or nobody."""
    trackers: list[Tracker] = []
    if track.aim is not None:
        trackers.append(aim_projector(track.aim, storage=storage, study=study, log=folder.logs / "aim.log"))
    if track.wandb is not None and os.environ.get("WANDB_MODE") != "disabled":
        trackers.append(wandb_projector(track.wandb, storage=storage, study=study, folder=folder))
    return Several(trackers) if len(trackers) > 1 else trackers[0] if trackers else Silent()


def aim_projector(folder: Path, *, storage: str, study: str, log: Path, poll_s: float = 1.0) -> Projector:
    """What writes a study's Aim runs; the repository is `folder/.aim`, made when missing."""
    order = {"storage": storage, "study": study, "folder": str(folder.absolute()), "poll_s": poll_s}
    return Projector(AIM, order=order, log=log)


def wandb_projector(project: str, *, storage: str, study: str, folder: StudyFolder, poll_s: float = 1.0) -> Projector:
    """What sends a study's runs to a project of Weights & Biases; its own files are in `OUTPUT/wandb`."""
    root = str(folder.root.absolute())
    order = {"storage": storage, "study": study, "folder": root, "project": project, "poll_s": poll_s}
    return Projector(WANDB, order=order, log=folder.logs / "wandb.log")


def tracking_problems(track: TrackSpec) -> list[UserError]:
    """What keeps a study from being tracked as it says, seen before anything starts."""
    if track.wandb is None:
        return []
    problems: list[UserError] = []
    if not PROJECT_NAME.fullmatch(track.wandb):
        problems.append(
            StudyFileError(
                f"track.wandb: {track.wandb!r} is no name of a project: at most 128 characters, none of / \\ # ? % :",
                fix="Write the project alone; the team is named by WANDB_ENTITY=TEAM in the environment",
            )
        )
    try:
        version("wandb")  # not by looking for the module: wandb itself makes folders of this name
    except PackageNotFoundError:
        problems.append(
            StudyFileError(
                "track.wandb: the package wandb is not installed",
                fix="pip install 'nertune[wandb]', or write track: {wandb: null}",
            )
        )
    return problems


def rebuild(folder: Path, *, storage: str) -> Path | None:
    """Make the Aim runs of every study of a record anew; other runs in the folder stay.

    Returns  where Aim's old files are now, if they were broken: they are moved aside, for they may hold other runs, too
    Raises   UserError when there is no record, a study is running, or the folder cannot be written
    """
    open_database(storage, must_exist=True).close()
    reason = _make_anew(folder, storage=storage)
    if reason is None:
        return None
    aside = _move_aside(folder) if _is_broken(folder, reason) else None
    if aside is not None:
        if _make_anew(folder, storage=storage) is None:
            return aside
        shutil.rmtree(folder / AIM_FILES, ignore_errors=True)  # it was not the files: they go back
        aside.rename(folder / AIM_FILES)
    raise UserError(
        f"the Aim runs cannot be made anew: {reason}",
        where=Where(folder),
        fix="Wait for the command that is running, or end it; then give the same command again",
    )


def _make_anew(folder: Path, *, storage: str) -> str | None:
    """None, or why it was not possible."""
    order = json.dumps({"storage": storage, "folder": str(folder.absolute()), "rebuild": True})
    ended = subprocess.run(AIM.command, input=order + "\n", text=True, capture_output=True, env=aim_environment())
    lines = ended.stderr.strip().splitlines() or ["no reason given"]
    return None if ended.returncode == 0 else next((line for line in lines if _tells_why(line)), lines[-1])


def _tells_why(line: str) -> bool:
    """Whether a line of a traceback names the error; some errors add more lines of their own."""
    return re.match(r"[\w.]*(Error|Exception)\b", line) is not None


def _is_broken(folder: Path, reason: str) -> bool:
    """Whether Aim's files themselves are at fault, not who else uses them or the disk."""
    locks = (folder / AIM_FILES / "nertune").glob("*.lock")
    return not NOT_BROKEN.search(reason) and not any(map(_is_held, locks))


def _is_held(lock: Path) -> bool:
    with lock.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _move_aside(folder: Path) -> Path | None:
    """Aim's files as `.aim@1`, `.aim@2`, …; None where there are none."""
    files = folder / AIM_FILES
    if not files.exists():
        return None
    number = next(number for number in itertools.count(1) if not (folder / f"{AIM_FILES}@{number}").exists())
    return files.rename(folder / f"{AIM_FILES}@{number}")


def aim_environment() -> dict[str, str]:
    """The environment of processes that import Aim: one thread each, the usual name of its folder."""
    return {**os.environ, **AIM.environment}


def start_process(program: Program, *, order: Mapping[str, Any], log: Path) -> subprocess.Popen[bytes]:
    """A process with its order; a byte more or the end of its standard input ends it.

    The order goes through the pipe because a database URL may hold a password, and arguments are public.
    Raises  OSError when there is no process or log file to be had
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            program.command,
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=stream,
            env={**os.environ, **program.environment},
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
