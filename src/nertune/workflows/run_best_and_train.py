"""`nertune best-and-train`: the best setting, every seed, scored once on test, written down."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

from nertune.analysis.ranking import objective_value, rank
from nertune.errors import NertuneError, StudyConflictError, Where
from nertune.execute.executor import Executor
from nertune.protocols import protocol_name
from nertune.report.card import CARD, card_text
from nertune.report.progress import Progress
from nertune.results.database import CellRow
from nertune.results.files import read_json, write_csv, write_json, write_text
from nertune.results.layout import StudyFolder
from nertune.results.outcomes import FinalOutcome
from nertune.results.seed_folders import DONE, PREFIXES
from nertune.results.summary import size_rows, summarise_seeds, summarise_sizes
from nertune.search.best import BestSetting, read_best
from nertune.search.sampler import make_sampler
from nertune.spec.fingerprint import point_id
from nertune.spec.space import apply_point
from nertune.spec.study import StudySpec
from nertune.workflows.finals import Candidate, Finals, Started, candidate_of_size, mean_of_fits
from nertune.workflows.opening import (
    Written,
    known_costs,
    look_at_model,
    open_executor,
    plan_for,
    prepare,
    read_data,
    read_study,
    tell_encoding,
    tell_findings,
)
from nertune.workflows.run_search import write_best_file
from nertune.workflows.search_cells import is_finished
from nertune.workflows.session import Session, identity_of, not_searched, open_session, refuse_conflicts


def best_and_train(
    study_file: Path,
    *,
    progress: Progress,
    edits: Sequence[str] = (),
    workers: int | None = None,
    so_far: bool = False,
    retry_failed: bool = False,
    meanwhile: Iterable[object] = (),
) -> FinalOutcome:
    """Refit the best setting of a study's search with every seed, and score test once.

    so_far     go on although the search is not finished
    meanwhile  gone through, as far as it goes, while workers import, which takes seconds
    Raises     UserError (the search is missing or unfinished, the data or its test split is wrong), and as `search`
    """
    written = read_study(study_file, edits=edits)
    with ExitStack() as stack:

        def start_workers(n_jobs: int) -> Executor:
            plan = plan_for(written, n_jobs=n_jobs, threads=written.facts.get("threads"), workers=workers)
            return stack.enter_context(open_executor(written.spec, plan))

        early = start_workers(_most_fits(written.spec)) if _is_first_call(written) else None
        opened = read_data(written, splits=("train", "dev", "test"))
        spec = opened.spec
        identity = identity_of(spec, opened.corpus)
        known = refuse_conflicts(spec, identity=identity)
        if known is None:
            raise not_searched(spec, study_file)
        tell_findings(opened, progress.say)
        session = stack.enter_context(open_session(spec, identity=identity))
        setting, candidates = choose_candidates(session, study_file=study_file, so_far=so_far, tell=progress.say)

        def start(n_jobs: int) -> Started:
            executor = early or start_workers(n_jobs)
            model = look_at_model(executor, opened, meanwhile=meanwhile)
            told = prepare(executor, opened, session=session)
            tell_encoding(told, progress.say)
            return Started(executor, known_costs(spec, told, session=session), model)

        finals = Finals(session, opened, progress, start=start, retry_failed=retry_failed)
        chosen = finals.choose(candidates)
        cells = finals.refit(chosen)
        of_sizes = finals.learn_curve(chosen)
        return _conclude(session, setting, chosen, cells=cells, of_sizes=of_sizes, candidates=candidates, finals=finals)


def _is_first_call(written: Written) -> bool:
    """Whether there will be fits: the study has been searched, and no earlier call came to its end."""
    return "threads" in written.facts and not StudyFolder(written.spec.output).summary.exists()


def _most_fits(spec: StudySpec) -> int:
    return len(spec.final.seeds) * spec.final.candidates


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


def _conclude(
    session: Session,
    setting: BestSetting,
    chosen: Candidate,
    *,
    cells: Sequence[CellRow],
    of_sizes: Mapping[float, Sequence[CellRow]],
    candidates: Sequence[Candidate],
    finals: Finals,
) -> FinalOutcome:
    """summary.json and sizes.csv from the seed folders, and what the command prints."""
    spec = session.spec
    seeds = _seed_rows(cells, chosen, finals=finals)
    if not seeds:
        raise NertuneError(
            f"no seed run of {spec.name} gave a result",
            fix=f"The causes are in {session.folder.logs}; after mending: the same command with --retry-failed",
        )
    sizes = _rows_of_sizes(of_sizes, chosen, seeds=seeds, finals=finals)
    failed = tuple(cell for cell in (*cells, *chain.from_iterable(of_sizes.values())) if cell.state == "failed")
    summary = {
        "study": spec.name,
        "task": spec.task,
        "setting": dict(chosen.point),
        "setting_edited_by_hand": setting.edited_by_hand,
        "protocol": {"name": protocol_name(spec.protocol), **spec.protocol.model_dump()},
        "trained_with_dev": spec.final.train_with_dev,
        "objective": spec.search.objective,
        "search": _optimism(chosen, seeds=seeds, candidates=candidates),
        "seeds": [row["seed"] for row in seeds],
        "failed_seeds": [cell.seed for cell in failed if cell.stage == "final"],
        "folders": {str(row["seed"]): Path(row["folder"]).name for row in seeds},
        **summarise_seeds(seeds),
        **({"sizes": summarise_sizes(sizes)} if sizes else {}),
    }
    write_json(session.folder.summary, summary)
    _write_cards(chosen.spec, seeds, summary=summary)
    if sizes:
        rows, columns = size_rows(sizes)
        write_csv(session.folder.sizes, rows, columns=columns)
    shutil.rmtree(session.folder.candidates, ignore_errors=True)
    return FinalOutcome(spec, tuple(seeds), summary, failed, session.folder.root)


def _write_cards(spec: StudySpec, seeds: Sequence[Mapping[str, Any]], *, summary: Mapping[str, Any]) -> None:
    """A model card in the folder of each seed: it tells of all of them, and is written when they are known."""
    for row in seeds:
        folder = Path(row["folder"])
        config = read_json(folder / "config.json") if (folder / "config.json").exists() else {}
        made = read_json(folder / "environment.json")
        write_text(folder / CARD, card_text(spec, seed=row["seed"], summary=summary, config=config, made=made))


def _rows_of_sizes(
    cells: Mapping[float, Sequence[CellRow]],
    chosen: Candidate,
    *,
    seeds: Sequence[Mapping[str, Any]],
    finals: Finals,
) -> dict[float, Sequence[Mapping[str, Any]]]:
    """The rows of the seeds by percent of train; those of the chosen setting's own size are its seed runs."""
    own = chosen.spec.data.size
    others = {
        percent: _seed_rows(found, candidate_of_size(chosen, percent), finals=finals)
        for percent, found in cells.items()
    }
    return {**others, own: seeds} if own in chosen.spec.final.sizes else {**others}


def _seed_rows(cells: Sequence[CellRow], candidate: Candidate, *, finals: Finals) -> list[dict[str, Any]]:
    """Of each seed that gave a result."""
    complete = [cell for cell in cells if cell.state == "complete"]
    objective = candidate.spec.search.objective
    return [
        _seed_row(cell, folder=finals.folder_of(cell, candidate), objective=objective)
        for cell in sorted(complete, key=lambda cell: cell.seed)
    ]


def _seed_row(cell: CellRow, *, folder: Path, objective: str) -> dict[str, Any]:
    results = read_json(folder / DONE)
    return {
        "seed": cell.seed,
        "best_epoch": cell.best_epoch,
        "scores": cell.scores,
        "mean_dev_score": mean_of_fits(cell, objective),
        "labels": {split: results.get(f"{prefix}_labels", {}) for split, prefix in PREFIXES.items()},
        "examples": results["train_samples"],
        "folder": str(folder),
    }


def _optimism(
    chosen: Candidate, *, seeds: Sequence[Mapping[str, Any]], candidates: Sequence[Candidate]
) -> dict[str, Any]:
    """How much better the chosen trial looked than its setting is: the luck that choosing the best picks up."""
    values = [row["mean_dev_score"] for row in seeds]
    found = [value for value in values if value is not None]
    mean = statistics.fmean(found) if found else None
    return {
        "trial": chosen.cell,
        "dev_score": chosen.score,
        "mean_dev_score_of_seeds": mean,
        "too_hopeful_by": None if mean is None or chosen.score is None else chosen.score - mean,
        "candidates": [candidate.cell for candidate in candidates],
    }
