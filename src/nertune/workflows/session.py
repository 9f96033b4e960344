"""A study opened for writing: its folder locked, its rows found or made, its identity checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from nertune.data.examples import Corpus
from nertune.errors import StudyConflictError, StudyFileError, Where, refused_by_system, shown_path
from nertune.results.database import Database, Stage, StudyRow, open_database, sqlite_path
from nertune.results.files import write_text
from nertune.results.layout import StudyFolder, cell_name
from nertune.results.ownership import OutputLock
from nertune.spec.fingerprint import identity_changes, study_identity
from nertune.spec.load import dump_study
from nertune.spec.study import StudySpec
from nertune.spec.yaml_lines import read_yaml
from nertune.workflows.holders import refuse_held, this_process


@dataclass
class Session:
    """An open study: this process is its only writer until the end of the `with` block."""

    spec: StudySpec
    folder: StudyFolder
    database: Database
    study: StudyRow

    def set_facts(self, **facts: Any) -> None:
        self.study = self.database.set_facts(self.study, **facts)

    def renew_lease(self) -> None:
        self.database.set_lease(self.study, this_process())


def identity_of(spec: StudySpec, corpus: Corpus) -> dict[str, Any]:
    """The study's identity with the fingerprints of train and dev; with folds there may be no dev."""
    data = {name: split.fingerprint for name, split in corpus.splits.items() if name != "test"}
    return study_identity(spec, data=data)


def find_recorded(spec: StudySpec) -> StudyRow | None:
    """The study's row, where there is one of its name. Whether it is this study only its data can tell."""
    path = sqlite_path(spec.storage)
    if path is not None and not path.exists():
        return None
    database = open_database(spec.storage)
    try:
        return database.find_study(spec.name)
    finally:
        database.close()


def not_searched(spec: StudySpec, study: Path) -> StudyConflictError:
    """What is said where a record is asked for a study that it does not know.

    study  as it was named: its file, or its folder
    """
    return StudyConflictError(
        f"the study {spec.name} has not been searched yet",
        where=Where(study),
        fix=f"nertune search {shown_path(study)}",
    )


def refuse_conflicts(
    spec: StudySpec, *, identity: Mapping[str, Any], fresh: bool = False, to_write: bool = True
) -> StudyRow | None:
    """Look, change nothing: the study's row if there is one.

    to_write  refuse, too, while another process writes the study
    Raises    StudyConflictError when the folder belongs to another study, or the study was another one before
    """
    _refuse_foreign_folder(spec)
    if to_write and spec.output.is_dir() and (spec.output / ".lock").exists():
        with OutputLock(spec.output):  # refused here, before a worker is started for nothing
            pass
    path = sqlite_path(spec.storage)
    if path is not None and not path.exists():
        return None
    database = open_database(spec.storage)
    try:
        study = database.find_study(spec.name)
        if study is not None and to_write:
            refuse_held(database, study)
        if study is not None and not fresh:
            _refuse_changes(study, identity)
        return None if fresh else study
    finally:
        database.close()


@contextmanager
def open_session(spec: StudySpec, *, identity: Mapping[str, Any], fresh: bool = False) -> Iterator[Session]:
    """The study for writing; what an earlier coordinator left in flight is open again.

    Raises  StudyConflictError as `refuse_conflicts` does, and when another process writes this study
    """
    refuse_conflicts(spec, identity=identity, fresh=fresh)
    folder = StudyFolder(spec.output)
    if fresh:
        _retire(spec)
    with _refusals_told(), OutputLock(folder.root):
        database = open_database(spec.storage)
        try:
            study = database.find_study(spec.name) or database.add_study(
                spec.name, task=spec.task, identity=identity, spec=spec.model_dump(mode="json"), output=folder.root
            )
            refuse_held(database, study)
            database.set_lease(study, this_process())
            session = Session(spec, folder, database, study)
            database.update_study(study, output=str(folder.root), spec=spec.model_dump(mode="json"))
            write_text(folder.study, dump_study(spec, folder=folder.root))
            database.close_open_attempts(study)
            _forget_ended(session)
            yield session
            database.set_lease(study, None)
        finally:
            database.close()


def _forget_ended(session: Session) -> None:
    """Remove what the attempts at cells with an outcome left: a coordinator that is killed may not come to that."""
    for stage in get_args(Stage):
        for cell in session.database.cells(session.study, stage):
            if not cell.is_open:
                session.folder.forget(cell_name(stage, cell.number))


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Whatever file it was that could not be written: the state is saved up to there, and the user can do something."""
    try:
        yield
    except OSError as error:
        told = refused_by_system(error)
        if told is None:
            raise
        raise told from None


def _refuse_foreign_folder(spec: StudySpec) -> None:
    kept = StudyFolder(spec.output).study
    if not kept.exists():
        return
    name = _name_in(kept)
    if name is None:
        raise StudyConflictError(
            "is torn, so that nobody knows whose results these are",
            where=Where(kept),
            fix=f"If they are those of {spec.name}: rm {shown_path(kept)}   and the same command again writes it anew",
        )
    if name != spec.name:
        raise StudyConflictError(
            f"this folder holds the results of the study {name}, not of {spec.name}",
            where=Where(spec.output),
            fix=f"Give {spec.name} a folder of its own: output: runs/{spec.name}",
        )


def _name_in(study_file: Path) -> str | None:
    """The study's name in the copy of its file; None where that is not whole."""
    try:
        owner = read_yaml(study_file).values
    except StudyFileError:
        return None
    return owner.get("name") if isinstance(owner, dict) else None


def _refuse_changes(study: StudyRow, identity: Mapping[str, Any]) -> None:
    changed = identity_changes(study.identity, identity)
    if changed:
        raise StudyConflictError(
            f"the study {study.name} was begun with other values of: {', '.join(changed)}",
            where=Where(Path(study.output)),
            fix="Give the new study another name, or add --fresh: it moves the old results aside and deletes nothing",
        )


def _retire(spec: StudySpec) -> None:
    """Move the study's rows and folder to NAME@n."""
    folder = StudyFolder(spec.output)
    database = open_database(spec.storage)
    try:
        study = database.find_study(spec.name)
        taken = {row.name for row in database.studies()}
        number = 1
        while f"{spec.name}@{number}" in taken or Path(f"{folder.root}@{number}").exists():
            number += 1
        moved = Path(f"{folder.root}@{number}")
        if folder.root.exists():
            with OutputLock(folder.root):
                _rename(folder.root, moved)
        if study is not None:
            database.rename_study(study, name=f"{spec.name}@{number}", output=moved)
    finally:
        database.close()


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        raise StudyConflictError(
            f"cannot be moved to {shown_path(target)}: {error.strerror}", where=Where(source)
        ) from None
