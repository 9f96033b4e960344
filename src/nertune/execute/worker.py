"""A worker process: one job after another, each told over the socket, until the coordinator is gone."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nertune.execute.channel import Cancelled, Channel
from nertune.execute.executor import LoadedCode, Slot
from nertune.execute.faults import classify
from nertune.execute.wire import LineReader, encode

QUIET_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
READ_BYTES = 2**16


def work(sock: socket.socket, *, slot: Slot, code: LoadedCode) -> None:
    """Run jobs for as long as the coordinator is there. The process leads its own group already."""
    ignore_signals()
    _offer_to_oom_killer()
    slot = _claim_device(slot)
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sock, inbox), daemon=True, name="nertune-listen").start()
    send = _sender(sock)
    try:
        code.prepare(slot)
    except Exception as problem:
        send(encode({"type": "unfit", "payload": classify(problem).to_json()}))
        raise
    send(encode({"type": "ready", "payload": {"pid": os.getpid()}}))
    while True:
        _serve(inbox.get(), slot=slot, code=code, send=send, inbox=inbox)


def call_job(
    job: dict[str, Any], *, code: LoadedCode, channel: Channel, slot: Slot, show: Callable[[str], object]
) -> bytes:
    """Run one job; the message that tells its end, done or failed. Raises only Cancelled.

    show  takes the traceback of a job that failed, for its log
    """
    try:
        outcome = code.run(job, channel, slot)
        if not isinstance(outcome, dict):
            raise TypeError(f"a job's outcome must be a JSON object, not {type(outcome).__name__}")
        return encode({"type": "done", "job": job["id"], "payload": outcome})
    except Cancelled:
        raise
    except BaseException as problem:  # SystemExit, too: a job must not end the worker
        fault = classify(problem)
        with contextlib.suppress(OSError):  # the disk may be full: the fault is told all the same
            show(fault.traceback)
        return encode({"type": "failed", "job": job["id"], "payload": fault.to_json()})


def ignore_signals() -> None:
    """Live through what a terminal or service manager sends to all: the coordinator decides, and ends us with SIGKILL.

    A handler, not SIG_IGN, which every program that a job starts would inherit; forked children get the default back.
    """
    for number in QUIET_SIGNALS:
        signal.signal(number, lambda _number, _frame: None)
    os.register_at_fork(after_in_child=_restore_signals)


def _restore_signals() -> None:
    if threading.current_thread() is threading.main_thread():  # signals can be set nowhere else
        for number in QUIET_SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def _listen(sock: socket.socket, inbox: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Pass messages on; when the coordinator is gone, end this process and all it started."""
    lines = LineReader()
    try:
        while data := sock.recv(READ_BYTES):
            for message in lines.feed(data):
                inbox.put(message)
    finally:
        os.killpg(0, signal.SIGKILL)


def _sender(sock: socket.socket) -> Callable[[bytes], None]:
    lock = threading.Lock()  # a job's own threads may tell, too

    def send(line: bytes) -> None:
        with lock:
            sock.sendall(line)

    return send


def _serve(
    message: dict[str, Any],
    *,
    slot: Slot,
    code: LoadedCode,
    send: Callable[[bytes], None],
    inbox: queue.SimpleQueue[dict[str, Any]],
) -> None:
    job = message["job"]
    channel = Channel(
        send=lambda kind, payload: send(encode({"type": kind, "job": job["id"], "payload": payload})),
        receive=lambda: str(inbox.get()["verdict"]),
    )
    try:
        with _output_to(Path(message["log"])):
            end = call_job(job, code=code, channel=channel, slot=slot, show=sys.stderr.write)
    except OSError as problem:  # of the log itself: its folder cannot be made, the disk is full
        end = encode({"type": "failed", "job": job["id"], "payload": classify(problem).to_json()})
    send(end)


@contextlib.contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Standard output and error of this process, and of those it starts, are appended to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    before = os.dup(1), os.dup(2)
    _point_output(descriptor, descriptor)
    os.close(descriptor)
    try:
        yield
    finally:
        _flush()
        _point_output(*before)
        for fd in before:
            os.close(fd)


def _point_output(out: int, err: int) -> None:
    os.dup2(out, 1)
    os.dup2(err, 2)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(
            OSError, ValueError
        ):  # disk full, or closed by the job: the result stands all the same
            stream.flush()


def _offer_to_oom_killer() -> None:
    """Ask the kernel to take a worker before the coordinator when memory runs out (Linux; elsewhere nothing)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _claim_device(slot: Slot) -> Slot:
    """Make the slot's GPU the only one that this process sees, before CUDA starts; the slot as seen from in here."""
    if slot.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return slot
    kind, _, number = slot.device.partition(":")
    if kind != "cuda":
        return slot
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[int(number or 0)] if visible else number or "0"
    return replace(slot, device="cuda:0")


def report_crash() -> None:
    """Write the current exception where the template's output goes; for the last moments of a worker."""
    with contextlib.suppress(OSError):
        traceback.print_exc()
        _flush()
