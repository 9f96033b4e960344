"""Messages between processes: one JSON object a line, each with a "type". NaN passes as Python writes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MAX_LINE_BYTES = 16 * 2**20  # a record has some hundred bytes; more than this is a program gone wild


class BrokenMessageError(Exception):
    """What came is not a message."""


def encode(message: dict[str, Any]) -> bytes:
    """The message as one line. Raises TypeError or ValueError if it is not JSON."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class LineReader:
    """Messages from bytes that arrive in arbitrary pieces; an unfinished line waits for its rest."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._n_bytes = 0

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that these bytes complete. Raises BrokenMessageError at the first that is none."""
        head, newline, rest = data.rpartition(b"\n")
        if newline:
            whole = b"".join([*self._pieces, head])
            self._pieces, self._n_bytes = [], 0
        self._keep(rest)
        if newline:
            yield from map(_parse, whole.split(b"\n"))
        if self._n_bytes > MAX_LINE_BYTES:
            raise BrokenMessageError(f"a message longer than {MAX_LINE_BYTES} bytes")

    def _keep(self, rest: bytes) -> None:
        if rest:
            self._pieces.append(rest)
            self._n_bytes += len(rest)


def _parse(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        raise BrokenMessageError(f"not JSON: {line[:80]!r}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BrokenMessageError(f"not a message: {line[:80]!r}")
    return message
