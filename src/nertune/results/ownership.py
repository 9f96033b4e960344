"""Who owns an output folder: one coordinator at a time, for as long as its process lives."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import weakref
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nertune.errors import StudyConflictError, UserError, Where

NAME = ".lock"
MAX_BYTES = 4096


class OutputLock:
    """The lock on an output folder, held by `flock` on its file `.lock`.

    The kernel frees it when the holder ends, however it ends; the file stays and means nothing by itself. It holds JSON
    with host, pid and start time, for the message to a second coordinator. Children do not inherit the lock.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._fd: int | None = None

    def acquire(self) -> None:
        """Take the lock, making the folder if needed.

        Raises  StudyConflictError, naming the holder, if another one has it
                UserError if the folder cannot be written or its file system knows no locks
        """
        if self._fd is not None:
            return
        fd = self._open()
        try:
            self._lock(fd)
            _write(fd, _ourselves())
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        HELD.add(self)

    def release(self) -> None:
        """Free the lock; a second call does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            HELD.discard(self)
            with contextlib.suppress(OSError):  # what is inside is for messages only
                os.ftruncate(fd, 0)
            fcntl.flock(fd, fcntl.LOCK_UN)  # closing alone leaves it to a child that has been forked this moment
            os.close(fd)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as problem:
            raise UserError(
                f"nothing can be written in the output folder: {problem.strerror}",
                where=Where(self.path.parent),
                fix="--set output=FOLDER   names another one",
            ) from None

    def _lock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _conflict(self.path.parent, _read(fd)) from None
        except OSError as problem:
            name = errno.errorcode.get(problem.errno or 0, "error")
            raise UserError(
                f"the file system of the output folder knows no locks ({name}: {problem.strerror})",
                where=Where(self.path.parent),
                fix="--set output=FOLDER   names one on a local disk",
            ) from None

    def _close_in_child(self) -> None:
        if self._fd is not None:  # closing frees nothing as long as the parent holds it
            os.close(self._fd)
            self._fd = None


HELD: weakref.WeakSet[OutputLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    for lock in list(HELD):
        lock._close_in_child()


os.register_at_fork(after_in_child=_forget_in_child)


def _ourselves() -> dict[str, Any]:
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": now}


def _write(fd: int, holder: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # a full disk: the lock holds all the same, only its message is poorer
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps(holder).encode() + b"\n", 0)


def read_holder(folder: Path) -> dict[str, Any]:
    """Who wrote themselves into the folder's lock last: host, pid, started; empty where nobody did. Looks only."""
    try:
        holder = json.loads((folder / NAME).read_bytes()[:MAX_BYTES])
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _read(fd: int) -> dict[str, Any]:
    try:
        holder = json.loads(os.pread(fd, MAX_BYTES, 0))
    except (OSError, ValueError):  # locked a moment ago and not written yet
        return {}
    return holder if isinstance(holder, dict) else {}


def _conflict(folder: Path, holder: dict[str, Any]) -> StudyConflictError:
    if not holder:
        return StudyConflictError(
            "another nertune is at work in the output folder", where=Where(folder), fix="Wait until it has ended."
        )
    host, pid = holder.get("host"), holder.get("pid")
    return StudyConflictError(
        f"another nertune is at work in the output folder: process {pid} on {host}, since {holder.get('started')}",
        where=Where(folder),
        fix=f"Wait until it has ended, or stop it (its state is kept): kill {pid}",
    )
