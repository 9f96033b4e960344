"""A command on all studies of a folder: one after another, and on after one that fails."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from nertune.errors import (
    InterruptedByUserError,
    NertuneError,
    NoScoreError,
    Problems,
    StoppedError,
    StudyFileError,
    UserError,
    Where,
)
from nertune.results.layout import StudyFolder
from nertune.spec.yaml_lines import read_yaml

Outcome = TypeVar("Outcome")
State = Literal["done", "refused", "no score", "failed"]

ENDINGS = (".yaml", ".yml")
KEYS_OF_A_STUDY = {"data", "model", "task"}
BUG = 1
WORST_FIRST = (BUG, UserError.exit_code, NoScoreError.exit_code)  # of exit codes; 0 is best


@dataclass(frozen=True)
class StudyRun(Generic[Outcome]):
    """What became of one study of a folder.

    outcome  None when it failed
    message  why it failed, whole; of a bug with its traceback
    cause    the same in one line
    """

    path: Path
    state: State
    exit_code: int
    outcome: Outcome | None = None
    message: str = ""
    cause: str = ""


def find_studies(folder: Path) -> list[Path]:
    """The study files of a folder and its folders, by path; what nertune wrote beside results is none.

    Raises  UserError for a folder without any
    """
    if _holds_results(folder):
        raise UserError("holds the results of a study, not studies", where=Where(folder))
    found = sorted(_yaml_files(folder))
    if not found:
        raise UserError("holds no study file (*.yaml)", where=Where(folder))
    return found


def run_folder(
    folder: Path,
    *,
    run: Callable[[Path], Outcome],
    ended: Callable[[StudyRun[Outcome]], None],
    tell: Callable[[str], None],
) -> list[StudyRun[Outcome]]:
    """Run a command on every study of a folder; Ctrl-C, SIGTERM or a full disk ends them all.

    run    the command on one study file
    ended  called after each study
    Raises UserError for a folder without studies, InterruptedByUserError, StoppedError
    """
    paths = find_studies(folder)
    runs: list[StudyRun[Outcome]] = []
    for number, path in enumerate(paths, start=1):
        tell(f"Study {number} of {len(paths)}: {Where(path)}")
        runs.append(_run_one(path, run=run))
        ended(runs[-1])
    return runs


def worst_exit_code(runs: list[StudyRun[Any]]) -> int:
    """0 when all were done; else that of the worst: 1 for a bug, 2 for a refused study, 3 for one without a score."""
    codes = {run.exit_code for run in runs}
    return next((code for code in WORST_FIRST if code in codes), 0)


def _run_one(path: Path, *, run: Callable[[Path], Outcome]) -> StudyRun[Outcome]:
    try:
        _refuse_other_yaml(path)
        return StudyRun(path, "done", 0, run(path))
    except (InterruptedByUserError, StoppedError):
        raise
    except NertuneError as error:
        return StudyRun(path, _state_of(error), error.exit_code, message=str(error), cause=_short_cause(error))
    except Exception as error:  # a bug in one study is no reason to leave the others out
        cause = f"{type(error).__name__}: {error}".partition("\n")[0]
        return StudyRun(path, "failed", BUG, message=traceback.format_exc(), cause=cause)


def _refuse_other_yaml(path: Path) -> None:
    """Raise StudyFileError for a file that has none of the keys that every study has."""
    values = read_yaml(path).values
    if not isinstance(values, dict) or not values.keys() & KEYS_OF_A_STUDY:
        named = ", ".join(sorted(KEYS_OF_A_STUDY))
        raise StudyFileError(f"is no study file: it has none of the keys {named}", where=Where(path))


def _state_of(error: NertuneError) -> State:
    if isinstance(error, UserError):
        return "refused"
    return "no score" if isinstance(error, NoScoreError) else "failed"


def _short_cause(error: NertuneError) -> str:
    first = str(error).partition("\n")[0]
    n_more = len(error.problems) - 1 if isinstance(error, Problems) else 0
    return f"{first} (and {n_more} more)" if n_more > 0 else first


def _yaml_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(".") or (path.is_symlink() and path.is_dir()):  # a link may lead back here
            continue
        if path.is_dir():
            yield from () if _holds_results(path) else _yaml_files(path)
        elif path.suffix in ENDINGS:
            yield path


def _holds_results(folder: Path) -> bool:
    """Whether a study's results lie here: its lock, or the study file that was kept of it."""
    results = StudyFolder(folder)
    return results.lock.exists() or (results.study.exists() and results.trials.exists())
