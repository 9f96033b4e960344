"""What every executor promises: jobs in, events out, and no way for a job to hurt the coordinator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

from nertune.errors import NertuneError
from nertune.execute.channel import Channel
from nertune.hooks import Hook, load_hook

EventKind = Literal["ready", "record", "ask", "done", "failed", "died"]


class WorkerStartError(NertuneError):
    """No worker can be started: the job's code cannot be imported, or the machine refuses processes."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place where one job runs at a time.

    device   "cpu", or "cuda:N" as the coordinator counts. A worker process sees its own GPU only, as "cuda:0"
    threads  CPU threads of a job
    """

    index: int
    device: str
    threads: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened on a slot.

    kind     ready    a fresh worker stands by                       {"pid": …}
             record   what the job told                              the record
             ask      what the job asked; `answer` is awaited        the record
             done     the job came to its end; the slot is free      its outcome
             failed   the job raised; the slot is free               a `faults.Fault` as JSON
             died     the worker is gone; `ready` follows            {"kind", "status", "message", "given_up"}
    job      the job's id; None for `ready`, and for a worker that died without a job
    at       time.monotonic() of arrival, seconds

    Of a death, `kind` is "oom" or "lost" (see `faults.died_kind`), `status` the exit status (negative: a signal; None:
    unknown), and after `given_up` no worker follows: too many could not be started on this slot.
    """

    slot: int
    job: str | None
    kind: EventKind
    payload: dict[str, Any]
    at: float


class Executor(Protocol):
    """Where jobs run. All calls come from one thread, except `wake`."""

    slots: tuple[Slot, ...]

    def start(self) -> None:
        """Begin to start workers; returns at once, `ready` events follow."""

    def submit(self, slot: int, job: dict[str, Any], *, log: Path) -> None:
        """Run this job (JSON, with a unique text "id") on a free slot; it waits while the worker is being replaced.

        log     file that the job's output is appended to; its folder is made
        Raises  ValueError if the slot has a job already or was given up
        """

    def poll(self, timeout_s: float) -> list[Event]:
        """The events since the last call, in order; waits at most `timeout_s`, and may return earlier with none.

        Raises  WorkerStartError if no slot can have a worker, HookError for code of the user's own that cannot be used
        """

    def answer(self, slot: int, verdict: str) -> None:
        """Give the verdict on the slot's last `ask`; nothing happens if the asking job is gone meanwhile."""

    def kill(self, slot: int) -> None:
        """End the slot's job and worker. No event of either is delivered after this; the next one is `ready`."""

    def wake(self) -> None:
        """Make a waiting `poll` return now. Any thread and any signal handler may call this."""

    def close(self) -> None:
        """End all workers; a second call does nothing."""


@dataclass(frozen=True)
class JobCode:
    """The code that workers run, by name, so that the coordinator never imports it.

    function    "package.module:function", called as function(job, channel, slot) -> outcome (a JSON object);
                the module's `prepare_worker(slot)`, if it has one, is called once in each fresh worker
    preload     modules imported after it, before the first fork, so that no worker pays for them
    hooks       the user's own code, imported after them
    extra_path  folders appended to the import path
    """

    function: str = "nertune.trials.run:run_job"
    preload: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()
    extra_path: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        return self.function.partition(":")[0]


@dataclass(frozen=True)
class LoadedCode:
    """The same, imported."""

    run: Callable[[dict[str, Any], Channel, Slot], dict[str, Any]]
    prepare: Callable[[Slot], object] = field(default=lambda _slot: None)


def load_code(code: JobCode) -> LoadedCode:
    """Import the job's function. Raises whatever its module raises, ValueError or AttributeError for a wrong name.

    Raises  HookError for code of the user's own that cannot be used
    """
    module = import_module(code.module)
    for name in code.preload:
        import_module(name)
    for name, key, kind in code.hooks:
        load_hook(name, key=key, kind=kind)
    prepare = getattr(module, "prepare_worker", None)
    run = getattr(module, code.function.partition(":")[2])
    return LoadedCode(run) if prepare is None else LoadedCode(run, prepare)


def check_slots(slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """The slots as a tuple. Raises ValueError unless they are numbered 0, 1, 2, … and there is one."""
    if not slots or [slot.index for slot in slots] != list(range(len(slots))):
        raise ValueError(f"slots must be numbered from 0 without a gap, not {[slot.index for slot in slots]}")
    return tuple(slots)
