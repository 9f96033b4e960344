"""Programs that a side runs: timed from outside, each in an empty folder, their output kept there."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nertune.errors import NertuneError

HERE = Path(__file__).resolve().parent
NERTUNE = str(Path(sys.executable).with_name("nertune"))
LAST_LINES = 15  # of a side's own output, shown when it fails
LOOK_EVERY_S = 0.05
NOTHING: Mapping[str, str] = {}


class SideError(NertuneError):
    """A side ended with an error, or did not do all of its work."""


def script(name: str) -> list[str]:
    """The command of a script beside this file."""
    return [sys.executable, str(HERE / name)]


def timed(side: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str] = NOTHING) -> float:
    """Seconds that the command took, in this folder; its output goes to stdout.txt and stderr.txt there.

    Raises   SideError with the last lines of its standard error
    """
    start = time.perf_counter()
    with started(command, folder=folder, environment=environment) as process:
        code = process.wait()
        wall_s = time.perf_counter() - start
    if code != 0:
        raise ended_badly(side, code, folder=folder)
    return wall_s


@contextmanager
def started(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str] = NOTHING
) -> Iterator[subprocess.Popen[bytes]]:
    """The running command, which ends with the block, however that ends."""
    variables = {**os.environ, **environment}
    # What pip installed is compiled; the checkout would be at every start, 2 s of one, where this forbids to keep it.
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    with (folder / "stdout.txt").open("wb") as out, (folder / "stderr.txt").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=folder, env=variables)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until(is_so: Callable[[], bool], *, side: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Wait for what a running command does.

    Raises   SideError when it ends before
    """
    while not is_so():
        code = process.poll()
        if code is not None and not is_so():
            raise ended_badly(side, code, folder=folder)
        time.sleep(LOOK_EVERY_S)


def ended_badly(side: str, code: int, *, folder: Path) -> SideError:
    errors = folder / "stderr.txt"
    told = "\n    ".join(errors.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])
    return SideError(f"{side} ended with exit code {code}, see {folder}\n    {told}")


def listed(values: Sequence[float]) -> str:
    return ",".join(map(str, values))
