"""What a running job sees of its coordinator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Cancelled(BaseException):  # not an Exception: a job's `except Exception` must not swallow it
    """The job was killed while it ran inline; raised by its next call of the channel."""


class Channel:
    """A running job's line to the coordinator.

    send     takes a kind ("record" or "ask") and a JSON object; raises TypeError if it is not one
    receive  waits for the verdict
    """

    def __init__(self, *, send: Callable[[str, dict[str, Any]], None], receive: Callable[[], str]) -> None:
        self._send = send
        self._receive = receive

    def tell(self, record: dict[str, Any]) -> None:
        """Pass on a record; does not wait for anybody to read it."""
        self._send("record", record)

    def ask(self, record: dict[str, Any]) -> str:
        """Pass on a record and wait for the verdict on it, for example `continue`, `pause` or `stop`."""
        self._send("ask", record)
        return self._receive()
