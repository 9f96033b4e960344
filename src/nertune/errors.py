"""What goes wrong, where, and what to type: the errors that every room raises."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS)
MAKE_ROOM = "Make room and give the same command again"  # what there is to do about a full disk


@dataclass(frozen=True, order=True)
class Where:
    """A place in a file: shown as `path:line`, the path as short as it can be from here."""

    path: Path
    line: int | None = None  # counted from 1

    def __str__(self) -> str:
        path = shown_path(self.path)
        return path if self.line is None else f"{path}:{self.line}"


class NertuneError(Exception):
    """Root of the tree. `exit_code` is what the command line returns (design: 1 is our own bug).

    message  what is wrong, with the value found and what was expected
    where    the file and line, if there is one
    fix      what to type or write instead
    """

    exit_code = 1

    def __init__(self, message: str, *, where: Where | None = None, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        head = self.message if self.where is None else f"{self.where}: {self.message}"
        return head if self.fix is None else f"{head}\n    {self.fix}"

    def to_json(self) -> dict[str, Any]:
        """The error as plain data, so that a worker process can report it."""
        return {
            "kind": type(self).__name__,
            "message": self.message,
            "path": str(self.where.path) if self.where else None,
            "line": self.where.line if self.where else None,
            "fix": self.fix,
            "problems": [problem.to_json() for problem in self.problems] if isinstance(self, Problems) else [],
        }


class UserError(NertuneError):
    """The input or the data is wrong: exit code 2, no traceback."""

    exit_code = 2


class StudyFileError(UserError):
    """A study file that cannot be read or holds a wrong key or value."""


class DataError(UserError):
    """Annotated files that cannot be read as what they should be."""


class ModelError(UserError):
    """A base model or tokenizer that is missing, incomplete or of the wrong kind."""


class HookError(UserError):
    """Code of the user's own that a study names, and that cannot be used."""


class StudyConflictError(UserError):
    """A folder, database or record that belongs to something else, or to an older form of the study."""


class Problems(UserError):
    """Several problems told at once, in the order of files and lines."""

    def __init__(self, problems: Sequence[UserError], *, ending: str = "Nothing was started.") -> None:
        self.problems = tuple(sorted(problems, key=_by_place))
        self.ending = ending
        super().__init__(f"{len(problems)} problem{'s' * (len(problems) != 1)}")

    def __str__(self) -> str:
        return "\n".join([*(str(problem) for problem in self.problems), f"{self.message}. {self.ending}"])


class NoScoreError(NertuneError):
    """The search finished, but no trial gave a finite score."""

    exit_code = 3


class StoppedError(NertuneError):
    """Stopped for now with the state saved: SIGTERM, or the disk is full."""

    exit_code = 75


class InterruptedByUserError(NertuneError):
    """Ctrl-C: the state is saved, the same command continues."""

    exit_code = 130


ERRORS = {
    cls.__name__: cls
    for cls in (
        UserError,
        StudyFileError,
        DataError,
        ModelError,
        HookError,
        StudyConflictError,
        NoScoreError,
        StoppedError,
    )
}


def error_from_json(told: dict[str, Any]) -> NertuneError:
    """The error that `to_json` wrote, with its class, place and fix."""
    if told["problems"]:
        problems = [error_from_json(problem) for problem in told["problems"]]
        return Problems([problem for problem in problems if isinstance(problem, UserError)])
    where = Where(Path(told["path"]), told["line"]) if told["path"] else None
    return ERRORS.get(told["kind"], NertuneError)(told["message"], where=where, fix=told["fix"])


def refused_by_system(error: OSError) -> NertuneError | None:
    """What there is to tell of a disk that is full or may not be used; None of other errors, which may be bugs."""
    where = Where(Path(error.filename)) if isinstance(error.filename, str) else None
    if error.errno in DISK_FULL:
        return StoppedError("the disk is full", where=where, fix=MAKE_ROOM)
    if error.errno in NOT_ALLOWED and where is not None:
        fix = f"ls -ld {shown_path(where.path.parent)}   says who may do what there"
        return UserError(f"cannot be used: {error.strerror}", where=where, fix=fix)
    return None


def raise_all(problems: Sequence[UserError], *, ending: str = "Nothing was started.") -> None:
    """Raise `Problems` if there are any; one or many look the same to the reader."""
    if problems:
        raise Problems(problems, ending=ending)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means, or None when nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def shown_path(path: Path) -> str:
    """The path relative to the working directory when it lies below it, else whole."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):  # elsewhere, or the working directory was removed
        return str(path)


def _by_place(problem: UserError) -> tuple[str, int]:
    return (str(problem.where.path), problem.where.line or 0) if problem.where else ("", 0)
