"""The coordinator's handle on its template process (template.py)."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

from nertune.execute.connection import Connection
from nertune.execute.executor import JobCode

TAIL_BYTES = 2000
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
SLACK = 0.5  # of a core: what a machine that does nothing else may show as its load


def template_environment(threads: int) -> dict[str, str]:
    """The environment of template and workers: what must be set before numerics start."""
    return {
        **os.environ,
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "TOKENIZERS_PARALLELISM": "false",  # its threads would not survive the fork of a data loader
        "PYTHONHASHSEED": "0",  # sets of strings have one order in all workers
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking for GPUs while importing must not start CUDA before the fork
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **_waiting(threads),
    }


def _waiting(threads: int) -> dict[str, str]:
    """How long threads of an operation wait for each other without sleeping, where cores are short.

    GNU's OpenMP, with which torch comes on Linux, spins 300,000 times. What runs on the other thread's core instead of
    it then does so for as long again, at every operation: a fit of two threads took four times as long.
    """
    is_told = any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"))
    is_short = _load() + threads > (os.cpu_count() or 1) + SLACK
    return {"GOMP_SPINCOUNT": "10000"} if threads > 1 and is_short and not is_told else {}


def _load() -> float:
    """How many cores were wanted in the last minute, on average; 0 where the system does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


class TemplateProcess:
    """A running template: its connection, and what must be known about its health.

    It begins with the module of the job's function, which nearly all of its time goes into; what else to import is said
    when it is `load`ed.

    asked_at   monotonic time at which it was asked to import the job's code
    loaded_at  monotonic time at which it had done so; None until then
    """

    connection: Connection  # once there is somebody to hear it

    def __init__(self, code: JobCode, *, threads: int) -> None:
        self.loaded_at: float | None = None
        self._begun_with = _beginning(code, threads=threads)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        self._sock, theirs = socket.socketpair()
        self._hang_up = self._sock.close
        try:
            self._process = self._spawn(code, sock=theirs, threads=threads)
        except OSError:
            self._sock.close()
            self._output.close()
            raise
        finally:
            theirs.close()

    def load(self, code: JobCode, *, selector: selectors.BaseSelector, handle: Callable[[], None]) -> None:
        """Ask for the rest; from now on what it says is handled."""
        self.asked_at = time.monotonic()
        self.connection = Connection(self._sock, selector=selector, handle=handle)
        self._hang_up = self.connection.close
        self.connection.send({"type": "load", "code": asdict(code)})

    def is_for(self, code: JobCode, *, threads: int) -> bool:
        """Whether it can go on to this code."""
        return self._begun_with == _beginning(code, threads=threads)

    def _spawn(self, code: JobCode, *, sock: socket.socket, threads: int) -> subprocess.Popen[bytes]:
        begin_with = json.dumps([code.module, code.extra_path])
        # -P: a file of the working directory must not shadow a package. Own session: Ctrl-C is the coordinator's.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "nertune.execute.template", str(sock.fileno()), begin_with],
            env=template_environment(threads),
            pass_fds=(sock.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self, *, patience_s: float) -> bool:
        """Let the template end its workers and itself; False if it was dead already or had to be killed."""
        self._hang_up()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        return self._process.returncode == 0

    def last_words(self) -> str:
        """The end of what was printed while no job ran."""
        file = self._output.fileno()  # read without seeking: the position is shared with those who write
        tail = os.pread(file, TAIL_BYTES, max(0, os.fstat(file).st_size - TAIL_BYTES))
        return tail.decode(errors="replace").strip()


def _beginning(code: JobCode, *, threads: int) -> tuple[object, ...]:
    return code.module, code.extra_path, threads


# ---- before it is known what for

_ahead: list[TemplateProcess] = []  # at most one


@contextmanager
def launched_ahead() -> Iterator[None]:
    """Have a template import what the workers of nearly every study need, while it is found out which study it is.

    The first executor of this block takes it, if it suits; else it is ended, at the latest with the block.
    """
    with suppress(OSError):  # who needs one tries again, and tells
        _ahead.append(TemplateProcess(JobCode(), threads=1))
    try:
        yield
    finally:
        drop_ahead()


def drop_ahead() -> None:
    """End the template that nobody took, if there is one."""
    while _ahead:
        _ahead.pop().end(patience_s=0.0)


def take_template(code: JobCode, *, threads: int) -> TemplateProcess:
    """The one that was launched ahead, if it suits, or a new one.

    Raises  OSError if the system refuses
    """
    if _ahead and _ahead[0].is_for(code, threads=threads):
        return _ahead.pop()
    drop_ahead()
    return TemplateProcess(code, threads=threads)
