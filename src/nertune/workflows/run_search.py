"""`nertune search`: which setting is best on dev."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nertune.analysis.ranking import rank, rank_pruned
from nertune.errors import NertuneError, NoScoreError
from nertune.execute.coordinate import Limits, Work, coordinate
from nertune.execute.executor import Executor
from nertune.protocols import plan_fits
from nertune.report.progress import Progress, State
from nertune.report.tables import trial_rows
from nertune.results.database import CellRow, Settlement, StudyRow, open_database
from nertune.results.files import move_files, replace_folder, write_csv
from nertune.results.layout import MODEL, StudyFolder, cell_name
from nertune.results.outcomes import SearchOutcome
from nertune.scores import is_minimised
from nertune.search.best import is_torn, read_best, write_best
from nertune.search.pruner import make_pruner
from nertune.search.sampler import Sampler, make_sampler
from nertune.search.storage import OptunaView
from nertune.spec.fingerprint import flatten
from nertune.spec.space import apply_point, size_of_space
from nertune.spec.study import StudySpec
from nertune.track.projector import open_tracker
from nertune.trials.job import Job
from nertune.workflows.costs import Costs, Forecast
from nertune.workflows.disk import check_room, search_needs
from nertune.workflows.opening import (
    MANY,
    Opened,
    command_line,
    device_batch,
    look_at_model,
    measured_costs,
    open_executor,
    plan_for,
    prepare,
    read_data,
    read_study,
    tell_checkpoint,
    tell_encoding,
    tell_findings,
    tell_trouble,
)
from nertune.workflows.search_cells import SearchCells, cells_wanted, early_rung_text, is_finished, most_paused
from nertune.workflows.session import Session, identity_of, open_session, refuse_conflicts

AT_A_RUNG = Settlement("pruned", "pruned", cause="pruned")
VIEW_EVERY_S = 2.0  # how often files and views made from the record are renewed during the search


def search(
    study_file: Path,
    *,
    progress: Progress,
    edits: Sequence[str] = (),
    workers: int | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    meanwhile: Iterable[object] = (),
) -> SearchOutcome:
    """Run or continue the search of a study.

    edits         `key=value` as `--set` takes them
    workers       fits at a time, before what the study file says
    fresh         move what there is to NAME@n and begin anew
    retry_failed  offer failed cells again
    meanwhile     gone through, as far as it goes, while workers import, which takes seconds
    Raises        UserError (nothing was started), NoScoreError, InterruptedByUserError, StoppedError
    """
    written = read_study(study_file, edits=edits, fresh=fresh)
    n_jobs = size_of_space(written.spec) or MANY
    plan = plan_for(written, n_jobs=n_jobs, threads=written.facts.get("threads"), workers=workers)
    with open_executor(written.spec, plan) as executor:
        opened = read_data(written)
        spec, identity = opened.spec, identity_of(opened.spec, opened.corpus)
        sampler = make_sampler(spec)
        known = refuse_conflicts(spec, identity=identity, fresh=fresh)
        tell_findings(opened, progress.say)
        if known is not None and not retry_failed and _is_over(spec, known, sampler=sampler):
            with open_session(spec, identity=identity) as session:
                _Views(session, SearchCells(session, sampler=sampler)).finish()
                return _conclude(session, sampler=sampler)
        model = look_at_model(executor, opened, meanwhile=meanwhile)
        tell_checkpoint(model, progress.say)
        total = cells_wanted(spec, sampler)
        with open_session(spec, identity=identity, fresh=fresh) as session:
            told = prepare(executor, opened, session=session)
            tell_encoding(told, progress.say)
            costs = measured_costs(executor, opened, told, session=session)
            progress.say(_plan_text(spec, plan.reason, executor, session))
            needs = search_needs(spec, costs, model=model, n_paused=most_paused(spec, total, plan=plan))
            progress.say(f"{spec.name}: {check_room(needs)}")
            if warning := early_rung_text(spec, costs):
                progress.say(f"Notice: {warning}")
            if retry_failed:
                _reopen_failed(session)
            _run_cells(session, opened, costs, sampler=sampler, executor=executor, progress=progress, total=total)
            return _conclude(session, sampler=sampler)


def _is_over(spec: StudySpec, study: StudyRow, *, sampler: Sampler) -> bool:
    """Whether the record holds the whole search already."""
    database = open_database(spec.storage)
    try:
        cells = database.cells(study, "search")
    finally:
        database.close()
    return is_finished(spec, cells, sampler=sampler, seconds=float(study.facts.get("search_seconds", 0.0)))


def _run_cells(
    session: Session,
    opened: Opened,
    costs: Costs,
    *,
    sampler: Sampler,
    executor: Executor,
    progress: Progress,
    total: int | None,
) -> None:
    spec = session.spec
    source = SearchCells(session, sampler=sampler, on_pruned=lambda cell: progress.ended(cell, AT_A_RUNG))
    views = _Views(session, source)
    tracker = open_tracker(spec.track, storage=spec.storage, study=spec.name, folder=session.folder)
    work = Work(
        database=session.database,
        study=session.study,
        folder=session.folder,
        cells=source,
        make_job=lambda cell, folder, batch: trial_job(
            session,
            opened,
            cell=cell,
            folder=folder,
            device_batch_size=batch,
            pause_after=source.pause_after(cell),
        ).to_json(),
        keep=lambda cell, folder, outcome: _keep_trial(session, cell, folder, outcome=outcome),
        run_name=lambda cell: cell_name(cell.stage, cell.number),
        parameters=lambda cell: parameters_of(apply_point(spec, cell.point), seed=cell.seed),
        batch_of=lambda cell: device_batch(apply_point(spec, cell.point), facts=session.study.facts, executor=executor),
        watcher=progress,
        limits=limits_of(spec),
        judge=source.judge,
        renew_lease=session.renew_lease,
        after_outcome=views.renew,
        every_tick=tracker.check,
    )
    progress.begin(search_state(session, costs, total=total, source=source, n_slots=len(executor.slots)))
    tracker.start()
    try:
        coordinate(work, executor)
    finally:
        progress.close()
        views.finish()
        tracker.finish()
        tell_trouble(tracker, progress.say)


def trial_job(
    session: Session,
    opened: Opened,
    *,
    cell: CellRow,
    folder: Path,
    device_batch_size: int,
    pause_after: float | None,
) -> Job:
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
        resume=checkpoint_of(session, cell),
        checkpoint_every=spec.execute.checkpoint_every,
        pause_after=pause_after,
        saves_model=spec.search.keep == "best",
        tensorboard=spec.track.tensorboard,
        command=command_line(),
    )


def checkpoint_of(session: Session, cell: CellRow) -> str | None:
    """The folder of what earlier attempts at a cell left, if there is one."""
    folder = session.folder.checkpoint(cell_name(cell.stage, cell.number))
    return str(folder) if folder.is_dir() else None


def limits_of(spec: StudySpec) -> Limits:
    return Limits(trial_timeout_s=spec.execute.trial_timeout, hang_after_s=spec.execute.hang_after)


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


def _keep_trial(session: Session, cell: CellRow, folder: Path, *, outcome: Mapping[str, Any]) -> None:
    """A trial leaves its records, and when asked the event files of its fits, and the weights of the best."""
    target = session.folder.tensorboard / cell_name(cell.stage, cell.number)
    if not cell.rungs:
        shutil.rmtree(target, ignore_errors=True)
    for events in (*folder.glob("runs"), *folder.glob("*/runs")):
        move_files(events, target / events.parent.relative_to(folder))
    if (folder / MODEL).is_dir() and _is_best(session, cell, outcome=outcome):
        replace_folder(folder / MODEL, session.folder.best_trial)


def _is_best(session: Session, cell: CellRow, *, outcome: Mapping[str, Any]) -> bool:
    """Whether this outcome, not recorded yet, makes its cell the best so far."""
    others = [one for one in session.database.cells(session.study, "search") if one.id != cell.id]
    scores = {split: found["overall"] for split, found in outcome["scores"].items()}
    ranked = rank([*others, replace(cell, state="complete", scores=scores)], session.spec.search.objective)
    return bool(ranked) and ranked[0].id == cell.id


def _reopen_failed(session: Session) -> None:
    for cell in session.database.cells(session.study, "search"):
        if cell.state == "failed":
            session.database.reopen_cell(cell)


def search_state(session: Session, costs: Costs, *, total: int | None, source: SearchCells, n_slots: int) -> State:
    """What the display begins with; the record is only read for it."""
    spec = session.spec
    cells = session.database.cells(session.study, "search")
    done = [cell for cell in cells if not cell.is_open]
    pruner = make_pruner(spec, total=total)
    forecast = Forecast(costs, cells=cells, total=total, n_slots=n_slots, pruner=pruner)
    limit = spec.search.timeout
    state = State(
        title=spec.name,
        objective=spec.search.objective,
        expect=lambda cell: forecast.of(cell).part(source.share_expected(cell)),
        n_fits=len(plan_fits(spec.protocol, seed=spec.search.seed)),
        slots=n_slots,
        minimised=is_minimised(spec.search.objective),
        total=total,
        done=len(done),
        failed=sum(cell.state == "failed" for cell in done),
        waiting=forecast.to_come(done=[cell.number for cell in done]),
        typical=forecast.mean,
        is_timed=costs.is_timed,
        until=math.inf if limit is None else time.monotonic() + limit - source.seconds,
        limit=spec.execute.trial_timeout or math.inf,
    )
    for cell in done:
        state.take_score(cell)
        state.take_seconds(cell, cell.seconds)
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
        pruned=tuple(rank_pruned(cells, spec.search.objective)),
        finished=is_finished(spec, cells, sampler=sampler, seconds=seconds),
        seconds=seconds,
        facts=session.study.facts,
        best_file=session.folder.best,
    )
    if not result.ranked:
        raise _without_score(result, folder=session.folder)
    return result


def _without_score(result: SearchOutcome, *, folder: StudyFolder) -> NoScoreError:
    if not result.cells or any(cell.is_open for cell in result.cells):
        return NoScoreError(
            f"search.timeout ended the search of {result.spec.name} before a trial had run to its end",
            fix="A longer one goes on where this one stopped: --timeout",
        )
    return NoScoreError(
        f"The search of {result.spec.name} ended, but no trial of {len(result.cells)} has a finite "
        f"{result.spec.search.objective}",
        fix=f"The causes are in {folder.trials}; after mending: the same command with --retry-failed",
    )
