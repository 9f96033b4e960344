"""What kind of fault ended a job, which is what decides whether it is tried again."""

from __future__ import annotations

import errno
import signal
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import nertune
from nertune.errors import DISK_FULL, UserError, shown_path
from nertune.hooks import is_hook_file

FaultKind = Literal["oom", "nan", "disk-full", "bad-data", "bug"]

MAX_TRACEBACK = 20_000  # characters; the end is kept, where the error stands
PACKAGE = Path(nertune.__file__).parent
ROOM = Path(__file__).parent

# Allocators say so in words only: torch on CPU, CUDA (twice), cuBLAS, Apple's MPS.
OOM_WORDS = (
    "can't allocate memory",
    "DefaultCPUAllocator: not enough memory",
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)
# safetensors (Rust) and SQLite raise classes of their own, without an errno.
DISK_FULL_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full")


@dataclass(frozen=True, slots=True)
class Fault:
    """An exception of a job as plain data.

    type       the exception's class with its module
    where      "file:line" of the innermost frame in nertune or a hook, else of the innermost; None without a traceback
    traceback  its text, at most MAX_TRACEBACK characters
    error      `NertuneError.to_json()` of a user's error, else None
    """

    kind: FaultKind
    message: str
    type: str
    where: str | None
    traceback: str
    error: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def classify(problem: BaseException) -> Fault:
    """The fault that this exception is, its causes and contexts considered."""
    return Fault(
        kind=_kind(problem),
        message=_text(problem),
        type=f"{type(problem).__module__}.{type(problem).__qualname__}",
        where=_where(problem),
        traceback="".join(traceback.format_exception(problem))[-MAX_TRACEBACK:],
        error=problem.to_json() if isinstance(problem, UserError) else None,
    )


def died_kind(status: int | None, *, oom_kills_before: int, oom_kills_after: int) -> Literal["oom", "lost"]:
    """Why a worker is gone, from its exit status (-9: killed by signal 9; None: unknown)."""
    killed = status == -signal.SIGKILL
    return "oom" if killed and oom_kills_after > oom_kills_before else "lost"


def _kind(problem: BaseException) -> FaultKind:
    chain = list(_chain(problem))
    for kind, matches in TESTS.items():
        if any(matches(link) for link in chain):
            return kind
    # A user's error that was caught and followed by a bug of ours is a bug: only the last exception counts here.
    return "bad-data" if isinstance(problem, UserError) else "bug"


def _is_disk_full(problem: BaseException) -> bool:
    full = isinstance(problem, OSError) and problem.errno in DISK_FULL
    return full or any(words in _text(problem) for words in DISK_FULL_WORDS)


def _is_oom(problem: BaseException) -> bool:
    names = {cls.__name__ for cls in type(problem).__mro__}  # by name: the coordinator never imports torch
    if isinstance(problem, MemoryError) or "OutOfMemoryError" in names:
        return True
    if isinstance(problem, OSError):
        return problem.errno == errno.ENOMEM
    return isinstance(problem, RuntimeError) and any(words in _text(problem) for words in OOM_WORDS)


def _is_nan(problem: BaseException) -> bool:
    return getattr(problem, "fault_kind", None) == "nan"


TESTS: dict[FaultKind, Callable[[BaseException], bool]] = {
    "disk-full": _is_disk_full,
    "oom": _is_oom,
    "nan": _is_nan,
}


def _chain(problem: BaseException) -> Iterator[BaseException]:
    """The exception, all that it stands on, and the members of groups; each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [problem]
    while waiting:
        link = waiting.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        members = link.exceptions if isinstance(link, BaseExceptionGroup) else ()
        waiting += [link.__cause__, None if link.__suppress_context__ else link.__context__, *members]


def _text(problem: BaseException) -> str:
    try:
        return str(problem)
    except Exception:  # a foreign __str__ that is itself broken
        return f"(a {type(problem).__name__} that cannot be shown)"


def _where(problem: BaseException) -> str | None:
    frames = [(frame, line) for frame, line in traceback.walk_tb(problem.__traceback__)]
    ours = [(frame, line) for frame, line in frames if _is_ours(frame)]
    if not frames:
        return None
    frame, line = (ours or frames)[-1]
    path = Path(frame.f_code.co_filename)
    return f"{_shown(path)}:{line}"


def _shown(path: Path) -> str:
    if path.is_relative_to(PACKAGE):
        return str(path.relative_to(PACKAGE.parent))
    return shown_path(path) if is_hook_file(path) else str(path)


def _is_ours(frame: FrameType) -> bool:
    """Whether the frame is nertune's, this room apart, which is below every job, or that of a user's own code."""
    path = Path(frame.f_code.co_filename)
    return (path.is_relative_to(PACKAGE) and not path.is_relative_to(ROOM)) or is_hook_file(path)
