"""Who is at work on a study: the lease in its row, and whether the process that holds it still lives."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from nertune.errors import StudyConflictError, Where
from nertune.results.database import LEASE_S, Database, StudyRow
from nertune.results.ownership import read_holder

SAME_S = 0.5  # of two starts: so near, they are one


@dataclass(frozen=True)
class Holder:
    """The process that writes a study, as its lease tells.

    seen_s      seconds since it renewed the lease
    since       when it took the folder's lock, ISO 8601; None where that cannot be known
    is_stopped  it stands still, as after Ctrl-Z; of another machine's nobody can tell
    """

    host: str
    pid: int
    seen_s: float
    since: str | None = None
    is_stopped: bool = False


def holder_of(database: Database, study: StudyRow) -> Holder | None:
    """Who is at work on a study now; None: nobody who lives. Looks only."""
    owner, seen_s = database.lease(study)
    if not owner or not (_is_me(owner) or _is_alive(owner, seen_s=seen_s)):
        return None
    lock = read_holder(Path(study.output))
    since = lock.get("started") if lock.get("pid") == owner["pid"] else None
    is_here = owner["host"] == socket.gethostname()
    return Holder(owner["host"], owner["pid"], seen_s, since, is_here and _is_stopped(owner["pid"]))


def refuse_held(database: Database, study: StudyRow) -> None:
    """The study's row has one writer, too: the folder's lock does not help with another folder or machine."""
    owner, seen_s = database.lease(study)
    if owner and _is_alive(owner, seen_s=seen_s):
        raise StudyConflictError(
            f"the study {study.name} is being written by process {owner['pid']} on {owner['host']}",
            where=Where(Path(study.output)),
            fix="Wait for it, or stop it: both would write the same cells",
        )


def _is_alive(owner: Mapping[str, Any], *, seen_s: float) -> bool:
    """Whether the holder of a lease can still be at work; one on another machine is believed for LEASE_S seconds.

    One on this machine is asked for by its number, and not by when it was seen: it may stand still, as after Ctrl-Z.
    """
    me = this_process()
    if owner["host"] != me["host"]:
        return seen_s < LEASE_S
    if owner["pid"] == os.getpid():
        return False
    try:
        holder = psutil.Process(owner["pid"])
        # A killed process whose parent has not asked for it yet (in a container, maybe never) is a zombie, and dead.
        return holder.status() != psutil.STATUS_ZOMBIE and abs(owner["started"] - process_started(holder.pid)) < SAME_S
    except psutil.Error:
        return False


def _is_stopped(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def _is_me(owner: Mapping[str, Any]) -> bool:
    me = this_process()
    same = all(owner[name] == me[name] for name in ("host", "pid"))
    return same and abs(float(owner["started"]) - float(me["started"])) < SAME_S


def this_process() -> dict[str, Any]:
    """Host, pid and start of this process: a pid alone is given to another one some day."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": process_started(os.getpid())}


def process_started(pid: int) -> float:
    """When a process began, in seconds; on Linux since the machine did, which no setting of the clock moves."""
    if not sys.platform.startswith("linux"):
        return float(psutil.Process(pid).create_time())
    since_boot = psutil.boot_time()  # first: psutil makes its dates of the one that was asked for last
    return float(psutil.Process(pid).create_time()) - float(since_boot)
