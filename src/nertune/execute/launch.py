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
from collections.abc import Callable
from dataclasses import asdict

from nertune.execute.connection import Connection
from nertune.execute.executor import JobCode

TAIL_BYTES = 2000
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


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
    }


class TemplateProcess:
    """A running template: its connection, and what must be known about its health.

    loaded_at  monotonic time at which it had imported the job's code; None until then
    """

    def __init__(
        self, code: JobCode, *, threads: int, selector: selectors.BaseSelector, handle: Callable[[], None]
    ) -> None:
        self.started_at = time.monotonic()
        self.loaded_at: float | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        ours, theirs = socket.socketpair()
        try:
            self._process = self._spawn(code, sock=theirs, threads=threads)
        except OSError:
            ours.close()
            self._output.close()
            raise
        finally:
            theirs.close()
        self.connection = Connection(ours, selector=selector, handle=handle)

    def _spawn(self, code: JobCode, *, sock: socket.socket, threads: int) -> subprocess.Popen[bytes]:
        # -P: a file of the working directory must not shadow a package. Own session: Ctrl-C is the coordinator's.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "nertune.execute.template", str(sock.fileno()), json.dumps(asdict(code))],
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
        self.connection.close()
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
