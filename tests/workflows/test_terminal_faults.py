"""What a terminal does to a search: it is closed, Ctrl-Z and fg, signals before the first fit."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil
import pytest
from stub_study import StubStudy, hear_signals, wait_for

Make = Callable[..., StubStudy]
SPACE = "{train.learning_rate: [1e-3, 1e-4, 1e-5, 1e-6, 3e-3, 3e-4]}"
HANGS_EARLY = "train: {weight_decay: 0.13}"


class Terminal:
    """A terminal with one command in it, whose output is read and forgotten."""

    def __init__(self) -> None:
        self._screen, self.inside = pty.openpty()
        self._closed = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        self._closed.set()
        self._reader.join()

    def _read(self) -> None:
        while not self._closed.is_set():
            if select.select([self._screen], [], [], 0.02)[0]:
                with suppress(OSError):
                    os.read(self._screen, 2**16)
        os.close(self._screen)


def start_in(terminal: Terminal, study: StubStudy, *, prelude: Callable[[], object] = lambda: None) -> subprocess.Popen:
    """The search as the foreground command of a terminal.

    prelude  what its process does before
    """

    def take_terminal() -> None:
        hear_signals()
        prelude()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    place = dict.fromkeys(("stdin", "stdout", "stderr"), terminal.inside)
    process = study.start(seconds=0.1, preexec_fn=take_terminal, **place)
    os.close(terminal.inside)
    return process


def ignore_hang_up() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def test_a_closed_terminal_ends_with_75_and_what_was_finished_is_in_the_table(stub_study: Make) -> None:
    study, terminal = stub_study(space=SPACE), Terminal()
    process = start_in(terminal, study)
    wait_for(lambda: study.n_complete() >= 2)
    terminal.close()
    assert process.wait(30) == 75
    n_complete = study.n_complete()
    assert 2 <= n_complete < 6
    assert study.trials("state").count(("complete",)) == n_complete
    assert study.finish().returncode == 0
    assert study.trials("state") == [("complete",)] * 6


@pytest.mark.slow
def test_under_nohup_a_search_outlives_its_terminal(stub_study: Make) -> None:
    study, terminal = stub_study(space=SPACE), Terminal()
    process = start_in(terminal, study, prelude=ignore_hang_up)
    wait_for(lambda: study.n_complete() >= 1)
    terminal.close()
    assert process.wait(30) == 0
    assert study.trials("state", "attempts") == [("complete", "1")] * 6


def test_after_ctrl_z_and_fg_the_search_goes_on_where_it_stood(stub_study: Make) -> None:
    study = stub_study(space=SPACE)
    process = study.start(seconds=0.1, start_new_session=False, process_group=0)  # the kernel stops no lone session
    wait_for(lambda: study.n_complete() >= 2)
    os.killpg(process.pid, signal.SIGTSTP)
    wait_for(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    n_complete = study.n_complete()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert study.n_complete() == n_complete < 6
    os.killpg(process.pid, signal.SIGCONT)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert study.trials("state", "attempts") == [("complete", "1")] * 6


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow), (signal.SIGTERM, 75)]
)
def test_a_signal_before_the_first_fit_ends_in_good_order_too(
    stub_study: Make, number: signal.Signals, code: int
) -> None:
    study = stub_study(more=HANGS_EARLY)
    process = study.start()
    wait_for(lambda: (study.output / "logs" / "prepare.log").exists())
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == code
    assert f"Continue with: nertune search {study.path}" in told
