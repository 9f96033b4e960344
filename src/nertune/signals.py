"""Signals that end a command in good order: which they are, and what they raise."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nertune.errors import StoppedError


def stopping_signals() -> list[signal.Signals]:
    """SIGTERM and SIGHUP; `nohup` has SIGHUP ignored, and it stays so."""
    return [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def stopped_by_signals(kept: str | None) -> Iterator[None]:
    """Signals end the block as Ctrl-C does, with StoppedError, which says what is `kept`; the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        raise StoppedError(f"Stopped by {signal.Signals(number).name}{f'; {kept}' if kept else ''}")

    before = {number: signal.signal(number, stop) for number in stopping_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
