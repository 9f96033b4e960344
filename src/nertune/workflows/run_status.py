"""`nertune status`: a search or best-and-train that runs in another terminal, or ran; from the record, read only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nertune.analysis.ranking import objective_value, rank
from nertune.errors import UserError, Where
from nertune.protocols import plan_fits
from nertune.protocols.kfold import averages_folds
from nertune.report.progress import Expected, Quiet, State
from nertune.results.database import CellRow, Database, RunRow, Stage, StudyRow, open_snapshot
from nertune.results.layout import SIZE, StudyFolder, cell_name
from nertune.results.records import StepRecord, fit_of_split, without_nan
from nertune.results.summary import spread
from nertune.scores import is_minimised
from nertune.search.sampler import make_sampler
from nertune.spec.load import load_study
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec
from nertune.workflows.costs import Costs, Timing
from nertune.workflows.holders import Holder, holder_of
from nertune.workflows.run_runs import Record, chosen_studies, objective_of
from nertune.workflows.run_search import search_state
from nertune.workflows.search_cells import SearchCells, cells_wanted, is_finished
from nertune.workflows.session import Session, not_searched

STAGES: Sequence[Stage] = ("search", "candidate", "final", "size")
SILENT_S = 30.0  # a lease is renewed every 10 s while fits run
# Of a study whose texts were not counted: fits of one study differ by epochs and sizes, whatever the texts are.
SOME_WINDOWS, SOME_PIECES = 1000, 30_000


def status(study: Path, *, edits: Sequence[str] = ()) -> dict[str, Any]:
    """Who runs a study, how far it is, its best setting so far, and how long it may take yet, as plain data.

    study   its file, or its output folder
    edits   `key=value` as `--set` takes them, for example another storage
    Raises  StudyConflictError when there is no record of it, or it cannot be read
    """
    file = study / StudyFolder(study).study.name if study.is_dir() else study
    if study.is_dir() and not file.exists():
        raise UserError("holds no results of a study (no study.yaml)", where=Where(study), fix="nertune status STUDY")
    written = load_study(file, edits=edits)
    with closing(open_snapshot(written.storage)) as database:
        if study.is_dir():
            written = _as_moved(database, written, folder=study.absolute())
        if database.find_study(written.name) is None:
            raise not_searched(written, study)
        [row] = chosen_studies(database, Record(written.storage, written.name, written.output))
        return look_at(database, row, fallback=written)


def _as_moved(database: Database, written: StudySpec, *, folder: Path) -> StudySpec:
    """The study that lies in this folder: --fresh has moved it to NAME@n, and its study.yaml does not say so."""
    name = next((row.name for row in database.studies() if Path(row.output) == folder), written.name)
    return written.model_copy(update={"name": name, "output": folder})


def list_studies(record: Record) -> list[dict[str, Any]]:
    """What `status` tells of each study of a record, the newest first."""
    with closing(open_snapshot(record.storage)) as database:
        told = [look_at(database, row) for row in chosen_studies(database, record)]
    return sorted(told, key=lambda one: str(one["created"]), reverse=True)


def look_at(database: Database, row: StudyRow, *, fallback: StudySpec | None = None) -> dict[str, Any]:
    """The state of one study.

    fallback  counts where the record's own spec is of another version
    """
    spec = _spec_of(row, fallback)
    objective = objective_of(row)
    cells = {stage: database.cells(row, stage) for stage in STAGES}
    told: dict[str, Any] = {
        "study": row.name,
        "task": row.task,
        "created": row.created,
        "folder": row.output,
        "objective": objective,
    }
    if spec is None:
        return {**told, "state": "unknown", **_counts_alone(cells)}
    whole: dict[str, Any] = without_nan({**told, **_Look(database, row, spec, cells).told()})
    return whole


def _spec_of(row: StudyRow, fallback: StudySpec | None) -> StudySpec | None:
    try:
        return StudySpec.model_validate(row.spec)
    except ValueError:  # of a version that knew other keys
        return fallback


def _counts_alone(cells: Mapping[Stage, Sequence[CellRow]]) -> dict[str, Any]:
    stages = [_count(stage, found, total=None) for stage, found in cells.items() if found]
    return {"holder": None, "stage": None, "stages": stages, "best": None, "test": None, "running": []}


@dataclass
class _Look:
    """One look at a study; `cells` are those of each stage."""

    database: Database
    row: StudyRow
    spec: StudySpec
    cells: Mapping[Stage, list[CellRow]]

    def __post_init__(self) -> None:
        self.holder: Holder | None = holder_of(self.database, self.row)
        self.sampler = make_sampler(self.spec)
        self.wanted = {stage: self._wanted(stage) for stage in STAGES}
        rows = self.database.all_runs() if self.holder else []
        self.running = [run for run in rows if run.study_id == self.row.id and run.state == "running" and run.is_latest]
        self.stage = self._stage()

    def told(self) -> dict[str, Any]:
        seconds = self._search_seconds()
        state = self._state(seconds)
        objective = self.spec.search.objective
        ranked = rank(self.cells["search"], objective)
        best = None
        if ranked:
            best = {
                "trial": ranked[0].number,
                "score": objective_value(ranked[0], objective),
                "setting": dict(ranked[0].point),
            }
        test = self._test()
        return {
            "state": state,
            "holder": self._holder(),
            "stage": self.stage,
            "stages": [
                _count(stage, self.wanted[stage], total=self._total(stage)) for stage in STAGES if self.wanted[stage]
            ],
            "best": best,
            "test": test,
            "running": [self._running(run) for run in self.running],
            "search_seconds": seconds,
            "seconds_left": self._seconds_left(seconds) if self.holder else None,
        }

    # which cells count

    def _wanted(self, stage: Stage) -> list[CellRow]:
        """The cells of a stage that the study asks for now; earlier choices left others."""
        cells, seeds = self.cells[stage], self.spec.final.seeds
        if stage == "search" or not cells:
            return cells
        mine = [cell for cell in cells if cell.seed in seeds]
        chosen = self.cells["final"][-1] if self.cells["final"] else None
        if stage == "final" and chosen is not None:
            return [cell for cell in mine if cell.point_id == chosen.point_id]
        if stage == "size" and chosen is not None:
            sizes = {*self.spec.final.sizes}
            return [cell for cell in mine if _unsized(cell) == _unsized(chosen) and cell.point.get(SIZE) in sizes]
        return mine

    def _total(self, stage: Stage) -> int | None:
        if stage == "search":
            wanted = cells_wanted(self.spec, self.sampler)
            return None if wanted is None else max(wanted, len(self.cells[stage]))
        return len(self.wanted[stage])

    def _stage(self) -> Stage | None:
        """The stage that is at work, or would be: the last one that has begun."""
        if self.running:
            return self.running[-1].cell.stage
        open_ones = [stage for stage in STAGES if any(cell.is_open for cell in self.wanted[stage])]
        begun = [stage for stage in STAGES if self.wanted[stage]]
        return next(reversed(open_ones or begun), None)

    # how it stands

    def _state(self, seconds: float) -> str:
        """running | silent | stopped | unfinished | searched | finished."""
        if self.holder is not None:
            if self.holder.is_stopped:
                return "stopped"
            return "silent" if self.running and self.holder.seen_s > SILENT_S else "running"
        is_searched = is_finished(self.spec, self.cells["search"], sampler=self.sampler, seconds=seconds)
        finals = [cell for stage in STAGES[1:] for cell in self.wanted[stage]]
        if finals:
            has_seeds = bool(self.wanted["final"])
            return "unfinished" if any(cell.is_open for cell in finals) or not has_seeds else "finished"
        return "searched" if is_searched else "unfinished"

    def _holder(self) -> dict[str, Any] | None:
        holder = self.holder
        if holder is None:
            return None
        return {
            "host": holder.host,
            "pid": holder.pid,
            "since": holder.since,
            "seconds": None if holder.since is None else _since(holder.since),
            "seen_seconds": holder.seen_s,
        }

    def _test(self) -> dict[str, Any] | None:
        """Of the seeds so far, by the score that the search is about."""
        objective = self.spec.search.objective
        done = [cell for cell in self.wanted["final"] if cell.state == "complete"]
        found = spread({str(cell.seed): cell.scores.get("test", {}).get(objective) for cell in done})
        return {name: found[name] for name in ("mean", "sd", "n")} if found["n"] else None

    def _running(self, run: RunRow) -> dict[str, Any]:
        newest = self.database.last_moment(run.id)
        scored = self.database.last_evaluation(run.id, self.spec.search.objective)
        epochs, n_fits = apply_point(self.spec, run.cell.point).total_epochs, self._n_fits(run.cell.stage)
        fit = fit_of_split(newest.split) if newest else None
        return {
            "id": run.id,
            "name": cell_name(run.cell.stage, run.cell.number),
            "setting": dict(run.cell.point),
            "seed": run.cell.seed,
            "attempt": run.attempt,
            "step": newest.step if newest else None,
            "epoch": newest.epoch if newest else None,
            "epochs": epochs if fit is not None else epochs * n_fits,  # without a fit: of those that are over together
            "fit": fit,
            "fits": n_fits,
            "score": scored.value if scored else None,
            "seconds": _since(run.started),
        }

    # time

    def _search_seconds(self) -> float:
        """Of the search so far, over all calls: the record has them as of its last outcome."""
        known = float(self.row.facts.get("search_seconds", 0.0))
        if self.holder is None or self.stage != "search" or not self.running:
            return known
        begun = [run.started for run in self.running]
        since = [*begun, self.holder.since] if self.holder.since else begun
        ended = [_end_of(run) for run in self.database.all_runs() if run.study_id == self.row.id]
        last = max([min(datetime.fromisoformat(one) for one in since), *(end for end in ended if end)])
        return known + max(0.0, (datetime.now(UTC) - last).total_seconds())

    def _seconds_left(self, seconds: float) -> float | None:
        """As the display of the other process has it, from what is in the record."""
        if self.stage is None or not self.running:
            return None
        costs = self._costs()
        n_slots = len(self.running)
        if self.stage == "search":
            state = self._search_state(costs, n_slots=n_slots, seconds=seconds)
        else:
            state = self._final_state(costs, n_slots=n_slots)
        display = Quiet()
        display.begin(state)
        for run in self.running:
            display.started(run.cell, attempt=run.attempt)
            self._tell_course(run, state)
        return state.seconds_left()

    def _tell_course(self, run: RunRow, state: State) -> None:
        """How far a running fit is, by the newest step in the record.

        When a step was recorded nobody wrote down. Training losses come often, so that one was recorded just now; of
        an evaluation that nothing followed yet, half an epoch ago is the mean.
        """
        fit = state.running[run.cell.number]
        elapsed = max(0.0, _since(run.started) - sum(float(rung["seconds"]) for rung in run.cell.rungs))
        fit.started = time.monotonic() - elapsed
        newest = self.database.last_moment(run.id)
        if newest is None or not newest.epoch or (state.n_fits > 1 and fit_of_split(newest.split) is None):
            return
        fit.last = StepRecord(newest.step, newest.epoch, newest.split, {})
        done = state.epochs_done(fit)
        fit.scored_s = elapsed if newest.split.startswith("train") else elapsed * done / (done + 0.5)

    def _costs(self) -> Costs:
        facts = self.row.facts
        sizes = facts.get("sizes", {})
        timings = [Timing(**timing) for timing in facts.get("timings", ())] if sizes else []
        usual = {"train": 1.0, "dev": 0.2, "test": 0.2}
        return Costs(
            self.spec,
            timings=timings,
            windows={
                name: int(sizes.get(name, {}).get("windows", SOME_WINDOWS * part)) for name, part in usual.items()
            },
            pieces={name: int(sizes.get(name, {}).get("pieces", SOME_PIECES * part)) for name, part in usual.items()},
        )

    def _search_state(self, costs: Costs, *, n_slots: int, seconds: float) -> State:
        session = Session(self.spec, StudyFolder(Path(self.row.output)), self.database, self.row)
        source = SearchCells(session, sampler=self.sampler)
        total = cells_wanted(self.spec, self.sampler)
        state = search_state(session, costs, total=total, source=source, n_slots=n_slots)
        if self.spec.search.timeout is not None:
            state.until = time.monotonic() + self.spec.search.timeout - seconds
        return state

    def _final_state(self, costs: Costs, *, n_slots: int) -> State:
        assert self.stage is not None
        cells = self.wanted[self.stage]
        expected = {cell.number: self._expected(costs, cell) for cell in cells}
        state = State(
            title=self.row.name,
            objective=self.spec.search.objective,
            expect=lambda cell: expected[cell.number],
            n_fits=self._n_fits(self.stage),
            slots=n_slots,
            minimised=is_minimised(self.spec.search.objective),
            total=len(cells),
            done=sum(not cell.is_open for cell in cells),
            waiting={cell.number: expected[cell.number].seconds for cell in cells if cell.is_open},
            is_timed=costs.is_timed,
        )
        for cell in cells:
            if not cell.is_open:
                state.take_seconds(cell, cell.seconds)
        return state

    def _expected(self, costs: Costs, cell: CellRow) -> Expected:
        point = apply_point(self.spec, cell.point)
        cost = costs.candidate(point) if cell.stage == "candidate" else costs.seed(point)
        return Expected(cost.seconds, before=cost.before, epochs=point.total_epochs)

    def _n_fits(self, stage: Stage) -> int:
        if stage == "search":
            return len(plan_fits(self.spec.protocol, seed=self.spec.search.seed))
        is_folded = averages_folds(self.spec.protocol) or stage == "candidate"
        return self.spec.protocol.kfold or 1 if is_folded else 1


def _count(stage: Stage, cells: Sequence[CellRow], *, total: int | None) -> dict[str, Any]:
    """Cells by state; `waiting` are all that are still to come, those included that were not drawn yet."""
    states = Counter("waiting" if cell.state == "interrupted" else cell.state for cell in cells)
    to_come = states["waiting"] + (0 if total is None else total - len(cells))
    named = {state: states[state] for state in ("complete", "pruned", "failed", "running", "paused")}
    done = named["complete"] + named["pruned"] + named["failed"]
    return {"stage": stage, "total": total, "done": done, **named, "waiting": to_come}


def _unsized(cell: CellRow) -> dict[str, Any]:
    return {key: value for key, value in cell.point.items() if key != SIZE}


def _since(moment: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def _end_of(run: RunRow) -> datetime | None:
    if run.seconds is None:
        return None
    return datetime.fromtimestamp(datetime.fromisoformat(run.started).timestamp() + run.seconds, UTC)
