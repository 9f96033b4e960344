"""The fits after the search: candidates without test, then the chosen one with it: its seeds, its learning curve."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nertune.analysis.ranking import objective_value
from nertune.errors import NertuneError
from nertune.execute.coordinate import Work, coordinate
from nertune.execute.executor import Executor
from nertune.protocols.kfold import averages_folds
from nertune.report.progress import Expected, Progress, State
from nertune.results.database import CellRow, Stage
from nertune.results.files import replace_folder
from nertune.results.layout import SIZE, cell_name, seed_folder_name
from nertune.results.records import values_of_fits
from nertune.results.seed_folders import has_weights, marks_of
from nertune.scores import is_minimised
from nertune.spec.fingerprint import fingerprint, point_id
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec
from nertune.track.projector import open_tracker
from nertune.trials.job import Job
from nertune.workflows.costs import Costs, learns_from_dev
from nertune.workflows.disk import check_room, keeps_candidates, models_of_seed, seed_needs
from nertune.workflows.opening import Opened, command_line, device_batch, tell_trouble
from nertune.workflows.run_search import checkpoint_of, limits_of, parameters_of
from nertune.workflows.session import Session

STAGE_WORDS = {"candidate": "candidates", "final": "seeds", "size": "sizes"}


@dataclass(frozen=True)
class Candidate:
    """A setting to refit; `cell` is the trial it comes from (None after an edit), `score` its dev objective there."""

    point: Mapping[str, Any]
    spec: StudySpec
    point_id: str
    cell: int | None
    score: float | None
    best_epoch: float | None


@dataclass(frozen=True)
class Started:
    """Workers, what their jobs take, and the parameters of the model."""

    executor: Executor
    costs: Costs
    model: Mapping[str, Any]


class Finals:
    """Runs the fits of each stage, those that are there already left out.

    start  called with the number of fits when the first is needed; not at all when none is
    """

    def __init__(
        self,
        session: Session,
        opened: Opened,
        progress: Progress,
        *,
        start: Callable[[int], Started],
        retry_failed: bool,
    ) -> None:
        self._session = session
        self._opened = opened
        self._progress = progress
        self._start = start
        self._started: Started | None = None
        self._retry_failed = retry_failed

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """The candidate with the best mean dev score over the seeds; a single one needs no choosing."""
        if len(candidates) == 1:
            return candidates[0]
        cells = self._run("candidate", candidates)
        means = {candidate.point_id: self._mean_dev(cells, candidate) for candidate in candidates}
        scored = [candidate for candidate in candidates if means[candidate.point_id] is not None]
        if not scored:
            raise NertuneError("no candidate gave a finite dev score", fix=f"Causes: {self._session.folder.logs}")
        sign = 1 if is_minimised(self._session.spec.search.objective) else -1
        chosen = min(scored, key=lambda candidate: sign * (means[candidate.point_id] or 0.0))
        self._progress.say(f"Of {len(candidates)} candidates, trial {chosen.cell} has the best mean dev score")
        return chosen

    def refit(self, chosen: Candidate) -> list[CellRow]:
        """The seed runs of the chosen setting, those that are there already included."""
        return self._run("final", [chosen])

    def learn_curve(self, chosen: Candidate) -> dict[float, list[CellRow]]:
        """The seed runs on each of `final.sizes`, by percent, without those of the setting's own size."""
        others = sorted({*self._session.spec.final.sizes} - {chosen.spec.data.size})
        sized = {percent: candidate_of_size(chosen, percent) for percent in others}
        cells = self._run("size", list(sized.values())) if sized else []
        ids = {percent: self._fit_id("size", candidate) for percent, candidate in sized.items()}
        return {percent: [cell for cell in cells if cell.point_id == ids[percent]] for percent in others}

    def folder_of(self, cell: CellRow, candidate: Candidate) -> Path:
        """Where a finished fit lies."""
        folder = self._session.folder
        roots = {"candidate": folder.candidates, "size": folder.size(candidate.spec.data.size)}
        return roots.get(cell.stage, folder.root) / self._folder_name(cell, candidate)

    def _mean_dev(self, cells: Sequence[CellRow], candidate: Candidate) -> float | None:
        """Over seeds, and with k-fold over the folds of each."""
        objective = self._session.spec.search.objective
        mine = [cell for cell in cells if cell.point_id == self._fit_id("candidate", candidate)]
        found = [value for cell in mine if (value := mean_of_fits(cell, objective)) is not None]
        return statistics.fmean(found) if found else None

    # what a fit is

    def _fit_id(self, stage: Stage, candidate: Candidate) -> str:
        """Names a fit with its scores: other weights or another test file make another one."""
        if stage == "candidate":
            return candidate.point_id
        return fingerprint([self._weights_id(stage, candidate), self._opened.corpus.splits["test"].fingerprint])[:16]

    def _weights_id(self, stage: Stage, candidate: Candidate) -> str:
        """Names what a fit's weights were trained by, its seed apart."""
        decides = [candidate.point_id, self._stop_after_epoch(stage, candidate)]
        return fingerprint([*decides, "folds"] if self._averages else decides)[:16]

    @property
    def _averages(self) -> bool:
        """Whether a seed run is one fit for each fold."""
        return averages_folds(self._session.spec.protocol)

    def _stop_after_epoch(self, stage: Stage, candidate: Candidate) -> int | None:
        """With dev to train on, there is none to choose the epoch: as long as was best when there was."""
        if stage == "candidate" or not learns_from_dev(self._session.spec):
            return None
        best = candidate.best_epoch
        return candidate.spec.total_epochs if best is None else max(1, round(best))

    def _kept_weights(self, cell: CellRow, candidate: Candidate) -> Path | None:
        """A folder whose weights are those that this fit would train again, from the choosing or an earlier call.

        `nertune runs rm` may have taken the weights out of it.
        """
        if cell.stage == "size":
            return None  # whose own folder has none
        wanted = self._weights_id(cell.stage, candidate)
        name = self._folder_name(cell, candidate)
        folders = [self._session.folder.candidates / name, self._session.folder.root / name]
        return next((one for one in folders if marks_of(one).get("weights_id") == wanted and has_weights(one)), None)

    def _folder_name(self, cell: CellRow, candidate: Candidate) -> str:
        in_name = {key: value for key, value in candidate.point.items() if cell.stage != "size" or key != SIZE}
        return seed_folder_name(
            candidate.spec,
            model_type=self._session.study.facts["model_type"],
            seed=cell.seed,
            point=in_name,
            point_id=candidate.point_id,
        )

    # running

    def _run(self, stage: Stage, candidates: Sequence[Candidate]) -> list[CellRow]:
        """The cells of these candidates and the study's seeds, run where they are not yet."""
        by_id = {self._fit_id(stage, candidate): candidate for candidate in candidates}
        self._make_cells(stage, by_id)
        wanted = self._cells(stage, by_id)
        n_open = sum(cell.is_open for cell in wanted)
        if n_open:
            self._started = self._started or self._start(n_open)
            self._progress.say(self._room_text(stage, n_open, self._started))
            self._progress.begin(self._state(stage, wanted, by_id, self._started))
            self._coordinate(stage, by_id, self._started.executor)
        return self._cells(stage, by_id)

    def _coordinate(self, stage: Stage, by_id: Mapping[str, Candidate], executor: Executor) -> None:
        session, spec = self._session, self._session.spec
        tracker = open_tracker(spec.track, storage=spec.storage, study=spec.name, folder=session.folder)
        work = Work(
            database=session.database,
            study=session.study,
            folder=session.folder,
            cells=_OpenCells(lambda: self._cells(stage, by_id)),
            make_job=lambda cell, folder, batch: self._job(
                cell, by_id[cell.point_id], folder=folder, device_batch_size=batch
            ).to_json(),
            keep=lambda cell, folder, _outcome: self._keep(cell, by_id[cell.point_id], folder),
            run_name=lambda cell: self._folder_name(cell, by_id[cell.point_id]),
            parameters=lambda cell: parameters_of(by_id[cell.point_id].spec, seed=cell.seed),
            batch_of=lambda cell: device_batch(by_id[cell.point_id].spec, facts=session.study.facts, executor=executor),
            watcher=self._progress,
            limits=limits_of(spec),
            renew_lease=session.renew_lease,
            every_tick=tracker.check,
        )
        tracker.start()
        try:
            coordinate(work, executor)
        finally:
            self._progress.close()
            tracker.finish()
            tell_trouble(tracker, self._progress.say)

    def _keep(self, cell: CellRow, candidate: Candidate, folder: Path) -> None:
        if not self._is_only_scored(cell.stage):
            replace_folder(folder, self.folder_of(cell, candidate))

    def _is_only_scored(self, stage: Stage) -> bool:
        """Whether a fit leaves its scores and nothing else: the folds of a candidate that is refitted without any."""
        return stage == "candidate" and self._session.spec.protocol.kfold is not None and not self._averages

    def _job(self, cell: CellRow, candidate: Candidate, *, folder: Path, device_batch_size: int) -> Job:
        session, spec = self._session, self._session.spec
        splits = tuple(name for name in self._opened.corpus.splits if name != "test" or cell.stage != "candidate")
        weights = self._kept_weights(cell, candidate)
        return Job(
            id=cell_name(cell.stage, cell.number),
            kind="trial" if self._is_only_scored(cell.stage) else "seed",
            spec=candidate.spec.model_dump(mode="json"),
            labels=self._opened.corpus.labels,
            splits=splits,
            fingerprints={name: self._opened.corpus.splits[name].fingerprint for name in splits},
            seed=cell.seed,
            precision=session.study.facts["precision"],
            folder=str(folder),
            encoded=str(session.folder.encoded),
            parts=self._opened.corpus.parts,
            device_batch_size=device_batch_size,
            resume=checkpoint_of(session, cell),
            checkpoint_every=spec.execute.checkpoint_every,
            stop_after_epoch=self._stop_after_epoch(cell.stage, candidate),
            target=str(self.folder_of(cell, candidate)),
            weights=None if weights is None else str(weights),
            keeps_weights=cell.stage != "size",
            marks={"fit_id": cell.point_id, "weights_id": self._weights_id(cell.stage, candidate)},
            tensorboard=spec.track.tensorboard,
            command=command_line(),
        )

    # cells

    def _make_cells(self, stage: Stage, by_id: Mapping[str, Candidate]) -> None:
        """A cell for each candidate and seed; one whose folder is gone or holds another fit is opened again."""
        session = self._session
        cells = session.database.cells(session.study, stage)
        known = {(cell.point_id, cell.seed): cell for cell in cells}
        number = len(cells)
        for fit_id, candidate in by_id.items():
            for seed in session.spec.final.seeds:
                cell = known.get((fit_id, seed))
                if cell is None:
                    session.database.add_cell(
                        session.study, stage=stage, number=number, point=candidate.point, point_id=fit_id, seed=seed
                    )
                    number += 1
                elif self._is_to_do(cell, candidate):
                    session.database.reopen_cell(cell)

    def _is_to_do(self, cell: CellRow, candidate: Candidate) -> bool:
        if cell.state == "failed":
            return self._retry_failed
        if cell.stage == "candidate":  # its folder goes when the choice is made; its scores stay
            return False
        return cell.state == "complete" and marks_of(self.folder_of(cell, candidate)).get("fit_id") != cell.point_id

    def _cells(self, stage: Stage, by_id: Mapping[str, Candidate]) -> list[CellRow]:
        session = self._session
        cells = session.database.cells(session.study, stage)
        return [cell for cell in cells if cell.point_id in by_id and cell.seed in session.spec.final.seeds]

    def _room_text(self, stage: Stage, n_open: int, started: Started) -> str:
        """How much room the fits need; refused here, before the first of them, where there is less."""
        spec, n_seeds = self._session.spec, len(self._session.spec.final.seeds)
        n_kept = {"candidate": n_open * keeps_candidates(spec) + n_seeds, "final": n_open, "size": 0}[stage]
        n_working = min(n_open, len(started.executor.slots))
        n_models = max(n_kept, n_working) * models_of_seed(spec)
        needs = seed_needs(spec, started.costs, model=started.model, n_models=n_models, n_folders=max(n_kept, n_open))
        return f"{spec.name}, {STAGE_WORDS[stage]}: {check_room(needs)}"

    def _state(
        self, stage: Stage, wanted: Sequence[CellRow], by_id: Mapping[str, Candidate], started: Started
    ) -> State:
        spec = self._session.spec
        done = [cell for cell in wanted if not cell.is_open]
        costs, slots = started.costs, started.executor.slots
        expected = {
            cell.number: self._expected(cell, by_id[cell.point_id], costs, is_first=place < len(slots))
            for place, cell in enumerate(wanted)
        }
        state = State(
            title=f"{spec.name}, {STAGE_WORDS[stage]}",
            objective=spec.search.objective,
            expect=lambda cell: expected[cell.number],
            n_fits=self._n_fits(stage),
            slots=len(slots),
            minimised=is_minimised(spec.search.objective),
            total=len(wanted),
            done=len(done),
            failed=sum(cell.state == "failed" for cell in done),
            waiting={cell.number: expected[cell.number].seconds for cell in wanted if cell.is_open},
            is_timed=costs.is_timed,
            limit=spec.execute.trial_timeout or math.inf,
        )
        for cell in done:
            state.take_score(cell)
            state.take_seconds(cell, cell.seconds)
        return state

    def _expected(self, cell: CellRow, candidate: Candidate, costs: Costs, *, is_first: bool) -> Expected:
        """What is expected of a cell; the first, one a slot, compute what frozen layers give of train and dev."""
        if cell.stage == "candidate":
            cost = costs.candidate(candidate.spec)
        else:
            has_weights = cell.is_open and self._kept_weights(cell, candidate) is not None
            epochs = self._stop_after_epoch(cell.stage, candidate)
            cost = costs.seed(candidate.spec, epochs=epochs, has_weights=has_weights)
        cache_s = cost.cache_s if is_first else 0.0
        epochs_of_fit = candidate.spec.total_epochs
        return Expected(cost.seconds + cache_s, before=cost.before + cache_s, epochs=epochs_of_fit)

    def _n_fits(self, stage: Stage) -> int:
        """Fits that a cell consists of."""
        is_folded = self._averages or self._is_only_scored(stage)
        return self._session.spec.protocol.kfold or 1 if is_folded else 1


def candidate_of_size(chosen: Candidate, percent: float) -> Candidate:
    """The same setting, learned from so many percent of train."""
    point = {**chosen.point, SIZE: percent}
    spec = apply_point(chosen.spec, {SIZE: percent})
    return replace(chosen, point=point, spec=spec, point_id=point_id(spec, {}))


def mean_of_fits(cell: CellRow, objective: str) -> float | None:
    """A cell's dev score; of several fits the mean over them, also where `dev` is all their predictions together."""
    values = values_of_fits(cell.scores, objective)
    finite = [value for value in values if value is not None]
    if len(finite) < len(values):
        return None
    return statistics.fmean(finite) if finite else objective_value(cell, objective)


class _OpenCells:
    """Cells made beforehand, taken in the order of their numbers."""

    def __init__(self, cells: Callable[[], Sequence[CellRow]]) -> None:
        self._cells = cells

    def take(self) -> CellRow | None:
        return next((cell for cell in self._cells() if cell.state in ("waiting", "interrupted")), None)

    def take_early(self) -> CellRow | None:
        return self.take()

    def look_ahead(self) -> None:
        """All cells are there from the start."""
