import errno
import signal
import sqlite3
from pathlib import Path

import pytest

from nertune.errors import DataError, Where, error_from_json
from nertune.execute.faults import MAX_TRACEBACK, classify, died_kind


class OutOfMemoryError(RuntimeError):
    """As torch's own, which is known by its name."""


class LossNotFiniteError(Exception):
    fault_kind = "nan"


class UnshowableError(Exception):
    def __str__(self):
        raise RuntimeError("no")


def raised(problem, *, cause=None, context=None):
    """The exception with a traceback, raised from a cause or while another one was handled."""
    try:
        try:
            raise context or KeyError("start")
        except type(context or KeyError("start")):
            if context is not None:
                raise problem  # noqa: B904 - the implicit context is the case under test
        raise problem from cause
    except BaseException as caught:
        return caught


CASES = [
    (OutOfMemoryError("CUDA out of memory. Tried to allocate"), "oom"),
    (MemoryError(), "oom"),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), "oom"),
    (RuntimeError("CUDA error: out of memory"), "oom"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom"),
    (RuntimeError("shapes cannot be multiplied"), "bug"),
    (LossNotFiniteError("loss is nan at step 7"), "nan"),
    (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk-full"),
    (sqlite3.OperationalError("database or disk is full"), "disk-full"),
    (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "disk-full"),
    (OSError(errno.ENOENT, "No such file"), "bug"),
    (DataError("no sentence"), "bad-data"),
    (KeyError("x"), "bug"),
    (ExceptionGroup("several", [ValueError(), MemoryError()]), "oom"),
]


@pytest.mark.parametrize(("problem", "kind"), CASES, ids=[f"{kind}-{problem!r}"[:40] for problem, kind in CASES])
def test_kind_of_an_exception(problem, kind):
    assert classify(raised(problem)).kind == kind


def test_full_disk_is_found_deep_in_causes_and_contexts():
    full = OSError(errno.ENOSPC, "No space left on device")
    assert classify(raised(ValueError(), cause=raised(KeyError(), context=full))).kind == "disk-full"


def test_full_disk_behind_an_error_for_the_user_is_a_full_disk():
    assert classify(raised(DataError("cannot write"), cause=OSError(errno.ENOSPC, "full"))).kind == "disk-full"


def test_bug_while_handling_bad_data_is_a_bug():
    assert classify(raised(KeyError("x"), context=DataError("bad"))).kind == "bug"


def test_error_for_the_user_travels_whole():
    told = classify(raised(DataError("one column", where=Where(Path("a.txt"), 3), fix="add a tag"))).to_json()["error"]
    assert str(error_from_json(told)) == "a.txt:3: one column\n    add a tag"


def test_place_is_the_innermost_frame_of_nertune_above_foreign_ones():
    problem = None
    try:
        error_from_json({})  # a KeyError raised within nertune
    except KeyError as caught:
        problem = caught
    fault = classify(problem)
    assert fault.where.startswith("nertune/errors.py:")
    assert fault.type == "builtins.KeyError"


def test_place_without_nertune_is_the_innermost_frame():
    fault = classify(raised(ValueError("here")))
    assert fault.where.startswith(__file__)
    assert "ValueError: here" in fault.traceback


def test_exception_without_a_traceback_or_text_is_told_all_the_same():
    fault = classify(UnshowableError())
    assert (fault.kind, fault.where, fault.message) == ("bug", None, "(a UnshowableError that cannot be shown)")


def test_traceback_is_bounded_and_keeps_its_end():
    fault = classify(raised(ValueError("x" * 100_000 + "the end")))
    assert len(fault.traceback) == MAX_TRACEBACK
    assert fault.traceback.endswith("the end\n")


@pytest.mark.parametrize(
    ("status", "before", "after", "kind"),
    [
        (-signal.SIGKILL, 2, 3, "oom"),
        (-signal.SIGKILL, 2, 2, "lost"),
        (-signal.SIGSEGV, 2, 3, "lost"),
        (None, 2, 3, "lost"),
    ],
)
def test_kind_of_a_death(status, before, after, kind):
    assert died_kind(status, oom_kills_before=before, oom_kills_after=after) == kind
