"""The coordinator's end of a socket: it never waits, in neither direction."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from nertune.execute.wire import LineReader, encode

READ_BYTES = 2**20  # at most so much from one peer at a time, so that none starves the others
PIECE_BYTES = 2**16


class Connection:
    """Messages over a non-blocking socket, with a buffer for what the peer does not take yet.

    handle   called when the socket is readable; the owner then iterates over `receive`
    ended    the peer is gone, or the connection was closed
    """

    def __init__(self, sock: socket.socket, *, selector: selectors.BaseSelector, handle: Callable[[], None]) -> None:
        sock.setblocking(False)
        self.ended = False
        self._sock = sock
        self._selector = selector
        self._handle = handle
        self._lines = LineReader()
        self._outgoing: deque[tuple[bytes, int | None]] = deque()
        selector.register(sock, selectors.EVENT_READ, self._serve)

    def send(self, message: dict[str, Any], *, fd: int | None = None) -> None:
        """Send now or when the peer takes it. A descriptor sent along is ours no more."""
        if self.ended:
            _close_fd(fd)
            return
        self._outgoing.append((encode(message), fd))
        self._flush()

    def receive(self) -> Iterator[dict[str, Any]]:
        """The messages that are there. Raises BrokenMessageError at bytes that are none."""
        n_read = 0
        while not self.ended and n_read < READ_BYTES:
            data = self._read()
            if data is None:
                return
            n_read += len(data)
            yield from self._lines.feed(data)
            self.ended = self.ended or not data

    def close(self) -> None:
        """Close the socket and forget what was not sent; a second call does nothing."""
        self.ended = True
        if self._sock.fileno() >= 0:
            self._selector.unregister(self._sock)
            self._sock.close()
        while self._outgoing:
            _close_fd(self._outgoing.popleft()[1])

    def _serve(self, mask: int) -> None:
        if self._sock.fileno() < 0:
            return  # closed by the handler of another one in the same round
        if mask & selectors.EVENT_WRITE:
            self._flush()
        if mask & selectors.EVENT_READ:
            self._handle()

    def _read(self) -> bytes | None:
        try:
            return self._sock.recv(PIECE_BYTES)
        except BlockingIOError:
            return None
        except OSError:  # reset by a peer that died with unread bytes
            return b""

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._outgoing:
                self._send_first()
        if self._sock.fileno() >= 0:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
            self._selector.modify(self._sock, wanted, self._serve)

    def _send_first(self) -> None:
        data, fd = self._outgoing[0]
        try:
            n_sent = self._sock.send(data) if fd is None else socket.send_fds(self._sock, [data], [fd])
        except BlockingIOError:
            raise
        except OSError:  # the peer is gone: reading will tell
            n_sent = len(data)
        _close_fd(fd)
        self._outgoing.popleft()
        if n_sent < len(data):
            self._outgoing.appendleft((data[n_sent:], None))


def _close_fd(fd: int | None) -> None:
    if fd is not None:
        os.close(fd)
