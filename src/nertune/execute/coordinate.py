"""The coordinator's loop: cells onto free slots, records into the database, faults answered by their policy.

It is the only writer of its study. What it may lose when it is killed at any moment is the attempts in flight.
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from nertune.errors import (
    MAKE_ROOM,
    InterruptedByUserError,
    NertuneError,
    StoppedError,
    Where,
    error_from_json,
    shown_path,
)
from nertune.execute.executor import Event, Executor
from nertune.results.database import AttemptRow, CellRow, CellState, Database, Settlement, StudyRow
from nertune.results.files import move_files
from nertune.results.layout import CHECKPOINT, StudyFolder, cell_name
from nertune.results.records import Cut, SplitScores, StepRecord
from nertune.signals import stopping_signals

TICK_S = 0.25  # how long one poll waits at most: limits are looked at between polls
FLUSH_S = 1.0  # steps are written in batches of so many seconds, before every verdict and with every outcome
STOOD_STILL_S = 5.0  # a loop that took longer was suspended itself: limits start anew
LEASE_EVERY_S = 10.0
PULSE = {"pulse": True}  # a record that only says that the job is alive
SAME_BUGS = 3  # so many first attempts that end in one bug stop the search


@dataclass(frozen=True)
class Policy:
    """What a fault class means for the cell (design, section 7)."""

    retries: int = 0
    halves_batch: bool = False


POLICIES: Mapping[str, Policy] = {
    "oom": Policy(retries=1, halves_batch=True),
    "nan": Policy(),
    "timeout": Policy(),
    "hung": Policy(retries=2),
    "lost": Policy(retries=2),
    "bug": Policy(),
}


@dataclass(frozen=True)
class Limits:
    """trial_timeout_s: of one attempt, None without; hang_after_s: of silence, or 20 times the slowest record."""

    trial_timeout_s: float | None
    hang_after_s: float
    slowest_times: float = 20.0


class CellSource(Protocol):
    """Where cells come from. `take` gives the next open cell, stored already, or None when there is none (any more)."""

    def take(self) -> CellRow | None: ...

    def take_early(self) -> CellRow | None:
        """The cell that `take` will give, whatever the outcome is that is about to be recorded; None: that decides."""

    def look_ahead(self) -> None:
        """Store the cell that `take` will give next, while the workers are busy."""


class Watcher(Protocol):
    """Who is shown what happens."""

    def started(self, cell: CellRow, *, attempt: int) -> None: ...

    def scored(self, cell: CellRow, record: StepRecord) -> None: ...

    def ended(self, cell: CellRow, how: Settlement) -> None: ...

    def tick(self) -> None: ...


@dataclass
class Work:
    """What the coordinator does the jobs of one stage with.

    make_job  (cell, attempt's folder, examples on the device at once) -> job as JSON
    keep      (cell, attempt's folder, outcome) -> None: moves what stays out of the attempt's folder, before the record
    judge     (cell, evaluation) -> why its trial is not worth going on with; None: it goes on
    batch_of  how many examples a cell would put on the device at once, before any fault
    """

    database: Database
    study: StudyRow
    folder: StudyFolder
    cells: CellSource
    make_job: Callable[[CellRow, Path, int], dict[str, Any]]
    keep: Callable[[CellRow, Path, Mapping[str, Any]], None]
    run_name: Callable[[CellRow], str]
    parameters: Callable[[CellRow], Mapping[str, Any]]
    batch_of: Callable[[CellRow], int]
    watcher: Watcher
    limits: Limits
    judge: Callable[[CellRow, StepRecord], Cut | None] = lambda _cell, _record: None
    renew_lease: Callable[[], None] = lambda: None
    after_outcome: Callable[[], None] = lambda: None
    every_tick: Callable[[], None] = lambda: None


@dataclass
class Running:
    """An attempt in flight; times are monotonic seconds.

    pause_after  share of the cell's steps after which it pauses
    cut          why it was told to stop
    """

    cell: CellRow
    attempt: AttemptRow
    folder: Path
    log: Path
    started: float
    last_seen: float
    pause_after: float | None = None
    cut: Cut | None = None
    steps: list[StepRecord] = field(default_factory=list)

    @property
    def job(self) -> str:
        return f"{cell_name(self.cell.stage, self.cell.number)}.{self.attempt.number}"


def coordinate(work: Work, executor: Executor) -> None:
    """Run cells until the source has no more and none is in flight.

    Raises  InterruptedByUserError on Ctrl-C, StoppedError on SIGTERM, SIGHUP or a full disk, a UserError that a job
            found, NertuneError when every first attempt ends in the same bug; all with the record closed properly
    """
    loop = _Loop(work, executor)
    with _signals(executor.wake) as received:
        try:
            loop.run(received)
        finally:
            loop.give_up()


class _Loop:
    def __init__(self, work: Work, executor: Executor) -> None:
        self._work = work
        self._executor = executor
        self._running: dict[int, Running] = {}
        self._given_up: set[int] = set()  # slots whose worker could not be replaced
        self._device_batch: dict[int, int] = {}  # by cell id, after running out of memory
        self._slowest = 0.0
        self._has_outcomes = self._started_some = False
        self._ended: list[str] = []  # cells whose attempts' folders are still there
        self._first_bugs: list[str | None] = []
        self._flushed = self._leased = self._looked = time.monotonic()

    def run(self, received: list[int]) -> None:
        while True:
            _raise_for(received)
            self._fill_slots()
            if self._has_outcomes:  # what takes time is done when the freed workers have their next job
                self._has_outcomes = False
                self._forget_ended()
                self._work.after_outcome()
            if not self._running:
                return
            for event in self._executor.poll(TICK_S):
                self._handle(event)
            self._look_at_clock()
            self._work.every_tick()
            self._work.watcher.tick()

    def give_up(self) -> None:
        """Attempts still in flight are ended and their cells stay open; they count no try."""
        for slot, running in list(self._running.items()):
            with suppress(Exception):  # on a full disk even this fails; the next start finds them open
                self._executor.kill(slot)
                how = Settlement("interrupted", "interrupted", "interrupted", seconds=_since(running.started))
                self._settle(self._running.pop(slot), how)
        self._forget_ended()

    # slots

    def _fill_slots(self) -> None:
        for slot in self._executor.slots:
            if slot.index in self._running or slot.index in self._given_up:
                continue
            cell = self._work.cells.take()
            if cell is None:
                return
            self._start(slot.index, cell)
        if self._started_some:
            self._started_some = False
            self._work.cells.look_ahead()

    def _start(self, slot: int, cell: CellRow) -> None:
        work = self._work
        attempt = work.database.open_attempt(
            work.study, cell, run_name=work.run_name(cell), parameters=work.parameters(cell)
        )
        name = cell_name(cell.stage, cell.number)
        self._adopt_checkpoints(name)
        folder = work.folder.attempt(name, attempt.number)
        folder.mkdir(parents=True)
        now = time.monotonic()
        log = work.folder.log(name, attempt.number)
        running = Running(cell, attempt, folder, log, now, now)
        self._running[slot] = running
        job = work.make_job(cell, folder, self._batch_of(cell))
        running.pause_after = job.get("pause_after")
        self._executor.submit(slot, {**job, "id": running.job}, log=log)
        self._started_some = True
        work.watcher.started(cell, attempt=attempt.number)

    # events

    def _handle(self, event: Event) -> None:
        if event.kind == "died" and event.payload.get("given_up"):
            self._given_up.add(event.slot)
        running = self._running.get(event.slot)
        if running is None or event.job != running.job:
            return
        self._slowest = max(self._slowest, event.at - running.last_seen)
        running.last_seen = event.at
        if event.kind == "record" and event.payload != PULSE:
            running.steps.append(StepRecord(**event.payload))
        elif event.kind == "ask":
            self._evaluated(event.slot, running, StepRecord(**event.payload))
        elif event.kind == "done":
            self._done(event.slot, running, event.payload)
        elif event.kind == "failed":
            self._failed(event.slot, running, event.payload)
        elif event.kind == "died":
            self._faulted(event.slot, running, kind=event.payload["kind"], message=event.payload["message"])

    def _evaluated(self, slot: int, running: Running, record: StepRecord) -> None:
        running.steps.append(record)
        self._flush(running)
        self._work.watcher.scored(running.cell, record)
        running.cut = self._work.judge(running.cell, record)
        self._executor.answer(slot, "continue" if running.cut is None else "stop")

    def _done(self, slot: int, running: Running, outcome: Mapping[str, Any]) -> None:
        # Moved first, recorded second: killed in between, the cell is still open and is run again.
        self._work.keep(running.cell, running.folder, outcome)
        has_paused, cut = outcome.get("paused", False), running.cut
        state: CellState = "paused" if has_paused else "complete" if cut is None else "pruned"
        how = Settlement(
            state,
            state,
            cause=None if cut is None else "pruned",
            message=None if cut is None else cut.reason,
            share=cut.share if cut is not None else running.pause_after if has_paused else None,
            seconds=_since(running.started),
            best_epoch=outcome.get("best_epoch"),
            best_step=outcome.get("best_step"),
            scores={split: SplitScores(**scores) for split, scores in outcome["scores"].items()},
        )
        self._note_first(None)
        del self._running[slot]
        try:
            if following := self._work.cells.take_early():
                self._start(slot, following)  # it works while the outcome is written down
        finally:
            self._settle(running, how)

    def _failed(self, slot: int, running: Running, fault: Mapping[str, Any]) -> None:
        if fault["kind"] == "disk-full":
            raise StoppedError(
                f"the disk is full: {fault['message']}",
                where=Where(self._work.folder.root),
                fix=MAKE_ROOM,
            )
        if fault["kind"] == "bad-data":
            raise error_from_json(fault["error"])
        message = f"{fault['type'].removeprefix('builtins.')}: {fault['message']}"
        if fault["kind"] == "bug":
            message = f"{message} ({fault['where']})"
        self._faulted(
            slot,
            running,
            kind=fault["kind"],
            message=fault["message"] if fault["kind"] == "nan" else message,
            bug=f"{fault['type']} at {fault['where']}" if fault["kind"] == "bug" else None,
        )

    def _faulted(self, slot: int, running: Running, *, kind: str, message: str, bug: str | None = None) -> None:
        """Close the attempt; its cell waits again while the policy of the fault allows another try."""
        policy = POLICIES[kind]
        again = self._tries_so_far(running.cell, kind) < policy.retries
        if again and policy.halves_batch:
            now = self._batch_of(running.cell)
            again = now > 1
            self._device_batch[running.cell.id] = max(1, -(-now // 2))
            message += f"; tried again with at most {self._device_batch[running.cell.id]} examples on the device"
        how = Settlement("failed", "waiting" if again else "failed", kind, message, seconds=_since(running.started))
        self._settle(self._running.pop(slot), how)
        self._note_first(bug)

    def _batch_of(self, cell: CellRow) -> int:
        return self._device_batch.get(cell.id) or self._work.batch_of(cell)

    def _tries_so_far(self, cell: CellRow, kind: str) -> int:
        return sum(
            1
            for attempt in self._work.database.attempts(cell)
            if attempt["state"] == "failed" and attempt["cause"] == kind
        )

    def _note_first(self, bug: str | None) -> None:
        if len(self._first_bugs) >= SAME_BUGS:
            return
        self._first_bugs.append(bug)
        if len(self._first_bugs) == SAME_BUGS and bug is not None and set(self._first_bugs) == {bug}:
            raise NertuneError(
                f"the first {SAME_BUGS} fits all ended in the same error, {bug}, so the others were not started",
                fix=f"The traceback is in {shown_path(self._work.folder.logs)}. Cells that failed: --retry-failed",
            )

    def _settle(self, running: Running, how: Settlement) -> None:
        cell = self._work.database.settle(running.attempt, how, steps=running.steps)
        name = cell_name(cell.stage, cell.number)
        if cell.is_open:
            self._adopt_checkpoints(name)
        else:
            self._ended.append(name)
        self._work.watcher.ended(cell, how)
        self._has_outcomes = True

    def _forget_ended(self) -> None:
        while self._ended:
            self._work.folder.forget(self._ended.pop())

    def _adopt_checkpoints(self, name: str) -> None:
        """What the attempts at a cell left for the next one; also those of a coordinator that died."""
        for attempt in self._work.folder.attempts(name):
            move_files(attempt / CHECKPOINT, self._work.folder.checkpoint(name))
            shutil.rmtree(attempt, ignore_errors=True)

    def _flush(self, running: Running) -> None:
        self._work.database.add_steps(running.attempt.run_id, running.steps)
        running.steps.clear()

    # time

    def _look_at_clock(self) -> None:
        now = time.monotonic()
        if now - self._looked > STOOD_STILL_S:
            for running in self._running.values():
                running.started += now - self._looked
                running.last_seen = now
        self._looked = now
        for slot, running in list(self._running.items()):
            self._check_limits(slot, running, now)
        if now - self._flushed > FLUSH_S:
            for running in self._running.values():
                self._flush(running)
            self._flushed = now
        if now - self._leased > LEASE_EVERY_S:
            self._work.renew_lease()
            self._leased = now

    def _check_limits(self, slot: int, running: Running, now: float) -> None:
        limits = self._work.limits
        silence = max(limits.hang_after_s, limits.slowest_times * self._slowest)
        if limits.trial_timeout_s is not None and now - running.started > limits.trial_timeout_s:
            self._executor.kill(slot)
            message = f"took longer than execute.trial_timeout ({limits.trial_timeout_s:g} s)"
            self._faulted(slot, running, kind="timeout", message=message)
        elif now - running.last_seen > silence:
            self._executor.kill(slot)
            self._faulted(slot, running, kind="hung", message=f"the worker said nothing for {silence:.0f} s")


@contextmanager
def _signals(wake: Callable[[], None]) -> Iterator[list[int]]:
    """Signals received so far; the first of each kind is noted and wakes the loop, a second Ctrl-C is Python's own."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        wake()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, *stopping_signals())}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise_for(received: list[int]) -> None:
    if signal.SIGINT in received:
        raise InterruptedByUserError("Interrupted; what was finished is saved")
    if received:
        raise StoppedError(f"Stopped by {signal.Signals(received[0]).name}; what was finished is saved")


def _since(started: float) -> float:
    return time.monotonic() - started
