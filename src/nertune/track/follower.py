"""Following the record of a study in a process of its own, and telling a writer (`aim.py`, `wandb.py`) of its runs.

What was told is kept in a small file beside what the writer writes; so this process can be killed at any moment and
started again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import hashlib
import itertools
import json
import os
import select
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from nertune.results.database import ATTEMPTS, CELLS, Database, StudyRow, open_database
from nertune.results.files import read_json, write_json
from nertune.track.overview import tell_study

STUCK_S = 120.0  # a round that takes longer hangs (Aim on a full disk does): the process ends itself
TAGS = {"search": "search", "candidate": "candidate", "final": "best", "size": "size"}
FAILED = ("failed", "lost")
STEPS_AT_ONCE = 10_000
SUM_UP_S = 60.0  # between two looks at the study as a whole

Row = Mapping[str, Any]


class Writer(Protocol):
    """Who is told of runs. A process that was killed leaves some half told: telling them again doubles nothing."""

    def begin(self, row: Row, *, facts: Row) -> Any:
        """The run as the writer has it, new or continued.

        row    of the record's runs
        facts  of its attempt, see `attempt_facts`
        """

    def track(self, run: Any, values: Mapping[str, float], *, step: int, epoch: float, split: str, number: int) -> None:
        """Tell the numbers of one moment; `number` rises from moment to moment of a run."""

    def end(self, run: Any, row: Row, *, facts: Row) -> None:
        """Close a run as the record has it."""

    def leave(self, run: Any) -> None:
        """Close a run that the record does not end: nobody follows it any more."""

    def sum_up(self, told: Mapping[str, Any]) -> None:
        """Tell of the study as a whole.

        told  see `overview.tell_study`
        """


class Follower:
    """Tells one writer of one study's runs; holds the study's lock there as long as it lives.

    state_file  what was told; its folder is there
    known_as    runs that were told under another name are told again
    continues   a run that a killed process had begun goes on where it was left; else it is told from its beginning
    Raises      BlockingIOError when another process tells this writer of this study, and `wait` is False
    """

    def __init__(
        self,
        study: StudyRow,
        *,
        database: Database,
        writer: Writer,
        state_file: Path,
        known_as: str,
        continues: bool,
        wait: bool = True,
    ) -> None:
        self.study = study
        self.seen = 0  # the highest run id looked at
        self.open: dict[int, Any] = {}
        self.resting: set[int] = set()  # runs that have paused: told until there, closed until they go on
        self._database, self._writer, self._state_file = database, writer, state_file
        self._known_as, self._continues = known_as, continues
        self._lock = state_file.with_suffix(".lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"the study {study.name} is running and writes its runs itself") from None
        self._next_look = time.monotonic()
        self.done, self.cursors, self.summary = self._load()

    def poll(self) -> None:
        """Tell what the record holds by now."""
        for row in self._pending():
            faulthandler.dump_traceback_later(STUCK_S, exit=True)  # a C thread: works while Aim holds the interpreter
            run = self.open.get(row["id"]) or self._begin(row)
            self._track_steps(run, row["id"])
            if row["state"] == "paused":
                self._rest(row["id"])
            elif row["state"] != "running":
                self._end(run, row)
            self._save()
        faulthandler.cancel_dump_traceback_later()

    def sum_up(self, *, at_once: bool = True) -> None:
        """Tell of the study as a whole where there is news, now or every SUM_UP_S."""
        if not at_once and time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + SUM_UP_S
        told = tell_study(self.study, database=self._database)
        summary = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        if summary != self.summary:
            faulthandler.dump_traceback_later(STUCK_S, exit=True)
            self._writer.sum_up(told)
            faulthandler.cancel_dump_traceback_later()
            self.summary = summary
            self._save()

    def close(self) -> None:
        """Close what is still open, so that no run stays in progress for ever, and free the study."""
        for run in self.open.values():
            self._writer.leave(run)
        self.open.clear()
        self._lock.close()

    def forget(self) -> None:
        """Know nothing of what was told."""
        self._state_file.unlink(missing_ok=True)
        self.done, self.cursors, self.summary = self._load()

    def _pending(self) -> list[Row]:
        """Runs that are new or were open at the last look; a final state is read before the steps, which precede it."""
        open_rows = self._database.runs(self.study, ids=list(self.open)) if self.open else []
        if self.resting:
            rested = self._database.runs(self.study, ids=sorted(self.resting))
            open_rows += [row for row in rested if row["state"] != "paused"]
        new_rows = self._database.runs(self.study, after=self.seen)
        self.seen = max((row["id"] for row in new_rows), default=self.seen)
        return [*open_rows, *(row for row in new_rows if row["id"] not in self.done)]

    def _rest(self, run_id: int) -> None:
        """Close a run that may go on later: hundreds of open ones would be too many files."""
        self._writer.leave(self.open.pop(run_id))
        self.resting.add(run_id)
        if not self._continues:
            self.cursors.pop(run_id, None)

    def _begin(self, row: Row) -> Any:
        self.resting.discard(row["id"])
        run = self._writer.begin(row, facts=attempt_facts(row["attempt_id"], database=self._database))
        self.open[row["id"]] = run
        return run

    def _track_steps(self, run: Any, run_id: int) -> None:
        for rows in self._new_steps(run_id):
            for (step, epoch, split), moment in itertools.groupby(
                rows, lambda row: (row["step"], row["epoch"], row["split"])
            ):
                values = list(moment)
                finite = {row["name"]: row["value"] for row in values if row["value"] is not None}
                self._writer.track(run, finite, step=step, epoch=epoch, split=split, number=values[0]["id"])

    def _new_steps(self, run_id: int) -> Iterator[list[Row]]:
        while rows := self._database.steps(run_id, after=self.cursors.get(run_id, 0), limit=STEPS_AT_ONCE):
            yield rows
            self.cursors[run_id] = rows[-1]["id"]

    def _end(self, run: Any, row: Row) -> None:
        self._writer.end(run, row, facts=attempt_facts(row["attempt_id"], database=self._database))
        del self.open[row["id"]]
        self.cursors.pop(row["id"], None)
        self.done.add(row["id"])

    def _load(self) -> tuple[set[int], dict[int, int], str | None]:
        """What was told before: runs, the last step of those that are open, and a digest of the study as a whole."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            state = read_json(self._state_file)
            if state.get("known_as") == self._known_as:
                told = state["cursors"] if self._continues else {}
                return set(state["done"]), {int(run): step for run, step in told.items()}, state.get("summary")
        return set(), {}, None

    def _save(self) -> None:
        if not self._state_file.parent.is_dir():  # not to be made anew, or it would vouch for runs that are gone
            raise FileNotFoundError(f"the folder {self._state_file.parent} was removed")
        state = {"known_as": self._known_as, "done": sorted(self.done), "cursors": self.cursors}
        write_json(self._state_file, {**state, "summary": self.summary})


def attempt_facts(attempt_id: int, *, database: Database) -> dict[str, Any]:
    """Cell number and point, number of the attempt, how it ended; the best epoch only of the cell's last attempt."""
    columns = (CELLS.c.number.label("cell"), CELLS.c.point, CELLS.c.attempts, CELLS.c.best_epoch, CELLS.c.best_step)
    mine = (ATTEMPTS.c.number.label("attempt"), ATTEMPTS.c.cause, ATTEMPTS.c.message)
    query = CELLS.join(ATTEMPTS, ATTEMPTS.c.cell_id == CELLS.c.id).select().with_only_columns(*columns, *mine)
    with database.read() as connection:
        facts = dict(connection.execute(query.where(ATTEMPTS.c.id == attempt_id)).one()._mapping)
    if facts.pop("attempts") != facts["attempt"]:
        facts.update(best_epoch=None, best_step=None)
    return facts


def nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"train.epochs": 4}` as `{"train": {"epochs": 4}}`: Aim searches and groups by nested parameters only."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *parents, last = key.split(".")
        part = tree
        for parent in parents:
            part = part.setdefault(parent, {})
        part[last] = value
    return tree


def study_key(study: StudyRow) -> str:
    """The study's name for a writer's files: stays when the study is renamed, differs from any other record's."""
    return hashlib.sha256(f"{study.id}/{study.created}".encode()).hexdigest()[:16]


def run_key(study: StudyRow, run_id: int) -> str:
    """What a writer knows a run by, the same whenever it is told; 24 hex digits, as Aim's own hashes."""
    return hashlib.sha256(f"{study_key(study)}/{run_id}".encode()).hexdigest()[:24]


# the process


def follow(order: Mapping[str, Any], *, open_follower: Callable[[StudyRow, Database], Follower]) -> int:
    """Tell of a study until told to finish, then what is left; the exit code.

    order  `storage` and `study` name it; `poll_s` is the pause between two looks
    """
    database = open_database(order["storage"], must_exist=True)
    study = database.find_study(order["study"])
    if study is None:
        raise LookupError(f"the record has no study {order['study']!r}")
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    coordinator = os.getppid()
    follower = open_follower(study, database)
    follower.poll()
    is_last = False
    while not is_last:
        is_last = is_told_to_finish(coordinator, timeout_s=order["poll_s"])
        follower.poll()
        follower.sum_up(at_once=is_last)
    follower.close()
    return 0


def is_told_to_finish(coordinator: int, *, timeout_s: float) -> bool:
    """Whether standard input has something to say, or ended; or the coordinator is gone while a fork holds the pipe."""
    readable, _, _ = select.select([0], [], [], timeout_s)
    return bool(readable) or os.getppid() != coordinator


def read_line(descriptor: int) -> bytes:
    """The first line, and not a byte more: `select` is to see the rest, which a buffer would hide."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line


def run_order(run: Callable[[Mapping[str, Any]], int]) -> None:
    """Run one order (a JSON line on standard input) and end at once: a writer's own clean-up may hang for ever."""
    code = 1
    try:
        os.nice(5)  # fits come first
        code = run(json.loads(read_line(0)))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
