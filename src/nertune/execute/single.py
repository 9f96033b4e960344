"""One job by itself, or on every slot at once, waited for: what must be known before the first cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nertune.errors import MAKE_ROOM, NertuneError, NoScoreError, StoppedError, error_from_json, shown_path
from nertune.execute.executor import Event, Executor

Hear = Callable[[Mapping[str, Any]], None]


def run_one(
    executor: Executor,
    job: Mapping[str, Any],
    *,
    log: Path,
    what: str,
    hear: Hear = lambda _record: None,
    meanwhile: Iterable[object] = (),
) -> dict[str, Any]:
    """The outcome of a job on the first slot.

    what       names the job in messages
    hear       is given what the job tells and asks; the answer is always to continue
    meanwhile  gone through while workers import, which takes seconds, until one is ready
    Raises     the UserError that the job found, StoppedError on a full disk, NoScoreError for a loss that is not
               finite, NertuneError for any other fault
    """
    return _run(executor, job, slots=[0], log=log, what=what, hear=hear, meanwhile=meanwhile)[0]


def run_everywhere(executor: Executor, job: Mapping[str, Any], *, log: Path, what: str) -> list[dict[str, Any]]:
    """The outcomes of the same job on every slot at the same time.

    Raises  as `run_one`, when no slot has the job any more
    """
    slots = [slot.index for slot in executor.slots]
    return _run(executor, job, slots=slots, log=log, what=what, hear=lambda _record: None)


def _run(
    executor: Executor,
    job: Mapping[str, Any],
    *,
    slots: Sequence[int],
    log: Path,
    what: str,
    hear: Hear,
    meanwhile: Iterable[object] = (),
) -> list[dict[str, Any]]:
    ids = {f"{job['id']}-{slot}" if slot else job["id"]: slot for slot in slots}
    for name, slot in ids.items():
        executor.submit(slot, {**job, "id": name}, log=log)
    outcomes: list[dict[str, Any]] = []
    faults: list[NertuneError] = []
    for event in _events(executor, meanwhile=meanwhile):
        if event.job not in ids:
            continue
        if event.kind in ("record", "ask"):
            hear(event.payload)
        if event.kind == "ask":
            executor.answer(event.slot, "continue")
        if event.kind == "done":
            outcomes.append(event.payload)
        if event.kind == "failed":
            faults.append(_error_of(event.payload, log=log, what=what))
        if event.kind == "died":
            message = event.payload["message"]
            faults.append(NertuneError(f"the process for {what} died: {message}", fix=_see(log)))
        if len(outcomes) + len(faults) == len(ids):
            break
    if faults:
        raise faults[0]
    return outcomes


def _events(executor: Executor, *, meanwhile: Iterable[object]) -> Iterator[Event]:
    """All that happens, without end; a worker that is ready is not kept waiting by what is done meanwhile."""
    for _ in meanwhile:
        if events := executor.poll(0.0):
            yield from events
            break
    while True:
        yield from executor.poll(1.0)


def _error_of(fault: Mapping[str, Any], *, log: Path, what: str) -> NertuneError:
    if fault["kind"] == "bad-data":
        return error_from_json(fault["error"])
    if fault["kind"] == "nan":
        return NoScoreError(f"{what}: {fault['message']}")
    if fault["kind"] == "disk-full":
        return StoppedError(f"the disk is full: {fault['message']}", fix=MAKE_ROOM)
    if fault["kind"] == "oom":
        return NertuneError(
            f"out of memory in {what}: {fault['message']}",
            fix="Try --workers 1, a train.device_batch_size, or a smaller model",
        )
    return NertuneError(
        f"{what} failed: {fault['type']}: {fault['message']} ({fault['where']})\n{fault['traceback']}", fix=_see(log)
    )


def _see(log: Path) -> str:
    return f"What it printed is in {shown_path(log)}"
