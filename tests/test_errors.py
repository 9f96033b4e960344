import errno
import os
from pathlib import Path

import pytest

from nertune.errors import (
    DataError,
    InterruptedByUserError,
    ModelError,
    NertuneError,
    NoScoreError,
    Problems,
    StoppedError,
    StudyConflictError,
    StudyFileError,
    UserError,
    Where,
    closest,
    error_from_json,
    raise_all,
    refused_by_system,
    shown_path,
)


def test_error_says_where_what_and_what_to_do():
    error = DataError("one column where two are needed", where=Where(Path("train.txt"), 214), fix="Add its tag")
    assert str(error) == "train.txt:214: one column where two are needed\n    Add its tag"
    assert str(DataError("empty")) == "empty"


def test_problems_are_told_in_the_order_of_files_and_lines():
    places = [Where(Path("b.txt"), 1), Where(Path("a.txt"), 10), None, Where(Path("a.txt"), 9), Where(Path("a.txt"))]
    problems = Problems([DataError("x", where=where) for where in places], ending="Nothing was trained.")
    lines = ["x", "a.txt: x", "a.txt:9: x", "a.txt:10: x", "b.txt:1: x", "5 problems. Nothing was trained."]
    assert str(problems).splitlines() == lines


def test_one_problem_is_counted_in_the_singular_and_none_is_no_error():
    with pytest.raises(Problems, match=r"^x\n1 problem. Nothing was started.$"):
        raise_all([DataError("x")])
    raise_all([])


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (NertuneError, 1),
        (UserError, 2),
        (StudyFileError, 2),
        (DataError, 2),
        (ModelError, 2),
        (StudyConflictError, 2),
        (Problems, 2),
        (NoScoreError, 3),
        (StoppedError, 75),
        (InterruptedByUserError, 130),
    ],
)
def test_exit_codes_are_those_of_the_manual(kind, code):
    assert kind.exit_code == code


@pytest.mark.parametrize(
    "error",
    [
        DataError("bad", where=Where(Path("a"), 3), fix="mend"),
        ModelError("bad"),
        StudyConflictError("bad", where=Where(Path("a"))),
        StoppedError("full"),
        Problems([DataError("one", where=Where(Path("a"), 2)), ModelError("two", fix="so")]),
    ],
)
def test_error_of_a_worker_arrives_as_it_was(error):
    arrived = error_from_json(error.to_json())
    assert (type(arrived), str(arrived), arrived.exit_code) == (type(error), str(error), error.exit_code)


def test_error_of_an_unknown_kind_is_our_own_bug():
    told = {**DataError("bad").to_json(), "kind": "SomethingNew"}
    assert (type(error_from_json(told)), error_from_json(told).exit_code) == (NertuneError, 1)


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.ENOSPC, (75, "a/b: the disk is full\n    Make room and give the same command again")),
        (errno.EDQUOT, (75, "a/b: the disk is full\n    Make room and give the same command again")),
        (errno.EROFS, (2, "a/b: cannot be used: Read-only file system\n    ls -ld a   says who may do what there")),
        (errno.EACCES, (2, "a/b: cannot be used: Permission denied\n    ls -ld a   says who may do what there")),
    ],
)
def test_what_the_system_refuses_is_told_without_a_traceback(number, told):
    error = refused_by_system(OSError(number, os.strerror(number), "a/b"))
    assert (error.exit_code, str(error)) == told


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "x", "a"), OSError(errno.EACCES, "x"), OSError("odd")])
def test_other_errors_of_the_system_may_be_bugs(error):
    assert refused_by_system(error) is None


def test_closest_name_is_near_or_none():
    assert (closest("epoch", ["epochs", "seed"]), closest("qqqq", ["epochs"]), closest("x", [])) == (
        "epochs",
        None,
        None,
    )


def test_paths_are_shown_from_here_and_whole_from_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert shown_path(tmp_path / "here" / "a" / "b") == "a/b"
    assert shown_path(tmp_path / "else") == str(tmp_path / "else")
    (tmp_path / "here").rmdir()
    assert shown_path(tmp_path / "else") == str(tmp_path / "else")
