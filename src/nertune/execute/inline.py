"""Jobs in this process, one at a time, in a thread: for debugging and for tests of what jobs do."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nertune.errors import HookError
from nertune.execute.channel import Cancelled, Channel
from nertune.execute.executor import Event, JobCode, LoadedCode, Slot, WorkerStartError, check_slots, load_code
from nertune.execute.worker import call_job

JOIN_S = 1.0  # how long `close` waits for a job that was cancelled
QUEUE_LIMIT = 10_000  # records that wait for the coordinator; a job that tells faster has to wait


class InlineExecutor:
    """See `Executor`; two differences, both because a thread cannot be killed.

    It has one slot, the first of those given. `kill` makes the job's next call of its channel raise `Cancelled`; only
    when the job has ended is the slot ready again. Output stays on the terminal, where a debugger needs it; a job's log
    gets its traceback.
    """

    def __init__(self, slots: Sequence[Slot], *, code: JobCode) -> None:
        self.slots = check_slots(slots)[:1]
        self._code = code
        self._outbox: queue.Queue[tuple[InlineWorker, Event | Exception] | None] = queue.Queue(QUEUE_LIMIT)
        self._worker: InlineWorker | None = None
        self._job: str | None = None
        self._asking = False

    def start(self) -> None:
        """Start the thread; a `ready` event follows."""
        self._replace_worker()

    def submit(self, slot: int, job: dict[str, Any], *, log: Path) -> None:
        """See `Executor.submit`."""
        worker = self._worker_of(slot)
        if self._job is not None:
            raise ValueError(f"slot {slot} still runs {self._job}")
        self._job = job["id"]
        worker.inbox.put({"job": json.loads(json.dumps(job)), "log": log})

    def poll(self, timeout_s: float) -> list[Event]:
        """See `Executor.poll`."""
        events: list[Event] = []
        with contextlib.suppress(queue.Empty):
            self._take(self._outbox.get(timeout=max(timeout_s, 0.0)), events)
            while True:
                self._take(self._outbox.get_nowait(), events)
        return events

    def answer(self, slot: int, verdict: str) -> None:
        """See `Executor.answer`."""
        if self._asking:
            self._asking = False
            self._worker_of(slot).inbox.put({"verdict": verdict})

    def kill(self, slot: int) -> None:
        """Cancel the job; the slot is ready when it has noticed."""
        self._worker_of(slot)
        self._replace_worker()

    def wake(self) -> None:
        """See `Executor.wake`."""
        with contextlib.suppress(queue.Full):  # then poll has no reason to wait
            self._outbox.put_nowait(None)

    def close(self) -> None:
        """Cancel the job and end the thread; one that does not notice ends with the process."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.cancel()
            worker.join(JOIN_S)

    def _worker_of(self, slot: int) -> InlineWorker:
        if slot != 0 or self._worker is None:
            raise ValueError(f"there is no slot {slot}, or the executor is not running")
        return self._worker

    def _replace_worker(self) -> None:
        before = self._worker
        if before is not None:
            before.cancel()
        self._job, self._asking = None, False
        self._worker = InlineWorker(self.slots[0], code=self._code, outbox=self._outbox, after=before)
        self._worker.start()

    def _take(self, item: tuple[InlineWorker, Event | Exception] | None, events: list[Event]) -> None:
        if item is None or item[0] is not self._worker:
            return  # woken, or the last words of a worker that was killed
        if isinstance(item[1], Exception):
            raise item[1]
        self._asking = item[1].kind == "ask"
        if item[1].kind in ("done", "failed"):
            self._job = None
        events.append(item[1])


class InlineWorker(threading.Thread):
    """The thread that runs jobs until it is cancelled.

    inbox  jobs with their logs, and verdicts; None once it is cancelled
    after  the worker before, which has to end first
    """

    def __init__(
        self,
        slot: Slot,
        *,
        code: JobCode,
        outbox: queue.Queue[tuple[InlineWorker, Event | Exception] | None],
        after: InlineWorker | None,
    ) -> None:
        super().__init__(daemon=True, name="nertune-inline")
        self.inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._slot = slot
        self._code = code
        self._outbox = outbox
        self._after = after
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Make the thread end: at once if it waits, else at the job's next call of its channel."""
        self._cancelled.set()
        self.inbox.put(None)

    def run(self) -> None:
        if self._after is not None:
            self._after.join()
            self._after = None
        with contextlib.suppress(Cancelled):
            try:
                code = _load(self._code, self._slot)
            except (HookError, WorkerStartError) as problem:
                self._put(problem)
                return
            self._tell("ready", {"pid": os.getpid()}, job=None)
            while (message := self.inbox.get()) is not None:
                self._run_job(message["job"], log=message["log"], code=code)

    def _run_job(self, job: dict[str, Any], *, log: Path, code: LoadedCode) -> None:
        channel = Channel(
            send=lambda kind, record: self._tell(kind, record, job=job["id"]), receive=self._await_verdict
        )
        end = json.loads(
            call_job(job, code=code, channel=channel, slot=self._slot, show=lambda text: _append(log, text))
        )
        self._tell(end["type"], end["payload"], job=job["id"])

    def _await_verdict(self) -> str:
        message = self.inbox.get()
        if message is None:
            raise Cancelled
        return str(message["verdict"])

    def _tell(self, kind: Any, payload: dict[str, Any], *, job: str | None) -> None:
        """Pass on an event, its payload as it would arrive from another process."""
        self._put(Event(self._slot.index, job, kind, json.loads(json.dumps(payload)), time.monotonic()))

    def _put(self, item: Event | Exception) -> None:
        while not self._cancelled.is_set():
            with contextlib.suppress(queue.Full):
                self._outbox.put((self, item), timeout=0.1)
                return
        raise Cancelled


def _load(code: JobCode, slot: Slot) -> LoadedCode:
    sys.path += [folder for folder in code.extra_path if folder not in sys.path]
    try:
        loaded = load_code(code)
        loaded.prepare(slot)
    except HookError:
        raise
    except Exception as problem:
        raise WorkerStartError(f"the code of the jobs, {code.function}, cannot be used: {problem!r}") from problem
    return loaded


def _append(log: Path, text: str) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(text)
