"""Jobs in warm worker processes. Nothing a worker does (dying, hanging, half a message) makes the coordinator wait."""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from nertune.errors import NertuneError, error_from_json
from nertune.execute.connection import Connection
from nertune.execute.executor import Event, EventKind, JobCode, Slot, WorkerStartError, check_slots
from nertune.execute.faults import died_kind
from nertune.execute.groups import oom_kill_count
from nertune.execute.launch import TemplateProcess, take_template
from nertune.execute.wire import BrokenMessageError, encode

START_TRIES = 5  # so often in a row may a slot's worker, or the template, fail to start
FIRST_PAUSE_S = 0.1  # before the second try; doubled for each further one
DEATH_S = 10.0  # a killed worker that is not dead by then (waiting for a disk, say) is left behind
FORK_S = 60.0  # a template that has not forked by then is stuck
END_S = 5.0  # an orderly end that takes longer is enforced
LOAD_S = 900.0  # imports from a cold network disk take minutes
LAST_READS = 16  # reads (of 1 MiB) of what a dead worker has left, even if a descendant that escaped still writes
WAYS_OUT = {
    os.strerror(errno.EAGAIN): "`ulimit -u` or pids.max of a control group limits your processes: end some",
    os.strerror(errno.EMFILE): "`ulimit -n 1024` lets a program open more files",
}
JOB_MESSAGES: dict[str, EventKind] = {"record": "record", "ask": "ask", "done": "done", "failed": "failed"}


@dataclass(eq=False)
class Worker:
    """One process, from the request to fork it to the news of its death.

    asked_at   monotonic time of the request, seconds
    oom_kills  the kernel's count when its job began
    pid        None until the template has forked
    complaint  why it is unfit, in its own words
    quiet      its death is no event: we killed it, or it was announced already
    """

    number: int
    connection: Connection
    asked_at: float
    oom_kills: int
    pid: int | None = None
    ready: bool = False
    complaint: str | None = None
    quiet: bool = False


@dataclass(eq=False)
class Seat:
    """A slot and who sits on it.

    worker    living or dying; None during the pause before the next try
    bury_by   monotonic time until which a dying worker is waited for; None: it is not dying
    fork_at   monotonic time of the next try; None: no pause
    job       id of the job that was submitted and has not ended
    pending   the message with this job, until a worker is ready for it
    """

    slot: Slot
    worker: Worker | None = None
    bury_by: float | None = None
    fork_at: float | None = None
    job: str | None = None
    pending: dict[str, Any] | None = None
    asking: bool = False
    failed_starts: int = 0
    given_up: bool = False


class ProcessesExecutor:
    """See `Executor`. Workers are forks of a template process (template.py), which is replaced if it dies, too."""

    def __init__(self, slots: Sequence[Slot], *, code: JobCode) -> None:
        self.slots = check_slots(slots)
        self._code = code
        self._seats = [Seat(slot) for slot in self.slots]
        self._workers: dict[int, Worker] = {}  # by number; all that are not known to be dead
        self._numbers = count()
        self._events: list[Event] = []
        self._error: NertuneError | None = None
        self._template: TemplateProcess | None = None
        self._launch_at: float | None = None
        self._failed_launches = 0
        self._closed = False
        self._selector = selectors.DefaultSelector()
        self._alarm, self._bell = socket.socketpair()
        self._alarm.setblocking(False)
        self._bell.setblocking(False)
        self._selector.register(self._alarm, selectors.EVENT_READ, self._silence_alarm)

    def start(self) -> None:
        """Begin to start workers; returns at once, `ready` events follow."""
        self._launch()

    def submit(self, slot: int, job: dict[str, Any], *, log: Path) -> None:
        """See `Executor.submit`."""
        seat = self._seats[slot]
        if seat.job is not None or seat.given_up:
            raise ValueError(f"slot {slot} was given up" if seat.given_up else f"slot {slot} still runs {seat.job}")
        message = {"type": "job", "job": job, "log": str(log.absolute())}
        encode(message)  # a job that is not JSON is the caller's error, here and now
        seat.job, seat.pending = job["id"], message
        self._hand_over(seat)

    def poll(self, timeout_s: float) -> list[Event]:
        """See `Executor.poll`."""
        waits = self._events or self._error
        for key, mask in self._selector.select(0.0 if waits else self._patience(timeout_s)):
            key.data(mask)
        self._keep_time()
        events, self._events = self._events, []
        if not events and self._error is not None:
            raise self._error
        return events

    def answer(self, slot: int, verdict: str) -> None:
        """See `Executor.answer`."""
        seat = self._seats[slot]
        if seat.asking and seat.worker is not None:
            seat.asking = False
            seat.worker.connection.send({"type": "verdict", "job": seat.job, "verdict": verdict})

    def kill(self, slot: int) -> None:
        """See `Executor.kill`."""
        seat = self._seats[slot]
        _forget_job(seat)
        if seat.worker is not None:
            seat.worker.quiet = True
            self._end_worker(seat, seat.worker)

    def wake(self) -> None:
        """See `Executor.wake`."""
        with contextlib.suppress(OSError):  # full: it is awake already; closed: nobody waits
            self._bell.send(b"!")

    def close(self) -> None:
        """End all workers and the template, at most some seconds later; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        orderly = self._template is None or self._template.end(patience_s=END_S)
        self._forget_workers(kill=not orderly)
        self._selector.close()
        self._alarm.close()
        self._bell.close()

    # The template

    def _launch(self) -> None:
        self._launch_at = None
        threads = max(slot.threads for slot in self.slots)
        try:
            self._template = take_template(self._code, threads=threads)
        except OSError as problem:
            self._count_failed_launch(f"starting a process failed: {problem.strerror}")
            return
        self._template.load(self._code, selector=self._selector, handle=self._read_template)
        for seat in self._seats:
            if not seat.given_up:
                self._fork(seat)

    def _read_template(self) -> None:
        template = self._template
        assert template is not None
        with contextlib.suppress(BrokenMessageError):  # torn by its death
            for message in template.connection.receive():
                self._on_template_message(template, message)
        if template.connection.ended and template is self._template:
            self._replace_template("the template process died")

    def _on_template_message(self, template: TemplateProcess, message: dict[str, Any]) -> None:
        worker = self._workers.get(message.get("worker", -1))
        if message["type"] == "loaded":
            template.loaded_at = time.monotonic()
            self._failed_launches = 0
        elif message["type"] == "unloadable":
            self._error = _unloadable(self._code, message["fault"])
        elif worker is None:
            return
        elif message["type"] == "forked":
            worker.pid = message["pid"]
        elif message["type"] == "fork-failed":
            worker.complaint = message["message"]
            self._bury(worker, status=None)
        elif message["type"] == "dead":
            self._bury(worker, status=message["status"])

    def _replace_template(self, reason: str) -> None:
        """End the template with all workers, and launch another one, unless it cannot be."""
        template, self._template = self._template, None
        assert template is not None
        loaded, words = template.loaded_at is not None, template.last_words()
        template.end(patience_s=0.0)
        for seat in self._seats:
            self._lose_with_template(seat, reason)
        self._forget_workers(kill=True)
        if self._error is not None:
            return
        if loaded:
            self._launch()
        else:
            self._count_failed_launch(f"{reason} before it had imported {self._code.function}\n{words}".strip())

    def _lose_with_template(self, seat: Seat, reason: str) -> None:
        worker, seat.worker, seat.bury_by, seat.fork_at = seat.worker, None, None, None
        if worker is None or worker.quiet or not worker.ready:
            return
        seat.worker = worker
        self._read_rest(seat, worker)
        seat.worker = None
        self._announce_death(seat, status=None, kind="lost", message=reason)

    def _count_failed_launch(self, message: str) -> None:
        self._failed_launches += 1
        if self._failed_launches >= START_TRIES:
            self._error = WorkerStartError(f"no worker process can be started: {message}", fix=_way_out(message))
        else:
            self._launch_at = time.monotonic() + _pause_s(self._failed_launches)

    def _forget_workers(self, *, kill: bool) -> None:
        for worker in self._workers.values():
            worker.connection.close()
            if kill and worker.pid is not None:
                # Only the group: its number stays taken while it has members; a lone one may be another's now.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(worker.pid, signal.SIGKILL)
        self._workers.clear()

    # Workers

    def _fork(self, seat: Seat) -> None:
        seat.worker, seat.bury_by, seat.fork_at = None, None, None
        if self._template is None:
            return  # the next one forks for every seat
        try:
            ours, theirs = socket.socketpair()
        except OSError as problem:
            self._count_failed_start(seat, f"no connection: {problem.strerror}")
            return
        number = next(self._numbers)
        connection = Connection(ours, selector=self._selector, handle=partial(self._read_worker, seat, number))
        seat.worker = Worker(number, connection, asked_at=time.monotonic(), oom_kills=oom_kill_count())
        self._workers[number] = seat.worker
        request = {"type": "fork", "worker": number, "slot": asdict(seat.slot)}
        self._template.connection.send(request, fd=theirs.detach())

    def _read_worker(self, seat: Seat, number: int) -> None:
        worker = seat.worker
        if worker is None or worker.number != number:
            return
        try:
            for message in worker.connection.receive():
                self._on_worker_message(seat, worker, message)
        except BrokenMessageError as problem:
            self._announce_death(seat, status=None, kind="lost", message=f"the worker sent {problem}")
            worker.quiet = True
            self._end_worker(seat, worker)
        else:
            if worker.connection.ended:
                self._end_worker(seat, worker)  # dead most likely; if not, it is of no use without a connection

    def _on_worker_message(self, seat: Seat, worker: Worker, message: dict[str, Any]) -> None:
        kind, payload = message["type"], message.get("payload")
        if not isinstance(payload, dict):
            raise BrokenMessageError(f"a message without a payload: {str(message)[:80]}")
        if kind == "ready":
            worker.ready = True
            self._emit(seat, "ready", payload)
            self._hand_over(seat)
        elif kind == "unfit":
            worker.complaint = f"{payload.get('type')}: {payload.get('message')}"
        elif kind not in JOB_MESSAGES:
            raise BrokenMessageError(f"a message of an unknown kind: {kind[:80]!r}")
        elif seat.job is not None and seat.pending is None and message.get("job") == seat.job:
            self._on_job_message(seat, JOB_MESSAGES[kind], payload)

    def _on_job_message(self, seat: Seat, kind: EventKind, payload: dict[str, Any]) -> None:
        self._emit(seat, kind, payload, job=seat.job)
        seat.asking = kind == "ask"
        if kind in ("done", "failed"):
            _forget_job(seat)
            seat.failed_starts = 0

    def _hand_over(self, seat: Seat) -> None:
        worker = seat.worker
        if seat.pending is None or worker is None or not worker.ready or seat.bury_by is not None:
            return
        worker.oom_kills = oom_kill_count()
        worker.connection.send(seat.pending)
        seat.pending = None

    def _end_worker(self, seat: Seat, worker: Worker) -> None:
        """Have the template kill the worker's group; its death is awaited in `_bury`."""
        worker.connection.close()
        if self._template is not None:
            self._template.connection.send({"type": "kill", "worker": worker.number})
        if seat.bury_by is None:
            seat.bury_by = time.monotonic() + DEATH_S

    def _bury(self, worker: Worker, *, status: int | None) -> None:
        """The worker is dead (or was never born); if it still held a seat, that gets another one."""
        self._workers.pop(worker.number, None)
        seat = next((seat for seat in self._seats if seat.worker is worker), None)
        if seat is None:
            return
        self._read_rest(seat, worker)
        worker.connection.close()
        self._replace_worker(seat, worker, status=status)

    def _replace_worker(self, seat: Seat, worker: Worker, *, status: int | None) -> None:
        if worker.quiet:
            self._fork(seat)
        elif seat.job is not None and seat.pending is None:
            kind = died_kind(status, oom_kills_before=worker.oom_kills, oom_kills_after=oom_kill_count())
            self._announce_death(seat, status=status, kind=kind, message=_last_message(status, kind))
            self._fork(seat)
        else:
            self._count_failed_start(seat, worker.complaint or _last_message(status, "lost"), status=status)

    def _read_rest(self, seat: Seat, worker: Worker) -> None:
        """Take what a dead worker said before it died; an unfinished message is dropped."""
        with contextlib.suppress(BrokenMessageError):
            for _ in range(LAST_READS):
                n_events = len(self._events)
                for message in worker.connection.receive():
                    self._on_worker_message(seat, worker, message)
                if worker.connection.ended or len(self._events) == n_events:
                    return

    def _announce_death(self, seat: Seat, *, status: int | None, kind: str, message: str) -> None:
        job = seat.job if seat.pending is None else None  # a job that was not handed over waits for the next worker
        if job is not None:
            _forget_job(seat)
        payload = {"kind": kind, "status": status, "message": message, "given_up": seat.given_up}
        self._emit(seat, "died", payload, job=job)

    def _count_failed_start(self, seat: Seat, message: str, *, status: int | None = None) -> None:
        """A worker died without a job or could not be had: try again after a pause, but not for ever."""
        seat.worker, seat.bury_by = None, None
        seat.failed_starts += 1
        seat.given_up = seat.failed_starts >= START_TRIES
        if seat.given_up:
            seat.pending = None  # its job, if any, goes down with the slot
        else:
            seat.fork_at = time.monotonic() + _pause_s(seat.failed_starts)
        self._announce_death(seat, status=status, kind="lost", message=f"no worker could be started: {message}")
        if all(seat.given_up for seat in self._seats):
            self._error = WorkerStartError(
                f"no worker could be started, {START_TRIES} times in a row: {message}", fix=_way_out(message)
            )

    # Time

    def _patience(self, timeout_s: float) -> float:
        times = [time for time in self._appointments() if time is not None]
        return max(0.0, min([timeout_s, *(at - time.monotonic() for at in times)]))

    def _appointments(self) -> Iterator[float | None]:
        yield self._launch_at
        yield self._template_limit()
        for seat in self._seats:
            yield seat.fork_at
            yield seat.bury_by

    def _template_limit(self) -> float | None:
        """Until when the template must have done what it was asked; None: it was asked nothing."""
        if self._template is None:
            return None
        loaded_at = self._template.loaded_at
        if loaded_at is None:
            return self._template.asked_at + LOAD_S
        waiting = [worker.asked_at for worker in self._workers.values() if worker.pid is None]
        return max(min(waiting), loaded_at) + FORK_S if waiting else None

    def _keep_time(self) -> None:
        now = time.monotonic()
        if _is_due(self._template_limit(), now):
            self._replace_template("the template process did not answer")
        if _is_due(self._launch_at, now):
            self._launch()
        for seat in self._seats:
            if _is_due(seat.fork_at, now):
                self._fork(seat)
            elif _is_due(seat.bury_by, now) and seat.worker is not None:
                self._replace_worker(seat, seat.worker, status=None)  # left behind, dying; its messages have no reader

    def _silence_alarm(self, _mask: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self._alarm.recv(2**16)

    def _emit(self, seat: Seat, kind: EventKind, payload: dict[str, Any], *, job: str | None = None) -> None:
        self._events.append(Event(seat.slot.index, job, kind, payload, time.monotonic()))


def _forget_job(seat: Seat) -> None:
    seat.job, seat.pending, seat.asking = None, None, False


def _is_due(at: float | None, now: float) -> bool:
    return at is not None and at <= now


def _pause_s(n_failures: int) -> float:
    return FIRST_PAUSE_S * float(2 ** (n_failures - 1))


def _way_out(message: str) -> str | None:
    """What to type when the system refuses more processes or files."""
    found = next((reason for reason in WAYS_OUT if reason.lower() in message.lower()), None)
    return None if found is None else f"{WAYS_OUT[found]}; then the same command again"


def _last_message(status: int | None, kind: str) -> str:
    if kind == "oom":
        return "the kernel killed the worker because memory ran out"
    if status is None:
        return "the worker is gone"
    if status < 0:
        return f"the worker was killed by signal {-status} ({signal.strsignal(-status)})"
    return f"the worker ended with exit status {status}"


def _unloadable(code: JobCode, fault: dict[str, Any]) -> NertuneError:
    if fault["error"] is not None:  # code of the user's own
        return error_from_json(fault["error"])
    return WorkerStartError(
        f"the code of the jobs, {code.function}, cannot be imported: {fault['type']}: {fault['message']}",
        fix=fault["traceback"].strip(),
    )
