"""The record: studies, cells, attempts, runs, steps and scores in one database, through SQLAlchemy.

These tables are the truth. Optuna's study and the Aim runs are made from them and can be made again.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Literal

import sqlalchemy as sa

from nertune.errors import MAKE_ROOM, NertuneError, StoppedError, StudyConflictError, Where
from nertune.results.records import SplitScores, StepRecord, without_nan

BUSY_TIMEOUT_MS = 60_000
READER_TIMEOUT_S = 5.0  # for a writer's turn to end, where the file has no write-ahead log
LOOK_AGAIN_S = 0.02  # while another process makes tables
LEASE_S = 60.0  # a lease not renewed for so long belongs to nobody
# A full disk as SQLite and the system tell it; the files beside a database are then an "I/O error".
NO_ROOM = ("disk is full", "disk I/O error", "No space left", "quota exceeded")

Stage = Literal["search", "candidate", "final", "size"]
CellState = Literal["waiting", "running", "paused", "complete", "pruned", "failed", "interrupted"]
OPEN_STATES = ("waiting", "running", "paused", "interrupted")

META = sa.MetaData()
SCHEMA = sa.Table("nertune_schema", META, sa.Column("version", sa.Integer, primary_key=True))
STUDIES = sa.Table(
    "nertune_studies",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(120), nullable=False, unique=True),
    sa.Column("task", sa.String(20), nullable=False),
    sa.Column("identity", sa.JSON, nullable=False),
    sa.Column("spec", sa.JSON, nullable=False),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("facts", sa.JSON, nullable=False),  # threads, precision, best: what is fixed or found once
    sa.Column("created", sa.String(32), nullable=False),
    sa.Column("owner", sa.JSON(none_as_null=True)),  # lease: who writes this study now
    sa.Column("owner_seen", sa.Float),
)
CELLS = sa.Table(
    "nertune_cells",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("study_id", sa.ForeignKey("nertune_studies.id"), nullable=False, index=True),
    sa.Column("stage", sa.String(10), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("point", sa.JSON, nullable=False),
    sa.Column("point_id", sa.String(16), nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("scores", sa.JSON),  # {split: {name: value}} at the best epoch
    sa.Column("best_epoch", sa.Float),
    sa.Column("best_step", sa.Integer),
    sa.Column("seconds", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("cause", sa.String(20)),
    sa.Column("message", sa.Text),
    sa.Column("rungs", sa.JSON),
    sa.UniqueConstraint("study_id", "stage", "number"),
    sa.UniqueConstraint("study_id", "stage", "point_id", "seed"),
)
ATTEMPTS = sa.Table(
    "nertune_attempts",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("cell_id", sa.ForeignKey("nertune_cells.id"), nullable=False, index=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("cause", sa.String(20)),
    sa.Column("message", sa.Text),
    sa.Column("started", sa.String(32), nullable=False),
    sa.Column("seconds", sa.Float),
    sa.UniqueConstraint("cell_id", "number"),
)
RUNS = sa.Table(
    "nertune_runs",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("attempt_id", sa.ForeignKey("nertune_attempts.id"), nullable=False, index=True),
    sa.Column("study_id", sa.ForeignKey("nertune_studies.id"), nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("stage", sa.String(10), nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),  # the point's resolved spec, flat
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("scores", sa.JSON),
    sa.Column("started", sa.String(32), nullable=False),
    sa.Column("seconds", sa.Float),
)
STEPS = sa.Table(
    "nertune_steps",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("nertune_runs.id"), nullable=False, index=True),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("epoch", sa.Float, nullable=False),
    sa.Column("split", sa.String(16), nullable=False),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("value", sa.Float),  # NULL: not finite
)
SCORES = sa.Table(
    "nertune_scores",
    META,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("nertune_runs.id"), nullable=False, index=True),
    sa.Column("split", sa.String(16), nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("value", sa.Float),
)


# What makes a record of the version before one of this version: statements, in their order. A new record has no need of
# them. Never change one that was released; add the next.
MIGRATIONS: Mapping[int, Sequence[str]] = {
    2: ("ALTER TABLE nertune_cells ADD COLUMN rungs JSON",),
}
SCHEMA_VERSION = max(MIGRATIONS)


@dataclass(frozen=True)
class StudyRow:
    """One study of the record. `facts` is what was fixed or found once: threads, precision, the best setting."""

    id: int
    name: str
    task: str
    identity: Mapping[str, Any]
    spec: Mapping[str, Any]
    output: str
    facts: Mapping[str, Any]
    created: str


@dataclass(frozen=True)
class CellRow:
    """One cell: a point (and seed) with at most one final outcome.

    rungs  where it paused so far, or was pruned, in their order: `share` of its steps, dev `scores` (the best until
           there), `seconds`
    """

    id: int
    stage: Stage
    number: int
    point: Mapping[str, Any]
    point_id: str
    seed: int
    state: CellState
    scores: Mapping[str, Mapping[str, float | None]]
    best_epoch: float | None
    best_step: int | None
    seconds: float | None
    attempts: int
    cause: str | None
    message: str | None
    rungs: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


@dataclass(frozen=True)
class AttemptRow:
    """One try at a cell, with the run that its records belong to."""

    id: int
    cell_id: int
    number: int
    run_id: int


@dataclass(frozen=True)
class RunRow:
    """One run of a cell, as those see it who look back.

    cause, message  of its attempt
    seconds         None while it runs, and for ever where its coordinator died
    attempt         number of its attempt at the cell
    """

    id: int
    study_id: int
    cell: CellRow
    attempt: int
    name: str
    state: str
    scores: Mapping[str, Mapping[str, float | None]]
    parameters: Mapping[str, Any]
    started: str
    seconds: float | None
    cause: str | None
    message: str | None

    @property
    def is_latest(self) -> bool:
        """Whether no later attempt at its cell was made."""
        return self.attempt == self.cell.attempts


@dataclass(frozen=True)
class Moment:
    """A score at one moment of a cell; value is None where it was not finite."""

    step: int
    epoch: float
    value: float | None
    split: str = "dev"


@dataclass(frozen=True)
class Settlement:
    """How an attempt ended, and what that makes of its cell.

    attempt  state of the attempt: complete | paused | pruned | failed | lost | interrupted
    cell     state of the cell: waiting when it is to be tried again
    cause    fault class (design, section 7) or None
    scores   by split, at the best epoch
    share    of the cell's steps after which it paused or was pruned; None unless it was
    """

    attempt: str
    cell: CellState
    cause: str | None = None
    message: str | None = None
    seconds: float | None = None
    best_epoch: float | None = None
    best_step: int | None = None
    scores: Mapping[str, SplitScores] | None = None
    share: float | None = None


class Database:
    """The record's tables in one database; every write is one short transaction of its own."""

    def __init__(self, engine: sa.Engine, *, journal: str | None = None) -> None:
        self.engine = engine
        self.journal = journal  # SQLite only: "wal", or "delete" where the file system cannot share memory

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One write transaction (SQLite: BEGIN IMMEDIATE, so that it waits for its turn instead of failing)."""
        try:
            with self.engine.connect().execution_options(write=True) as connection, connection.begin():
                yield connection
        except (sa.exc.DatabaseError, json.JSONDecodeError) as error:
            raise _told(error, self.engine) from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as connection:
                yield connection
        except (sa.exc.DatabaseError, json.JSONDecodeError) as error:
            raise _told(error, self.engine) from error

    # studies

    def find_study(self, name: str) -> StudyRow | None:
        with self.read() as connection:
            row = connection.execute(sa.select(STUDIES).where(STUDIES.c.name == name)).first()
        return _study(row) if row else None

    def studies(self) -> list[StudyRow]:
        with self.read() as connection:
            return [_study(row) for row in connection.execute(sa.select(STUDIES).order_by(STUDIES.c.id))]

    def add_study(
        self, name: str, *, task: str, identity: Mapping[str, Any], spec: Mapping[str, Any], output: Path
    ) -> StudyRow:
        values = {
            "name": name,
            "task": task,
            "identity": dict(identity),
            "spec": dict(spec),
            "output": str(output),
            "facts": {},
            "created": now(),
        }
        with self.write() as connection:
            connection.execute(sa.insert(STUDIES).values(values))
        found = self.find_study(name)
        assert found is not None
        return found

    def rename_study(self, study: StudyRow, *, name: str, output: Path) -> None:
        with self.write() as connection:
            connection.execute(
                sa.update(STUDIES).where(STUDIES.c.id == study.id).values(name=name, output=str(output), owner=None)
            )

    def update_study(self, study: StudyRow, **columns: Any) -> None:
        with self.write() as connection:
            connection.execute(sa.update(STUDIES).where(STUDIES.c.id == study.id).values(**columns))

    def set_facts(self, study: StudyRow, **facts: Any) -> StudyRow:
        """The study with these facts added to its record."""
        with self.write() as connection:
            row = connection.execute(sa.select(STUDIES.c.facts).where(STUDIES.c.id == study.id)).one()
            merged = without_nan({**row.facts, **facts})
            connection.execute(sa.update(STUDIES).where(STUDIES.c.id == study.id).values(facts=merged))
        return replace(study, facts=merged)

    # leases: one coordinator writes a study

    def lease(self, study: StudyRow) -> tuple[Mapping[str, Any] | None, float]:
        """Who holds the study (host, pid, started; None: nobody), and how many seconds ago they were seen."""
        with self.read() as connection:
            row = connection.execute(
                sa.select(STUDIES.c.owner, STUDIES.c.owner_seen).where(STUDIES.c.id == study.id)
            ).one()
        return row.owner, abs(time.time() - (row.owner_seen or 0.0))

    def set_lease(self, study: StudyRow, owner: Mapping[str, Any] | None) -> None:
        self.update_study(study, owner=dict(owner) if owner else None, owner_seen=time.time())

    # cells and attempts

    def cells(self, study: StudyRow, stage: Stage, *, known: Sequence[CellRow] = ()) -> list[CellRow]:
        """The cells of a stage, by number.

        known   what the study's only writer read before: those of them that have ended are not read again
        """
        query = sa.select(CELLS).where(CELLS.c.study_id == study.id, CELLS.c.stage == stage)
        ended = [cell for cell in known if not cell.is_open]
        if ended:
            numbers = [cell.number for cell in known if cell.is_open]
            query = query.where((CELLS.c.number > known[-1].number) | CELLS.c.number.in_(numbers))
        with self.read() as connection:
            read = [_cell(row) for row in connection.execute(query)]
        return sorted([*ended, *read], key=lambda cell: cell.number)

    def cell(self, cell_id: int) -> CellRow:
        with self.read() as connection:
            return _find_cell(connection, cell_id)

    def add_cell(
        self, study: StudyRow, *, stage: Stage, number: int, point: Mapping[str, Any], point_id: str, seed: int
    ) -> CellRow:
        values = {
            "study_id": study.id,
            "stage": stage,
            "number": number,
            "point": dict(point),
            "point_id": point_id,
            "seed": seed,
            "state": "waiting",
            "attempts": 0,
        }
        with self.write() as connection:
            return _find_cell(connection, _insert(connection, CELLS, **values))

    def reopen_cell(self, cell: CellRow) -> None:
        """Offer a finished or paused cell again; what its attempts came to stays in their own rows."""
        with self.write() as connection:
            connection.execute(
                sa.update(CELLS).where(CELLS.c.id == cell.id).values(state="waiting", cause=None, message=None)
            )

    def prune_cell(self, cell: CellRow, *, message: str) -> None:
        """A paused cell ends where it is, and so does its run."""
        how = {"state": "pruned", "cause": "pruned", "message": message}
        last = sa.select(sa.func.max(ATTEMPTS.c.id)).where(ATTEMPTS.c.cell_id == cell.id)
        with self.write() as connection:
            attempt = connection.execute(last).scalar_one()
            connection.execute(sa.update(CELLS).where(CELLS.c.id == cell.id).values(how))
            connection.execute(sa.update(ATTEMPTS).where(ATTEMPTS.c.id == attempt).values(how))
            connection.execute(sa.update(RUNS).where(RUNS.c.attempt_id == attempt).values(state="pruned"))

    def open_attempt(
        self, study: StudyRow, cell: CellRow, *, run_name: str, parameters: Mapping[str, Any]
    ) -> AttemptRow:
        """A new attempt at a cell, which is running from now on, and its run: that of the last attempt if it paused."""
        started = now()
        with self.write() as connection:
            last = connection.execute(
                sa.select(ATTEMPTS).where(ATTEMPTS.c.cell_id == cell.id).order_by(ATTEMPTS.c.number.desc())
            ).first()
            number = last.number + 1 if last else 1
            attempt = _insert(connection, ATTEMPTS, cell_id=cell.id, number=number, state="running", started=started)
            if last is not None and last.state == "paused":
                run = connection.execute(sa.select(RUNS.c.id).where(RUNS.c.attempt_id == last.id)).scalar_one()
                connection.execute(sa.update(RUNS).where(RUNS.c.id == run).values(attempt_id=attempt, state="running"))
            else:
                run = _insert(
                    connection,
                    RUNS,
                    attempt_id=attempt,
                    study_id=study.id,
                    name=run_name,
                    stage=cell.stage,
                    seed=cell.seed,
                    parameters=dict(parameters),
                    state="running",
                    started=started,
                )
            connection.execute(sa.update(CELLS).where(CELLS.c.id == cell.id).values(state="running", attempts=number))
        return AttemptRow(attempt, cell.id, number, run)

    def add_steps(self, run_id: int, records: Sequence[StepRecord]) -> None:
        if rows := _step_rows(run_id, records):
            with self.write() as connection:
                connection.execute(sa.insert(STEPS), rows)

    def settle(self, attempt: AttemptRow, how: Settlement, *, steps: Sequence[StepRecord] = ()) -> CellRow:
        """Close an attempt and give its cell its outcome, in one transaction.

        steps   of its run, which are not recorded yet

        The seconds of a cell and of its run are those of its last attempt and of all that paused before.
        """
        scores = {split: dict(found.overall) for split, found in (how.scores or {}).items()}
        with self.write() as connection:
            rungs = connection.execute(sa.select(CELLS.c.rungs).where(CELLS.c.id == attempt.cell_id)).scalar() or []
            seconds = how.seconds
            if seconds is not None:
                seconds += sum(rung["seconds"] for rung in rungs)
            if how.share is not None:
                rungs = [*rungs, {"share": how.share, "scores": scores.get("dev", {}), "seconds": how.seconds}]
            connection.execute(
                sa.update(ATTEMPTS)
                .where(ATTEMPTS.c.id == attempt.id)
                .values(state=how.attempt, cause=how.cause, message=how.message, seconds=how.seconds)
            )
            connection.execute(
                sa.update(RUNS)
                .where(RUNS.c.id == attempt.run_id)
                .values(state=how.attempt, scores=without_nan(scores), seconds=seconds)
            )
            connection.execute(
                sa.update(CELLS)
                .where(CELLS.c.id == attempt.cell_id)
                .values(
                    state=how.cell,
                    scores=without_nan(scores),
                    best_epoch=how.best_epoch,
                    best_step=how.best_step,
                    seconds=seconds,
                    cause=how.cause,
                    message=how.message,
                    rungs=without_nan(rungs),
                )
            )
            if rows := _label_rows(attempt.run_id, how.scores or {}):
                connection.execute(sa.insert(SCORES), rows)
            if rows := _step_rows(attempt.run_id, steps):
                connection.execute(sa.insert(STEPS), rows)
            return _find_cell(connection, attempt.cell_id)

    def close_open_attempts(self, study: StudyRow) -> int:
        """Attempts left open by a coordinator that died become `lost`, their cells wait again; how many there were."""
        mine = sa.select(CELLS.c.id).where(CELLS.c.study_id == study.id)
        with self.write() as connection:
            found = connection.execute(
                sa.update(ATTEMPTS)
                .where(ATTEMPTS.c.cell_id.in_(mine), ATTEMPTS.c.state == "running")
                .values(state="lost", cause="lost", message="the coordinator died")
            )
            connection.execute(
                sa.update(RUNS).where(RUNS.c.study_id == study.id, RUNS.c.state == "running").values(state="lost")
            )
            connection.execute(
                sa.update(CELLS).where(CELLS.c.study_id == study.id, CELLS.c.state == "running").values(state="waiting")
            )
        return int(found.rowcount)

    def attempts(self, cell: CellRow) -> list[Mapping[str, Any]]:
        """Every try at a cell as plain rows: number, state, cause, message, started, seconds."""
        query = sa.select(ATTEMPTS).where(ATTEMPTS.c.cell_id == cell.id).order_by(ATTEMPTS.c.number)
        with self.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    # runs and steps, for those who follow the record

    def runs(self, study: StudyRow, *, ids: Sequence[int] | None = None, after: int = 0) -> list[Mapping[str, Any]]:
        """Runs of a study with an id above `after`, or those named."""
        chosen = RUNS.c.id.in_(ids) if ids is not None else RUNS.c.id > after
        query = sa.select(RUNS).where(RUNS.c.study_id == study.id, chosen).order_by(RUNS.c.id)
        with self.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def all_runs(self) -> list[RunRow]:
        """Every run of every study, in the order in which they began."""
        told = [ATTEMPTS.c.cell_id, ATTEMPTS.c.number, ATTEMPTS.c.cause, ATTEMPTS.c.message]
        query = sa.select(RUNS, *told).join(ATTEMPTS, ATTEMPTS.c.id == RUNS.c.attempt_id).order_by(RUNS.c.id)
        with self.read() as connection:
            cells = {row.id: _cell(row) for row in connection.execute(sa.select(CELLS))}
            return [_run(row, cells[row.cell_id]) for row in connection.execute(query)]

    def last_evaluation(self, run_id: int, name: str) -> Moment | None:
        """The newest value of a dev score of a run, of whichever of its fits."""
        query = (
            sa.select(STEPS.c.step, STEPS.c.epoch, STEPS.c.value, STEPS.c.split)
            .where(STEPS.c.run_id == run_id, STEPS.c.name == name, STEPS.c.split.startswith("dev"))
            .order_by(STEPS.c.id.desc())
            .limit(1)
        )
        with self.read() as connection:
            row = connection.execute(query).first()
        return Moment(row.step, row.epoch, row.value, row.split) if row else None

    def last_moment(self, run_id: int) -> Moment | None:
        """The newest step of a run that anything was recorded of."""
        query = (
            sa.select(STEPS.c.step, STEPS.c.epoch, STEPS.c.split)
            .where(STEPS.c.run_id == run_id)
            .order_by(STEPS.c.id.desc())
            .limit(1)
        )
        with self.read() as connection:
            row = connection.execute(query).first()
        return Moment(row.step, row.epoch, None, row.split) if row else None

    def steps(self, run_id: int, *, after: int = 0, limit: int = 10_000) -> list[Mapping[str, Any]]:
        """Steps of a run in the order they were recorded, those with an id above `after`."""
        query = sa.select(STEPS).where(STEPS.c.run_id == run_id, STEPS.c.id > after).order_by(STEPS.c.id).limit(limit)
        with self.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def curves(self, study: StudyRow, stage: Stage, *, split: str, name: str) -> dict[int, list[Moment]]:
        """One score of all cells of a stage, by their numbers; of a step that several attempts reached, the last's."""
        query = (
            sa.select(CELLS.c.number, STEPS.c.step, STEPS.c.epoch, STEPS.c.value)
            .join(ATTEMPTS, ATTEMPTS.c.cell_id == CELLS.c.id)
            .join(RUNS, RUNS.c.attempt_id == ATTEMPTS.c.id)
            .join(STEPS, STEPS.c.run_id == RUNS.c.id)
            .where(CELLS.c.study_id == study.id, CELLS.c.stage == stage)
            .where(STEPS.c.split == split, STEPS.c.name == name)
            .order_by(STEPS.c.id)
        )
        found: dict[int, dict[int, Moment]] = {}
        with self.read() as connection:
            for number, step, epoch, value in connection.execute(query):
                found.setdefault(number, {})[step] = Moment(step, epoch, value)
        return {number: [moments[step] for step in sorted(moments)] for number, moments in found.items()}

    def label_scores(self, run_id: int) -> list[Mapping[str, Any]]:
        query = sa.select(SCORES).where(SCORES.c.run_id == run_id).order_by(SCORES.c.id)
        with self.read() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


def open_database(storage: str, *, must_exist: bool = False) -> Database:
    """The record at a SQLite path or a database URL, its tables made when they are missing.

    Raises  StudyConflictError when the file cannot be opened or was written by a newer nertune
    """
    path = sqlite_path(storage)
    if path is None:
        return _open_server(storage)
    if must_exist and not path.exists():
        raise StudyConflictError("there is no record yet", where=Where(path), fix="nertune search STUDY   makes it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with schema_lock(storage):
            database = Database(_sqlite_engine(path))
            database.journal = _set_journal(path)
            return _with_tables(database, storage)
    except (OSError, sqlite3.Error, sa.exc.DatabaseError) as error:
        reason = str(error.strerror if isinstance(error, OSError) else getattr(error, "orig", error))
        if any(words in reason for words in NO_ROOM):
            raise _no_room(reason, where=Where(path)) from None
        if "malformed" in reason:
            raise _damaged(reason, where=Where(path)) from None
        if "locked" in reason:
            raise _locked(where=Where(path)) from None
        raise StudyConflictError(
            f"the record cannot be opened for writing: {reason}",
            where=Where(path),
            fix="Check the permissions of the file and of its folder, or name another file: --set storage=PATH",
        ) from None


def _open_server(url: str) -> Database:
    """The record on a database server; every way in which it cannot be reached is the user's to mend."""
    database = _reach(url)
    with _server_told():
        return _with_tables(database, url)


def _reach(url: str) -> Database:
    with _server_told():
        return Database(sa.create_engine(url, pool_pre_ping=True, json_serializer=_dump_json))


@contextmanager
def _server_told() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise StudyConflictError(
            f"storage: the Python package {error.name} is needed for this database", fix=f"pip install {error.name}"
        ) from None
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, sa.exc.DatabaseError) as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise StudyConflictError(
            f"storage: the database cannot be opened: {reason}",
            fix="A SQLite file needs nothing else: storage: nertune.db",
        ) from None


def open_snapshot(storage: str) -> Database:
    """The record as it is now, for those who only look: nothing is written, nobody is kept waiting.

    Of a SQLite file it is a copy in memory, brought to this version's tables there; the file may be on a read-only
    disk.

    Raises  StudyConflictError when there is no record, or it cannot be read; StoppedError when it is locked for long
    """
    path = sqlite_path(storage)
    if path is None:
        return _look_at_server(storage)
    if not path.exists():
        raise StudyConflictError("there is no record here", where=Where(path), fix="nertune search STUDY   makes one")
    try:
        database = Database(_engine_of(_copy(path)))
        version = _schema_version(database)
        if version is None:
            raise StudyConflictError("holds no record of nertune", where=Where(path))
        return _with_tables(database, storage)
    except (OSError, sqlite3.Error, sa.exc.DatabaseError) as error:
        raise _unreadable(error, where=Where(path)) from None


def _look_at_server(url: str) -> Database:
    """The record on a server, which keeps readers and writers apart itself; its tables have to be there."""
    database = _reach(url)
    with _server_told():
        version = _schema_version(database)
    if version != SCHEMA_VERSION:
        told = "holds no record of nertune" if version is None else f"has schema version {version}"
        raise StudyConflictError(
            f"storage: the database {told}, this nertune reads {SCHEMA_VERSION}", fix="nertune best STUDY   updates it"
        )
    return database


def _copy(path: Path) -> sqlite3.Connection:
    """The whole file in memory, as it was at one moment.

    A file with write-ahead logging that nobody has open has no -wal beside it, and opening it would leave one, of the
    reader's own user. It is read without (`immutable`), and again if somebody opened it meanwhile.
    """
    log = path.with_name(path.name + "-wal")
    while True:
        is_alone = _has_log(path) and not log.exists()
        uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' * is_alone}"
        with closing(sqlite3.connect(uri, uri=True, timeout=READER_TIMEOUT_S, isolation_level=None)) as source:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()  # waits for its turn here; `backup` forever
            memory = sqlite3.connect(":memory:", check_same_thread=False)
            source.backup(memory)
        if not (is_alone and log.exists()):
            return memory
        memory.close()


def _has_log(path: Path) -> bool:
    """Whether the file uses write-ahead logging: byte 18 of its header (SQLite, database file format, 1.3)."""
    with path.open("rb") as stream:
        return stream.read(19)[18:] == b"\x02"


def _engine_of(memory: sqlite3.Connection) -> sa.Engine:
    return sa.create_engine(
        "sqlite://", creator=lambda: memory, poolclass=sa.pool.StaticPool, json_serializer=_dump_json
    )


def _unreadable(error: Exception, *, where: Where) -> NertuneError:
    reason = str(error.strerror if isinstance(error, OSError) else getattr(error, "orig", error))
    if "malformed" in reason:
        return _damaged(reason, where=where)
    if "locked" in reason:
        return StoppedError(
            f"the record was locked by another program for more than {READER_TIMEOUT_S:g} s",
            where=where,
            fix="Give the same command again",
        )
    if "not a database" in reason:
        return StudyConflictError("is no database", where=where)
    if isinstance(error, OSError):
        return StudyConflictError(f"the record cannot be read: {reason}", where=where, fix="Check its permissions")
    return StudyConflictError(
        f"the record cannot be read: {reason}",
        where=where,
        fix="A file that is being written on a read-only or network mount cannot be opened: look where it is written, "
        "or copy it with its -wal file",
    )


def sqlite_path(storage: str) -> Path | None:
    """The file of a SQLite storage (a path or a sqlite:/// URL), None for other databases."""
    if "://" not in storage:
        return Path(storage)
    if not storage.startswith("sqlite"):
        return None
    url = sa.make_url(storage)
    return Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None


def storage_url(storage: str) -> str:
    """The URL under which SQLAlchemy and Optuna open the same storage."""
    path = sqlite_path(storage)
    return storage if path is None else f"sqlite:///{path}"


def now() -> str:
    """The time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _sqlite_engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, json_serializer=_dump_json
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours, see below
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("write") else "BEGIN")

    return engine


def _dump_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _set_journal(path: Path) -> str:
    """Write-ahead logging where the file system can, else the rollback journal."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        if mode != "wal":
            mode = str(connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0])
        return mode
    finally:
        connection.close()


def _with_tables(database: Database, storage: str) -> Database:
    version = _schema_version(database)
    if version is not None and version > SCHEMA_VERSION:
        path = sqlite_path(storage)
        raise StudyConflictError(
            f"the record has schema version {version}, this nertune knows {SCHEMA_VERSION}",
            where=Where(path) if path else None,
            fix="pip install --upgrade nertune",
        )
    if version is None:
        META.create_all(database.engine)
        with database.write() as connection:
            connection.execute(sa.insert(SCHEMA).values(version=SCHEMA_VERSION))
    else:
        _migrate(database, version)
    return database


def _migrate(database: Database, version: int) -> None:
    """Bring an older record to this version; killed at any moment, it is of a version that is written in it."""
    for number in range(version + 1, SCHEMA_VERSION + 1):
        with database.write() as connection:
            for statement in MIGRATIONS[number]:
                connection.exec_driver_sql(statement)
            connection.execute(sa.insert(SCHEMA).values(version=number))


def _schema_version(database: Database) -> int | None:
    """The newest migration that the tables went through, None when there are none yet."""
    if not sa.inspect(database.engine).has_table(SCHEMA.name):
        return None
    with database.read() as connection:
        version: int | None = connection.execute(sa.select(sa.func.max(SCHEMA.c.version))).scalar()
    return version


@contextmanager
def schema_lock(storage: str) -> Iterator[None]:
    """Only one process makes tables in a SQLite file: two studies that create one file together crash otherwise.

    Raises  StoppedError when another one keeps the lock: it stands still (Ctrl-Z) in the middle of it
    """
    path = sqlite_path(storage)
    if path is None:
        yield
        return
    with path.with_name(path.name + ".lock").open("a") as stream:
        _wait_for_lock(stream, where=Where(path))
        yield


def _wait_for_lock(stream: IO[str], *, where: Where) -> None:
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until:
                raise _locked(where=where) from None
        time.sleep(LOOK_AGAIN_S)


def _told(error: Exception, engine: sa.Engine) -> Exception:
    """A database's own error as one of ours, where the user can do something about it."""
    text = str(getattr(error, "orig", error))
    path = sqlite_path(str(engine.url)) if engine.dialect.name == "sqlite" else None
    where = Where(path) if path else None
    if any(words in text for words in NO_ROOM):
        return _no_room(text, where=where)
    if "malformed" in text or isinstance(error, json.JSONDecodeError):
        return _damaged(text, where=where)
    if "is locked" in text:
        return _locked(where=where)
    if "readonly" in text or "unable to open" in text:
        return StudyConflictError(f"the record cannot be opened: {text}", where=where, fix="Check its permissions")
    return error


def _no_room(reason: str, *, where: Where | None) -> StoppedError:
    return StoppedError(f"the record cannot be written: {reason}", where=where, fix=MAKE_ROOM)


def _damaged(reason: str, *, where: Where | None) -> StudyConflictError:
    return StudyConflictError(
        f"the record is damaged: {reason}",
        where=where,
        fix="Put a copy of the file back, or begin a new record: --set storage=PATH --set output=FOLDER",
    )


def _locked(*, where: Where | None) -> StoppedError:
    return StoppedError(
        f"the record was locked by another program for more than {BUSY_TIMEOUT_MS / 1000:g} s",
        where=where,
        fix="End that program, and give the same command again",
    )


def _insert(connection: sa.Connection, table: sa.Table, **values: Any) -> int:
    key = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    assert key is not None
    return int(key[0])


def _find_cell(connection: sa.Connection, cell_id: int) -> CellRow:
    return _cell(connection.execute(sa.select(CELLS).where(CELLS.c.id == cell_id)).one())


def _step_rows(run_id: int, records: Sequence[StepRecord]) -> list[dict[str, Any]]:
    return [
        {
            "run_id": run_id,
            "step": record.step,
            "epoch": record.epoch,
            "split": record.split,
            "name": name,
            "value": without_nan(value),
        }
        for record in records
        for name, value in record.values.items()
    ]


def _label_rows(run_id: int, scores: Mapping[str, SplitScores]) -> list[dict[str, Any]]:
    return [
        {"run_id": run_id, "split": split, "label": label, "name": name, "value": without_nan(value)}
        for split, found in scores.items()
        for label, values in found.labels.items()
        for name, value in values.items()
    ]


def _study(row: Any) -> StudyRow:
    return StudyRow(row.id, row.name, row.task, row.identity, row.spec, row.output, row.facts, row.created)


def _cell(row: Any) -> CellRow:
    return CellRow(
        id=row.id,
        stage=row.stage,
        number=row.number,
        point=row.point,
        point_id=row.point_id,
        seed=row.seed,
        state=row.state,
        scores=row.scores or {},
        best_epoch=row.best_epoch,
        best_step=row.best_step,
        seconds=row.seconds,
        attempts=row.attempts,
        cause=row.cause,
        message=row.message,
        rungs=tuple(row.rungs or ()),
    )


def _run(row: Any, cell: CellRow) -> RunRow:
    return RunRow(
        id=row.id,
        study_id=row.study_id,
        cell=cell,
        attempt=row.number,
        name=row.name,
        state=row.state,
        scores=row.scores or {},
        parameters=row.parameters,
        started=row.started,
        seconds=row.seconds,
        cause=row.cause,
        message=row.message,
    )
