"""The template: a clean process that has imported the heavy packages and forks workers on request.

Run as `python -m nertune.execute.template DESCRIPTOR MODULE_AND_PATH`; the coordinator starts it (launch.py). It never
runs a job, a tensor operation or a thread, so that its forks start from a state that is known to be sound.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import select
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NoReturn

from nertune.execute.executor import JobCode, LoadedCode, Slot, load_code
from nertune.execute.faults import classify
from nertune.execute.wire import LineReader, encode
from nertune.execute.worker import report_crash, work
from nertune.imports import uncollected

READ_BYTES = 2**16
MAX_FDS = 16  # descriptors in one read; the coordinator sends one with a message
BURY_S = 2.0  # how long the last workers may take to vanish at the end


def main() -> None:
    """Import the module of the job's function, then do as the coordinator says until it is gone."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    module, extra_path = json.loads(sys.argv[2])
    _settle(extra_path)
    imports = Imports(sock)
    with imports():
        import_module(module)
    Template(sock, imports=imports).serve()
    os._exit(0)  # nothing of it needs the slow farewell of an interpreter that has torch loaded


class Imports:
    """Imports that may take long or fail: the coordinator is told, and this process ends when the coordinator does."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._over, self._end = os.pipe()  # once for all: a module may leave no descriptor for the next one

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        """Import in this block."""
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            with uncollected():
                yield
        except Exception as problem:
            self._sock.sendall(encode({"type": "unloadable", "fault": classify(problem).to_json()}))
            raise SystemExit(1) from None
        finally:
            os.write(self._end, b"!")
            thread.join()  # no thread may live at the first fork
            os.read(self._over, 1)

    def close(self) -> None:
        os.close(self._over)
        os.close(self._end)

    def _watch(self) -> None:
        poller = select.poll()
        poller.register(self._sock, 0)  # 0: hang-up only; requests wait
        poller.register(self._over, select.POLLIN)
        if any(descriptor != self._over for descriptor, _ in poller.poll()):
            os.killpg(0, signal.SIGKILL)


class Template:
    """The forking loop.

    workers  the coordinator's number of each living worker, by process id
    """

    _code: LoadedCode  # which the coordinator has loaded before it asks for a worker

    def __init__(self, sock: socket.socket, *, imports: Imports) -> None:
        self._sock = sock
        self._imports = imports
        self._lines = LineReader()
        self._fds: list[int | None] = []
        self.workers: dict[int, int] = {}
        self._alarm, self._bell = socket.socketpair()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Obey until the coordinator closes its end or dies; then no worker is left."""
        try:
            self._listen_to_children()
            while self._step():
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass  # the coordinator died while we were telling it something
        finally:
            self._kill_all()

    def _step(self) -> bool:
        for key, _ in self._selector.select():
            if key.fileobj is self._alarm:
                self._alarm.recv(READ_BYTES)
            elif not self._obey():
                return False
        self._bury_dead()
        return True

    def _listen_to_children(self) -> None:
        self._alarm.setblocking(False)
        self._bell.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # only with a handler does it ring
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._alarm, selectors.EVENT_READ)
        self._selector.register(self._sock, selectors.EVENT_READ)

    def _obey(self) -> bool:
        data, fds, flags, _ = socket.recv_fds(self._sock, READ_BYTES, MAX_FDS)
        for fd in fds:
            os.set_inheritable(fd, False)
        self._fds += fds
        if flags & socket.MSG_CTRUNC and not fds:  # we have no descriptor left to receive it in
            self._fds.append(None)
        for message in self._lines.feed(data):
            if message["type"] == "load":
                self._load(JobCode(**message["code"]))
            elif message["type"] == "fork":
                self._fork(message)
            else:
                self._kill(message["worker"])
        return bool(data)

    def _load(self, code: JobCode) -> None:
        with self._imports():
            self._code = load_code(code)
        # What is shared with the workers stays shared, and no collection walks it: accelerate collects before each fit,
        # which was 0.7 of the 1.3 s of a small one. Looking for garbage first takes half a second, for less than a MiB.
        gc.freeze()
        self._tell({"type": "loaded"})

    def _kill(self, worker: int) -> None:
        for pid, number in self.workers.items():
            if number == worker:
                kill_group(pid)

    def _fork(self, message: dict[str, Any]) -> None:
        fd = self._fds.pop(0) if self._fds else None
        if fd is None:
            self._tell({"type": "fork-failed", "worker": message["worker"], "message": "too many open files"})
            return
        try:
            pid = os.fork()
        except OSError as problem:
            self._tell({"type": "fork-failed", "worker": message["worker"], "message": f"fork: {problem.strerror}"})
        else:
            if pid == 0:
                self._become_worker(fd, slot=Slot(**message["slot"]))
            self.workers[pid] = message["worker"]
            self._tell({"type": "forked", "worker": message["worker"], "pid": pid})
        os.close(fd)

    def _become_worker(self, fd: int, *, slot: Slot) -> NoReturn:
        try:
            os.setsid()
            self._forget_everything()
            work(socket.socket(fileno=fd), slot=slot, code=self._code)
        except BaseException:
            report_crash()
        finally:
            os._exit(1)

    def _forget_everything(self) -> None:
        """Close the template's descriptors in the child: its sockets must end when it dies, not when the child does."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        self._imports.close()
        for sock in (self._sock, self._alarm, self._bell):
            sock.close()
        for fd in self._fds:
            if fd is not None:
                os.close(fd)

    def _bury_dead(self) -> None:
        for pid, status in reap(list(self.workers)):
            worker = self.workers.pop(pid, None)
            if worker is not None:
                self._tell({"type": "dead", "worker": worker, "status": status})

    def _kill_all(self) -> None:
        for pid in self.workers:
            kill_group(pid)
        deadline = time.monotonic() + BURY_S
        while self.workers and time.monotonic() < deadline:
            for pid, _ in reap(list(self.workers)):
                self.workers.pop(pid, None)
            time.sleep(0.002)

    def _tell(self, message: dict[str, Any]) -> None:
        self._sock.sendall(encode(message))


def kill_group(pid: int) -> None:
    """SIGKILL for a child and all of its process group; it may have died, or not have become a leader yet."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: not permitted on a group of zombies
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def reap(pids: list[int]) -> Iterator[tuple[int, int]]:
    """Dead children with their exit statuses (negative: the signal), their groups killed with them.

    A group is killed before its leader is waited for, after which the number may be another's. Python 3.11 cannot do so
    on macOS; there it follows at once, and a number stays taken as long as its group has a member.
    """
    if not hasattr(os, "waitid"):
        yield from _reap_by_turns(pids)
        return
    with contextlib.suppress(ChildProcessError):
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
            kill_group(dead.si_pid)
            yield dead.si_pid, os.waitstatus_to_exitcode(os.waitpid(dead.si_pid, 0)[1])


def _reap_by_turns(pids: list[int]) -> Iterator[tuple[int, int]]:
    for pid in pids:
        dead, status = os.waitpid(pid, os.WNOHANG)
        if dead:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            yield pid, os.waitstatus_to_exitcode(status)


def _settle(extra_path: list[str]) -> None:
    sys.path += [folder for folder in extra_path if folder not in sys.path]
    faulthandler.enable()  # a worker that dies of a segmentation fault leaves its stack in the job's log
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # so that a killed job's last lines are kept
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: None)


if __name__ == "__main__":
    main()
