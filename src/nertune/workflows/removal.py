"""`nertune runs rm`: give disk back; the record of what was run stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertune.errors import NertuneError, StoppedError, UserError, Where, shown_path
from nertune.results.database import Database, StudyRow, open_snapshot, sqlite_path
from nertune.results.layout import StudyFolder
from nertune.results.ownership import OutputLock
from nertune.results.seed_folders import marks_of, weight_files
from nertune.spec.load import load_study
from nertune.workflows.holders import refuse_held
from nertune.workflows.run_runs import Record, Run, choose_runs, chosen_studies, find_run, read_runs

DONE_STATES = ("complete", "pruned", "failed")  # of a cell whose checkpoints nobody goes on from


@dataclass(frozen=True)
class Item:
    """A file or folder to remove.

    what  weights | checkpoints | folder | log | cache | tables
    run   id of the run that it is of; None of what belongs to the whole study
    """

    path: Path
    what: str
    n_bytes: int
    study: str
    run: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "what": self.what,
            "bytes": self.n_bytes,
            "study": self.study,
            "run": self.run,
        }


@dataclass(frozen=True)
class Removal:
    """What is to be removed: nothing was, so far.

    is_whole    of each study all that lies in its folder, if `everything` goes
    unfinished  runs that were left out, since their cells are still to be run, or go on
    """

    items: tuple[Item, ...]
    runs: tuple[Run, ...]
    studies: tuple[StudyRow, ...]
    record: Record
    is_whole: bool = False
    unfinished: int = 0

    @property
    def n_bytes(self) -> int:
        return sum(item.n_bytes for item in self.items)

    def to_json(self) -> dict[str, Any]:
        return {
            "bytes": self.n_bytes,
            "runs": [run.row.id for run in self.runs],
            "unfinished": self.unfinished,
            "items": [item.to_json() for item in self.items],
        }


def plan_removal(
    record: Record, names: Sequence[str] = (), *, where: Sequence[str] = (), everything: bool = False
) -> Removal:
    """What `rm` would remove; changes nothing.

    names       ids or names of runs
    where       conditions that runs have to meet
    everything  whole folders and logs, not weights and checkpoints alone; without names and conditions all that the
                study's own folder holds
    Raises      UserError where nothing says which runs are meant, StudyConflictError while a study is being written
    """
    if not names and not where and record.study is None:
        raise UserError("which runs?", fix="Name their ids, or --study NAME, or --where EXPR; nertune runs lists them")
    with closing(open_snapshot(record.storage)) as database:
        runs = read_runs(database, record)
        chosen = [find_run(runs, name) for name in dict.fromkeys(names)] if names else runs
        chosen = choose_runs(chosen, where)
        is_whole = not names and not where
        studies = [study for study in chosen_studies(database, record) if _is_meant(study, chosen, is_whole=is_whole)]
        for study in studies:
            _refuse_of_another_record(study, record)
            refuse_held(database, study)
        best = {study.id: _best_trial(database, study) for study in studies}
    done = [run for run in chosen if run.row.cell.state in DONE_STATES]
    found = [item for run in done for item in _of_run(run, everything=everything, best=best.get(run.study.id))]
    if is_whole:
        for study in studies:
            found += _of_study(study, everything=everything)
    return Removal(
        items=tuple(_once(found)),
        runs=tuple(done),
        studies=tuple(studies),
        record=record,
        is_whole=is_whole and everything,
        unfinished=sum(run.row.cell.state not in DONE_STATES and run.row.is_latest for run in chosen),
    )


def remove(removal: Removal) -> int:
    """Remove what was planned, the studies' folders locked meanwhile; how many bytes it gave back.

    Raises  StudyConflictError when a study has begun to be written, StoppedError where a file cannot be removed
    """
    with ExitStack() as stack:
        for study in removal.studies:
            if Path(study.output).is_dir():
                stack.enter_context(OutputLock(Path(study.output)))
        with closing(open_snapshot(removal.record.storage)) as database:
            for study in removal.studies:
                refuse_held(database, study)
        for item in removal.items:
            _remove(item.path)
        if removal.is_whole:
            for study in removal.studies:
                _remove_if_empty(StudyFolder(Path(study.output)))
    return removal.n_bytes


def _refuse_of_another_record(study: StudyRow, record: Record) -> None:
    """A record that was copied still names the folders of the original, which are not its own to remove."""
    written = StudyFolder(Path(study.output)).study
    if record.output is not None or not written.is_file():
        return
    try:
        owner, own = sqlite_path(load_study(written).storage), sqlite_path(record.storage)
    except NertuneError:  # of a version that knew other keys
        return
    if owner is not None and own is not None and owner.resolve() != own.resolve():
        raise UserError(
            f"holds the results of {study.name} as {shown_path(owner)} records them: this record is a copy",
            where=Where(Path(study.output)),
            fix="nertune runs rm --study STUDY.yaml   removes what lies where the study file says",
        )


# ---- what there is


def _is_meant(study: StudyRow, runs: Sequence[Run], *, is_whole: bool) -> bool:
    return is_whole or any(run.study.id == study.id for run in runs)


def _of_run(run: Run, *, everything: bool, best: int | None) -> list[Item]:
    """Weights and checkpoints of a run; of everything its folder, its logs and its curves for TensorBoard, too."""
    folder = StudyFolder(Path(run.study.output))
    mine = run.folder if run.row.is_latest else None
    items: list[tuple[Path, str]] = []
    if mine is not None:
        items += [(mine, "folder")] if everything else [(path, "weights") for path in weight_files(mine)]
    if run.row.is_latest and run.row.cell.stage == "search":
        if run.row.cell.number == best:
            items.append((folder.best_trial, "weights"))
        if everything:
            items.append((folder.tensorboard / run.name, "folder"))
    if run.row.is_latest:
        items.append((folder.work / run.name, "checkpoints"))
    if everything:
        items.append((run.log, "log"))
    return [_item(path, what, study=run.study.name, run=run.row.id) for path, what in items if _is_there(path)]


def _of_study(study: StudyRow, *, everything: bool) -> list[Item]:
    """What belongs to no single run: the encoded data, made anew when they are needed; else all that nertune wrote."""
    folder = StudyFolder(Path(study.output))
    items = [(folder.encoded, "cache")]
    if everything:
        items = [(folder.work, "cache"), (folder.logs, "log"), (folder.tensorboard, "folder"), (folder.sizes, "tables")]
        items += [(folder.root / "sizes", "folder"), (folder.best_trial, "weights")]
        items += [(path, "tables") for path in (folder.trials, folder.summary, folder.best, folder.study)]
        items += [(path, "folder") for path in _seed_folders(folder.root)]
    return [_item(path, what, study=study.name) for path, what in items if _is_there(path)]


def _seed_folders(root: Path) -> list[Path]:
    """Those of settings that were chosen before, too. Anything else in the folder is the user's."""
    return [path for path in sorted(root.glob("*")) if path.is_dir() and "fit_id" in marks_of(path)]


def _best_trial(database: Database, study: StudyRow) -> int | None:
    """The number of the trial whose weights `search.keep: best` has kept."""
    if not StudyFolder(Path(study.output)).best_trial.is_dir():
        return None
    from nertune.analysis.ranking import rank
    from nertune.workflows.run_runs import objective_of

    ranked = rank(database.cells(study, "search"), objective_of(study))
    return ranked[0].number if ranked else None


def _item(path: Path, what: str, *, study: str, run: int | None = None) -> Item:
    return Item(path, what, _size_of(path), study, run)


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _size_of(path: Path) -> int:
    """Bytes of a file, or of all below a folder; links count nothing, and are not followed."""
    if path.is_symlink():
        return 0
    if path.is_dir():
        return sum(_size_of(one) for one in path.iterdir())
    return path.stat().st_size


def _once(items: Iterable[Item]) -> list[Item]:
    """Each path once, and nothing inside of what goes as a whole."""
    kept: list[Item] = []
    for item in sorted(items, key=lambda one: (len(one.path.parts), one.run is None)):
        if not any(item.path == one.path or one.path in item.path.parents for one in kept):
            kept.append(item)
    return sorted(kept, key=lambda one: (one.study, -one.n_bytes))


# ---- removing


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoppedError(
            f"cannot be removed: {error.strerror}",
            where=Where(Path(error.filename) if isinstance(error.filename, str) else path),
            fix="What went before it is gone; check the permissions and give the same command again",
        ) from None


def _remove_if_empty(folder: StudyFolder) -> None:
    """The folder itself, when nothing of anyone's is left in it but the lock, which this process holds."""
    is_there = folder.root.is_dir() and not folder.root.is_symlink()
    if is_there and {path.name for path in folder.root.iterdir()} <= {folder.lock.name}:
        shutil.rmtree(folder.root, ignore_errors=True)
