"""One job by itself, waited for: what must be known before the first cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nertune.errors import NertuneError, NoScoreError, StoppedError, error_from_json, shown_path
from nertune.execute.executor import Executor


def run_one(
    executor: Executor,
    job: Mapping[str, Any],
    *,
    log: Path,
    what: str,
    hear: Callable[[Mapping[str, Any]], None] = lambda _record: None,
) -> dict[str, Any]:
    """The outcome of a job on the first slot.

    what    names the job in messages
    hear    is given what the job tells and asks; the answer is always to continue
    Raises  the UserError that the job found, StoppedError on a full disk, NoScoreError for a loss that is not finite,
            NertuneError for any other fault
    """
    executor.submit(0, dict(job), log=log)
    while True:
        for event in executor.poll(1.0):
            if event.job != job["id"]:
                continue
            if event.kind in ("record", "ask"):
                hear(event.payload)
            if event.kind == "ask":
                executor.answer(event.slot, "continue")
            if event.kind == "done":
                return event.payload
            if event.kind == "failed":
                raise _error_of(event.payload, log=log, what=what)
            if event.kind == "died":
                raise NertuneError(f"the process for {what} died: {event.payload['message']}", fix=_see(log))


def _error_of(fault: Mapping[str, Any], *, log: Path, what: str) -> NertuneError:
    if fault["kind"] == "bad-data":
        return error_from_json(fault["error"])
    if fault["kind"] == "nan":
        return NoScoreError(f"{what}: {fault['message']}")
    if fault["kind"] == "disk-full":
        return StoppedError(f"the disk is full: {fault['message']}", fix="Make room and give the same command again")
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
