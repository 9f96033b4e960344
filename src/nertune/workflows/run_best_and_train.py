"""`nertune best-and-train`: the best setting, every seed, scored once on test, written down."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nertune.errors import NertuneError, StudyConflictError, Where
from nertune.execute.coordinate import Work, coordinate
from nertune.execute.executor import Executor
from nertune.report.progress import Progress, State
from nertune.results.database import CellRow, Stage
from nertune.results.files import read_json, replace_folder, write_json
from nertune.results.layout import cell_name, seed_folder_name
from nertune.results.outcomes import FinalOutcome
from nertune.results.summary import summarise_seeds
from nertune.search.best import BestSetting, is_minimised, objective_value, rank, read_best
from nertune.search.sampler import make_sampler
from nertune.spec.fingerprint import point_id
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec
from nertune.track.projector import open_tracker
from nertune.trials.job import Job
from nertune.workflows.opening import (
    Opened,
    command_line,
    look_at_model,
    open_executor,
    open_study,
    plan_for,
    prepare,
    tell_encoding,
    tell_findings,
    tell_trouble,
)
from nertune.workflows.run_search import device_batch, is_finished, limits_of, parameters_of, write_best_file
from nertune.workflows.session import Session, identity_of, open_session, refuse_conflicts

DONE = "all_results.json"  # written last: a seed folder with it is whole


@dataclass(frozen=True)
class Candidate:
    """A setting to refit; `cell` is the trial it comes from (None after an edit), `score` its dev objective there."""

    point: Mapping[str, Any]
    spec: StudySpec
    point_id: str
    cell: int | None
    score: float | None
    best_epoch: float | None


def best_and_train(
    study_file: Path,
    *,
    progress: Progress,
    edits: Sequence[str] = (),
    workers: int | None = None,
    so_far: bool = False,
    retry_failed: bool = False,
) -> FinalOutcome:
    """Refit the best setting of a study's search with every seed, and score test once.

    so_far  go on although the search is not finished
    Raises  UserError (the search is missing or unfinished, the data or its test split is wrong), and as `search` does
    """
    opened = open_study(study_file, edits=edits, splits=("train", "dev", "test"))
    spec = opened.spec
    identity = identity_of(spec, opened.corpus)
    known = refuse_conflicts(spec, identity=identity)
    if known is None:
        raise StudyConflictError(
            f"the study {spec.name} has not been searched yet",
            where=Where(study_file),
            fix=f"nertune search {study_file}",
        )
    tell_findings(opened, progress.say)
    with ExitStack() as stack:
        session = stack.enter_context(open_session(spec, identity=identity))
        setting, candidates = choose_candidates(session, study_file=study_file, so_far=so_far, tell=progress.say)

        def start_executor(n_jobs: int) -> Executor:
            plan = plan_for(opened, n_jobs=n_jobs, facts=session.study.facts, workers=workers)
            executor = stack.enter_context(open_executor(spec, plan))
            look_at_model(executor, opened)
            tell_encoding(prepare(executor, opened, session=session), progress.say)
            return executor

        finals = Finals(session, opened, progress, start_executor=start_executor, retry_failed=retry_failed)
        chosen = finals.choose(candidates)
        cells = finals.refit(chosen)
        return finals.conclude(setting, chosen, cells=cells, candidates=candidates)


def choose_candidates(
    session: Session, *, study_file: Path, so_far: bool, tell: Callable[[str], None]
) -> tuple[BestSetting, list[Candidate]]:
    """The setting of best.yaml, and with `final.candidates` above 1 the next best ones of the search.

    Raises  StudyConflictError when the search is not finished (unless `so_far`) or gave no setting
    """
    spec = session.spec
    cells = session.database.cells(session.study, "search")
    if so_far:
        write_best_file(session, cells)
    setting = read_best(session.folder.best, study=spec, written=session.study.facts.get("best", {}))
    if setting.edited_by_hand:
        tell(f"Notice: {Where(session.folder.best)} was edited by hand; its values are used, and the results say so")
        return setting, [_candidate_of_file(setting, spec)]
    _refuse_unfinished(session, cells, study_file=study_file, so_far=so_far)
    ranked = rank(cells, spec.search.objective)[: spec.final.candidates]
    return setting, [_candidate_of_cell(cell, spec) for cell in ranked]


def _refuse_unfinished(session: Session, cells: Sequence[CellRow], *, study_file: Path, so_far: bool) -> None:
    spec = session.spec
    seconds = float(session.study.facts.get("search_seconds", 0.0))
    if so_far or is_finished(spec, cells, sampler=make_sampler(spec), seconds=seconds):
        return
    done = sum(not cell.is_open for cell in cells)
    raise StudyConflictError(
        f"the search of {spec.name} is not finished ({done} cells are)",
        where=Where(session.folder.root),
        fix=f"nertune search {study_file}   continues it; --so-far takes the best setting so far",
    )


def _candidate_of_cell(cell: CellRow, spec: StudySpec) -> Candidate:
    return Candidate(
        point=cell.point,
        spec=apply_point(spec, cell.point),
        point_id=cell.point_id,
        cell=cell.number,
        score=objective_value(cell, spec.search.objective),
        best_epoch=cell.best_epoch,
    )


def _candidate_of_file(setting: BestSetting, spec: StudySpec) -> Candidate:
    chosen = apply_point(spec, setting.point)
    return Candidate(setting.point, chosen, point_id(spec, setting.point), cell=None, score=None, best_epoch=None)


class Finals:
    """The fits after the search: candidates without test, then the seeds of the chosen one with it."""

    def __init__(
        self,
        session: Session,
        opened: Opened,
        progress: Progress,
        *,
        start_executor: Callable[[int], Executor],
        retry_failed: bool,
    ) -> None:
        self._session = session
        self._opened = opened
        self._progress = progress
        self._start_executor = start_executor  # not called when every fit is there already
        self._executor: Executor | None = None
        self._retry_failed = retry_failed

    # candidates

    def choose(self, candidates: Sequence[Candidate]) -> Candidate:
        """The candidate with the best mean dev score over the seeds; a single one needs no choosing."""
        if len(candidates) == 1:
            return candidates[0]
        cells = self._run("candidate", candidates)
        means = {c.point_id: self._mean_dev(cells, c) for c in candidates}
        scored = [candidate for candidate in candidates if means[candidate.point_id] is not None]
        if not scored:
            raise NertuneError("no candidate gave a finite dev score", fix=f"Causes: {self._session.folder.logs}")
        sign = 1 if is_minimised(self._session.spec.search.objective) else -1
        chosen = min(scored, key=lambda candidate: sign * (means[candidate.point_id] or 0.0))
        self._progress.say(f"Of {len(candidates)} candidates, trial {chosen.cell} has the best mean dev score")
        return chosen

    def _mean_dev(self, cells: Sequence[CellRow], candidate: Candidate) -> float | None:
        values = [
            objective_value(cell, self._session.spec.search.objective)
            for cell in cells
            if cell.point_id == candidate.point_id
        ]
        found = [value for value in values if value is not None]
        return statistics.fmean(found) if found else None

    # seeds

    def refit(self, chosen: Candidate) -> list[CellRow]:
        """The seed runs of the chosen setting, those that are there already included."""
        return [cell for cell in self._run("final", [chosen]) if cell.point_id == chosen.point_id]

    def _run(self, stage: Stage, candidates: Sequence[Candidate]) -> list[CellRow]:
        session, spec = self._session, self._session.spec
        by_id = {candidate.point_id: candidate for candidate in candidates}
        self._make_cells(stage, candidates)
        wanted = [cell for cell in session.database.cells(session.study, stage) if self._is_wanted(cell, by_id)]
        n_open = sum(cell.is_open for cell in wanted)
        if not n_open:
            return wanted
        self._executor = self._executor or self._start_executor(n_open)
        tracker = open_tracker(
            spec.track.aim, storage=spec.storage, study=spec.name, log=session.folder.logs / "aim.log"
        )
        work = Work(
            database=session.database,
            study=session.study,
            folder=session.folder,
            cells=_OpenCells(session, stage, by_id, seeds=spec.final.seeds),
            make_job=lambda cell, folder, batch: self._job(
                cell, by_id[cell.point_id], folder=folder, device_batch_size=batch
            ).to_json(),
            keep=lambda cell, folder, _outcome: replace_folder(folder, self._target(cell, by_id[cell.point_id])),
            run_name=lambda cell: self._folder_name(cell, by_id[cell.point_id]),
            parameters=lambda cell: parameters_of(by_id[cell.point_id].spec, seed=cell.seed),
            batch_of=lambda cell: device_batch(by_id[cell.point_id].spec),
            watcher=self._progress,
            limits=limits_of(spec),
            renew_lease=session.renew_lease,
            every_tick=tracker.check,
        )
        self._progress.begin(self._state(stage, wanted, slots=len(self._executor.slots)))
        tracker.start()
        try:
            coordinate(work, self._executor)
        finally:
            self._progress.close()
            tracker.finish()
            tell_trouble(tracker, self._progress.say)
        return [cell for cell in session.database.cells(session.study, stage) if self._is_wanted(cell, by_id)]

    def _make_cells(self, stage: Stage, candidates: Sequence[Candidate]) -> None:
        """A cell for each candidate and seed; one whose folder is gone, or that failed, is opened again."""
        session = self._session
        cells = session.database.cells(session.study, stage)
        known = {(cell.point_id, cell.seed): cell for cell in cells}
        number = len(cells)
        for candidate in candidates:
            for seed in session.spec.final.seeds:
                cell = known.get((candidate.point_id, seed))
                if cell is None:
                    session.database.add_cell(
                        session.study,
                        stage=stage,
                        number=number,
                        point=candidate.point,
                        point_id=candidate.point_id,
                        seed=seed,
                    )
                    number += 1
                elif self._is_to_do(cell, candidate):
                    session.database.reopen_cell(cell)

    def _is_to_do(self, cell: CellRow, candidate: Candidate) -> bool:
        if cell.state == "failed":
            return self._retry_failed
        if cell.stage == "candidate":  # its folder goes when the choice is made; its scores stay
            return False
        return cell.state == "complete" and not (self._target(cell, candidate) / DONE).exists()

    def _is_wanted(self, cell: CellRow, by_id: Mapping[str, Candidate]) -> bool:
        return cell.point_id in by_id and cell.seed in self._session.spec.final.seeds

    def _job(self, cell: CellRow, candidate: Candidate, *, folder: Path, device_batch_size: int | None) -> Job:
        session, spec = self._session, self._session.spec
        with_dev = spec.final.train_with_dev and cell.stage == "final"
        splits = ("train", "dev") if cell.stage == "candidate" else ("train", "dev", "test")
        weights = session.folder.candidates / self._folder_name(cell, candidate)
        return Job(
            id=cell_name(cell.stage, cell.number),
            kind="seed",
            spec=candidate.spec.model_dump(mode="json"),
            labels=self._opened.corpus.labels,
            splits=splits,
            fingerprints={name: self._opened.corpus.splits[name].fingerprint for name in splits},
            seed=cell.seed,
            precision=session.study.facts["precision"],
            folder=str(folder),
            encoded=str(session.folder.encoded),
            device_batch_size=device_batch_size,
            stop_after_epoch=self._epochs_with_dev(candidate) if with_dev else None,
            target=str(self._target(cell, candidate)),
            weights=str(weights) if cell.stage == "final" and not with_dev and (weights / DONE).exists() else None,
            tensorboard=spec.track.tensorboard,
            command=command_line(),
        )

    def _epochs_with_dev(self, candidate: Candidate) -> int:
        """How long to train when dev is trained on: as long as was best when it was not."""
        best = candidate.best_epoch
        return candidate.spec.train.epochs if best is None else max(1, round(best))

    def _folder_name(self, cell: CellRow, candidate: Candidate) -> str:
        spec = candidate.spec
        return seed_folder_name(
            model_name=spec.model.name or self._session.study.facts["model_type"],
            base=spec.model.base,
            study=spec.name,
            train=spec.train.model_dump(),
            seed=cell.seed,
            point=candidate.point,
            point_id=candidate.point_id,
        )

    def _target(self, cell: CellRow, candidate: Candidate) -> Path:
        root = self._session.folder.candidates if cell.stage == "candidate" else self._session.folder.root
        return root / self._folder_name(cell, candidate)

    def _state(self, stage: Stage, wanted: Sequence[CellRow], *, slots: int) -> State:
        spec = self._session.spec
        done = [cell for cell in wanted if not cell.is_open]
        state = State(
            title=f"{spec.name}, {'candidates' if stage == 'candidate' else 'seeds'}",
            objective=spec.search.objective,
            epochs=spec.train.epochs,
            slots=slots,
            minimised=is_minimised(spec.search.objective),
            total=len(wanted),
            done=len(done),
            failed=sum(cell.state == "failed" for cell in done),
        )
        for cell in done:
            state.take_score(cell)
        return state

    # the end

    def conclude(
        self,
        setting: BestSetting,
        chosen: Candidate,
        *,
        cells: Sequence[CellRow],
        candidates: Sequence[Candidate],
    ) -> FinalOutcome:
        """summary.json from the seed folders, and what the command prints."""
        session = self._session
        complete = [cell for cell in cells if cell.state == "complete"]
        failed = tuple(cell for cell in cells if cell.state == "failed")
        if not complete:
            raise NertuneError(
                f"no seed run of {session.spec.name} gave a result",
                fix=f"The causes are in {session.folder.logs}; after mending: the same command with --retry-failed",
            )
        seeds = [self._seed_row(cell, chosen) for cell in sorted(complete, key=lambda cell: cell.seed)]
        summary = {
            "study": session.spec.name,
            "task": session.spec.task,
            "setting": dict(chosen.point),
            "setting_edited_by_hand": setting.edited_by_hand,
            "objective": session.spec.search.objective,
            "search": self._optimism(chosen, seeds, candidates),
            "seeds": [row["seed"] for row in seeds],
            "failed_seeds": [cell.seed for cell in failed],
            "folders": {str(row["seed"]): Path(row["folder"]).name for row in seeds},
            **summarise_seeds(seeds),
        }
        write_json(session.folder.summary, summary)
        shutil.rmtree(session.folder.candidates, ignore_errors=True)
        return FinalOutcome(session.spec, tuple(seeds), summary, failed, session.folder.root)

    def _seed_row(self, cell: CellRow, chosen: Candidate) -> dict[str, Any]:
        folder = self._target(cell, chosen)
        results = read_json(folder / DONE)
        return {
            "seed": cell.seed,
            "best_epoch": cell.best_epoch,
            "scores": cell.scores,
            "labels": {
                split: results.get(f"{prefix}_labels", {}) for split, prefix in (("dev", "eval"), ("test", "test"))
            },
            "folder": str(folder),
        }

    def _optimism(
        self, chosen: Candidate, seeds: Sequence[Mapping[str, Any]], candidates: Sequence[Candidate]
    ) -> dict[str, Any]:
        """How much better the chosen trial looked than its setting is: the luck that choosing the best picks up."""
        objective = self._session.spec.search.objective
        values = [row["scores"].get("dev", {}).get(objective) for row in seeds]
        found = [value for value in values if value is not None]
        mean = statistics.fmean(found) if found else None
        return {
            "trial": chosen.cell,
            "dev_score": chosen.score,
            "mean_dev_score_of_seeds": mean,
            "too_hopeful_by": None if mean is None or chosen.score is None else chosen.score - mean,
            "candidates": [candidate.cell for candidate in candidates],
        }


class _OpenCells:
    """Cells made beforehand, taken in the order of their numbers."""

    def __init__(self, session: Session, stage: Stage, by_id: Mapping[str, Candidate], *, seeds: Sequence[int]) -> None:
        self._session = session
        self._stage = stage
        self._by_id = by_id
        self._seeds = seeds

    def take(self) -> CellRow | None:
        cells = self._session.database.cells(self._session.study, self._stage)
        return next((cell for cell in cells if self._is_mine(cell)), None)

    def look_ahead(self) -> None:
        """All cells are there from the start."""

    def _is_mine(self, cell: CellRow) -> bool:
        return cell.state in ("waiting", "interrupted") and cell.point_id in self._by_id and cell.seed in self._seeds
