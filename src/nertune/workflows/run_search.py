"""`nertune search`: which setting is best on dev."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nertune.errors import NertuneError, NoScoreError
from nertune.execute.coordinate import Limits, Work, coordinate
from nertune.execute.executor import Executor
from nertune.protocols import plan_fits
from nertune.report.progress import Progress, State
from nertune.report.tables import trial_rows
from nertune.results.database import CellRow, StudyRow, open_database
from nertune.results.files import write_csv
from nertune.results.layout import cell_name
from nertune.results.outcomes import SearchOutcome
from nertune.scores import is_minimised
from nertune.search.best import is_torn, n_since_best, rank, read_best, write_best
from nertune.search.sampler import Sampler, make_sampler
from nertune.search.storage import OptunaView
from nertune.spec.fingerprint import flatten, point_id
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec
from nertune.track.projector import open_tracker
from nertune.trials.job import Job, device_batch_size
from nertune.workflows.opening import (
    MANY,
    Opened,
    command_line,
    look_at_model,
    open_executor,
    open_study,
    plan_for,
    prepare,
    tell_checkpoint,
    tell_encoding,
    tell_findings,
    tell_trouble,
)
from nertune.workflows.session import Session, identity_of, open_session, refuse_conflicts

VIEW_EVERY_S = 2.0  # how often files and views made from the record are renewed during the search


def search(
    study_file: Path,
    *,
    progress: Progress,
    edits: Sequence[str] = (),
    workers: int | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
) -> SearchOutcome:
    """Run or continue the search of a study.

    edits         `key=value` as `--set` takes them
    workers       fits at a time, before what the study file says
    fresh         move what there is to NAME@n and begin anew
    retry_failed  offer failed cells again
    Raises        UserError (nothing was started), NoScoreError, InterruptedByUserError, StoppedError
    """
    opened = open_study(study_file, edits=edits, fresh=fresh)
    spec = opened.spec
    sampler = make_sampler(spec)
    identity = identity_of(spec, opened.corpus)
    known = refuse_conflicts(spec, identity=identity, fresh=fresh)
    tell_findings(opened, progress.say)
    if known is not None and not retry_failed and _is_over(spec, known, sampler=sampler):
        with open_session(spec, identity=identity) as session:
            _Views(session, SearchCells(session, sampler=sampler)).finish()
            return _conclude(session, sampler=sampler)
    total = cells_wanted(spec, sampler)
    plan = plan_for(opened, n_jobs=sampler.size or MANY, facts=known.facts if known else None, workers=workers)
    with open_executor(spec, plan) as executor:
        tell_checkpoint(look_at_model(executor, opened), progress.say)
        with open_session(spec, identity=identity, fresh=fresh) as session:
            told = prepare(executor, opened, session=session)
            tell_encoding(told, progress.say)
            progress.say(_plan_text(spec, plan.reason, executor, session))
            if retry_failed:
                _reopen_failed(session)
            _run_cells(session, opened, sampler=sampler, executor=executor, progress=progress, total=total)
            return _conclude(session, sampler=sampler)


def cells_wanted(spec: StudySpec, sampler: Sampler) -> int | None:
    """How many cells the study comes to; None when only its time limit ends it."""
    bounds = [bound for bound in (sampler.size, spec.search.trials) if bound is not None]
    return min(bounds) if bounds else None


def is_finished(spec: StudySpec, cells: Sequence[CellRow], *, sampler: Sampler, seconds: float) -> bool:
    """Whether nothing is left to run within the study's totals of cells and time, and its patience."""
    if is_cut_short(spec, cells, seconds=seconds):
        return True
    if any(cell.is_open for cell in cells):
        return False
    if spec.search.trials is not None and len(cells) >= spec.search.trials:
        return True
    return sampler.size is not None and sampler.next_point(cells) is None


def is_cut_short(spec: StudySpec, cells: Sequence[CellRow], *, seconds: float) -> bool:
    """Whether no cell may start although there may be some: the time is up, or nothing better came for too long."""
    search = spec.search
    is_late = search.timeout is not None and seconds >= search.timeout
    return is_late or (search.patience is not None and n_since_best(cells, search.objective) >= search.patience)


def _is_over(spec: StudySpec, study: StudyRow, *, sampler: Sampler) -> bool:
    """Whether the record holds the whole search already, so that no worker is needed."""
    database = open_database(spec.storage)
    try:
        cells = database.cells(study, "search")
    finally:
        database.close()
    return is_finished(spec, cells, sampler=sampler, seconds=float(study.facts.get("search_seconds", 0.0)))


class SearchCells:
    """The study's cells as the coordinator takes them: open ones first, then new points while the totals allow."""

    def __init__(self, session: Session, *, sampler: Sampler) -> None:
        self._session = session
        self._sampler = sampler
        self._began = time.monotonic()
        self._before_s = float(session.study.facts.get("search_seconds", 0.0))

    @property
    def seconds(self) -> float:
        """Time of the search so far, over all calls."""
        return self._before_s + time.monotonic() - self._began

    def take(self) -> CellRow | None:
        cells = self._cells()
        if self._is_over(cells):
            return None
        return next((cell for cell in cells if cell.state in ("waiting", "interrupted")), None) or self._add(cells)

    def look_ahead(self) -> None:
        cells = self._cells()
        if not self._is_over(cells) and not any(cell.state in ("waiting", "interrupted") for cell in cells):
            self._add(cells)

    def _is_over(self, cells: Sequence[CellRow]) -> bool:
        return is_cut_short(self._session.spec, cells, seconds=self.seconds)

    def _cells(self) -> list[CellRow]:
        return self._session.database.cells(self._session.study, "search")

    def _add(self, cells: Sequence[CellRow]) -> CellRow | None:
        spec = self._session.spec
        if spec.search.trials is not None and len(cells) >= spec.search.trials:
            return None
        point = self._sampler.next_point(cells)
        if point is None:
            return None
        return self._session.database.add_cell(
            self._session.study,
            stage="search",
            number=len(cells),
            point=point,
            point_id=point_id(spec, point),
            seed=spec.search.seed,
        )


def _run_cells(
    session: Session,
    opened: Opened,
    *,
    sampler: Sampler,
    executor: Executor,
    progress: Progress,
    total: int | None,
) -> None:
    spec = session.spec
    source = SearchCells(session, sampler=sampler)
    views = _Views(session, source)
    tracker = open_tracker(spec.track, storage=spec.storage, study=spec.name, folder=session.folder)
    work = Work(
        database=session.database,
        study=session.study,
        folder=session.folder,
        cells=source,
        make_job=lambda cell, folder, batch: trial_job(
            session, opened, cell=cell, folder=folder, device_batch_size=batch
        ).to_json(),
        keep=lambda cell, folder, _outcome: _keep_trial(session, cell, folder),
        run_name=lambda cell: cell_name(cell.stage, cell.number),
        parameters=lambda cell: parameters_of(apply_point(spec, cell.point), seed=cell.seed),
        batch_of=lambda cell: device_batch(session, apply_point(spec, cell.point), executor=executor),
        watcher=progress,
        limits=limits_of(spec),
        renew_lease=session.renew_lease,
        after_outcome=views.renew,
        every_tick=tracker.check,
    )
    progress.begin(_state(session, executor, total=total))
    tracker.start()
    try:
        coordinate(work, executor)
    finally:
        progress.close()
        views.finish()
        tracker.finish()
        tell_trouble(tracker, progress.say)


def trial_job(session: Session, opened: Opened, *, cell: CellRow, folder: Path, device_batch_size: int) -> Job:
    """The fits of a point on train, scored on dev. Its corpus has no test to look at."""
    spec = session.spec
    fingerprints = {name: split.fingerprint for name, split in opened.corpus.splits.items() if name != "test"}
    return Job(
        id=cell_name(cell.stage, cell.number),
        kind="trial",
        spec=apply_point(spec, cell.point).model_dump(mode="json"),
        labels=opened.corpus.labels,
        splits=tuple(fingerprints),
        fingerprints=fingerprints,
        seed=cell.seed,
        precision=session.study.facts["precision"],
        folder=str(folder),
        encoded=str(session.folder.encoded),
        parts=opened.corpus.parts,
        device_batch_size=device_batch_size,
        tensorboard=spec.track.tensorboard,
        command=command_line(),
    )


def limits_of(spec: StudySpec) -> Limits:
    return Limits(trial_timeout_s=spec.execute.trial_timeout, hang_after_s=spec.execute.hang_after)


def device_batch(session: Session, point: StudySpec, *, executor: Executor) -> int:
    """Examples on the device at once before any fault."""
    slot = executor.slots[0]
    return device_batch_size(
        point.train,
        pieces_per_window=session.study.facts["pieces_per_window"],
        device=slot.device,
        threads=slot.threads,
    )


def parameters_of(point: StudySpec, *, seed: int) -> dict[str, Any]:
    """The point's own settings, flat and typed, for whoever compares runs.

    Of stages what they say; what they do not is in `train`. Empty mappings and lists tell nothing.
    """
    flat = flatten(point.model_dump(mode="json", include={"model", "train", "stages", "protocol"}))
    told = {key: value for key, value in flat.items() if value is not None or not key.startswith("stages.")}
    return {**{key: value for key, value in told.items() if value not in ({}, [])}, "seed": seed}


class _Views:
    """What is made from the record while the search goes on: trials.csv, best.yaml, Optuna's study, the time spent."""

    def __init__(self, session: Session, source: SearchCells) -> None:
        self._session = session
        self._source = source
        self._optuna: OptunaView | None = None
        self._renewed = 0.0

    def renew(self) -> None:
        if time.monotonic() - self._renewed < VIEW_EVERY_S:
            return
        self._renewed = time.monotonic()
        self._write()

    def finish(self) -> None:
        self._write()
        if self._optuna is not None:
            self._optuna.close()

    def _write(self) -> None:
        session = self._session
        session.set_facts(search_seconds=self._source.seconds)
        cells = session.database.cells(session.study, "search")
        search = session.spec.search
        rows, columns = trial_rows(cells, keys=list(search.space), objective=search.objective)
        write_csv(session.folder.trials, rows, columns=columns)
        write_best_file(session, cells)
        self._optuna = self._optuna or OptunaView(session.spec)
        self._optuna.show(cells)


def write_best_file(session: Session, cells: Sequence[CellRow]) -> None:
    """best.yaml for the best cell so far. A file that was edited by hand is left as it is."""
    ranked = rank(cells, session.spec.search.objective)
    if not ranked:
        return
    written = session.study.facts.get("best", {})
    path = session.folder.best
    is_whole = path.exists() and not is_torn(path, written)
    if is_whole and (written.get("cell") == ranked[0].number or is_edited(session)):
        return
    digest = write_best(session.spec, ranked[0], path=path)
    text = path.read_text(encoding="utf-8")
    session.set_facts(best={"cell": ranked[0].number, "digest": digest, "text": text})


def is_edited(session: Session) -> bool:
    """Whether best.yaml holds something else than the search wrote."""
    written = session.study.facts.get("best", {})
    try:
        return read_best(session.folder.best, study=session.spec, written=written).edited_by_hand
    except NertuneError:  # unreadable after an edit; best-and-train says what is wrong with it
        return True


def _keep_trial(session: Session, cell: CellRow, folder: Path) -> None:
    """A trial leaves nothing but its records, and the event files of its fits when asked."""
    target = session.folder.tensorboard / cell_name(cell.stage, cell.number)
    shutil.rmtree(target, ignore_errors=True)
    for events in (*folder.glob("runs"), *folder.glob("*/runs")):
        own = target / events.parent.relative_to(folder)
        own.parent.mkdir(parents=True, exist_ok=True)
        events.rename(own)


def _reopen_failed(session: Session) -> None:
    for cell in session.database.cells(session.study, "search"):
        if cell.state == "failed":
            session.database.reopen_cell(cell)


def _state(session: Session, executor: Executor, *, total: int | None) -> State:
    spec = session.spec
    cells = session.database.cells(session.study, "search")
    state = State(
        title=spec.name,
        objective=spec.search.objective,
        epochs=spec.total_epochs,
        n_fits=len(plan_fits(spec.protocol, seed=spec.search.seed)),
        slots=len(executor.slots),
        minimised=is_minimised(spec.search.objective),
        total=total,
        done=sum(not cell.is_open for cell in cells),
        failed=sum(cell.state == "failed" for cell in cells),
    )
    for cell in cells:
        state.take_score(cell)
        if cell.state == "complete" and cell.seconds is not None:
            state.seconds.append(cell.seconds)
    return state


def _plan_text(spec: StudySpec, reason: str, executor: Executor, session: Session) -> str:
    slots = executor.slots
    threads = f"{slots[0].threads} thread{'s' * (slots[0].threads > 1)} each"
    return (
        f"{spec.name}: {len(slots)} fit{'s' * (len(slots) > 1)} at a time on {slots[0].device.split(':')[0]} "
        f"({reason}), {threads}, {session.study.facts['precision']}"
    )


def _conclude(session: Session, *, sampler: Sampler) -> SearchOutcome:
    spec = session.spec
    cells = session.database.cells(session.study, "search")
    seconds = float(session.study.facts.get("search_seconds", 0.0))
    result = SearchOutcome(
        spec=spec,
        cells=tuple(cells),
        ranked=tuple(rank(cells, spec.search.objective)),
        finished=is_finished(spec, cells, sampler=sampler, seconds=seconds),
        seconds=seconds,
        facts=session.study.facts,
        best_file=session.folder.best,
    )
    if not result.ranked:
        raise NoScoreError(
            f"The search of {spec.name} ended, but no trial of {len(cells)} has a finite {spec.search.objective}",
            fix=f"The causes are in {session.folder.trials}; after mending: the same command with --retry-failed",
        )
    return result
