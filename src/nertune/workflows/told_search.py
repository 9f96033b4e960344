"""What a report shows of a search, from the record: figures as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nertune.analysis.ranking import as_trial, objective_value, rank, rank_pruned
from nertune.analysis.search import MANY, expected_best, heat_map, slices, values_at_edges
from nertune.report.tables import sd_of_fits
from nertune.results.database import CellRow, Database, StudyRow
from nertune.scores import is_minimised
from nertune.search.importance import importances
from nertune.search.sampler import make_sampler
from nertune.spec.space import dimensions
from nertune.spec.study import StudySpec
from nertune.workflows.search_cells import cells_wanted, is_finished

MOST_POINTS = 200  # of a curve that is drawn


def told_of_search(spec: StudySpec, study: StudyRow, database: Database) -> dict[str, Any]:
    """The best trial, all trials, and what they say of the space."""
    cells = database.cells(study, "search")
    objective, minimised = spec.search.objective, is_minimised(spec.search.objective)
    ranked = rank(cells, objective)
    trials = [as_trial(cell, objective) for cell in cells if not cell.is_open]
    scores = [trial.score for trial in trials if trial.score is not None]
    best = ranked[0] if ranked else None
    shares = importances(spec, cells)
    keys = list(shares) if shares else list(spec.search.space)
    seconds = float(study.facts.get("search_seconds", 0.0))
    return {
        "best": _best(best, objective),
        "search": {
            "finished": _is_finished(spec, cells, seconds=seconds),
            "n_scored": len(scores),
            "same": _most_frequent(scores),
            "sampler": spec.search.sampler,
            "pruner": spec.search.pruner,
            "seconds": seconds,
            "states": {state: sum(cell.state == state for cell in cells) for state in _states(cells)},
            "causes": _causes(cells),
            "few_trials": len(scores) < MANY,
        },
        "trials": [_row(cell, objective, place=place) for place, cell in enumerate(ranked, start=1)]
        + [_row(cell, objective) for cell in _unranked(cells, ranked, objective)],
        "heat_map": heat_map(trials, keys, score=objective, minimised=minimised),
        "slices": slices(trials, keys),
        "curves": _curves(database, study, objective),
        "importance": shares,
        "expected_best": expected_best(scores, minimised=minimised),
        "lowest": min(scores, default=None),
        "highest": max(scores, default=None),
        "edges": values_at_edges(dimensions(spec), best.point) if best else [],
    }


def _is_finished(spec: StudySpec, cells: Sequence[CellRow], *, seconds: float) -> bool:
    """As the search itself would say; also where the model is gone by which it knows its points."""
    sampler = make_sampler(spec)
    if is_finished(spec, cells, sampler=sampler, seconds=seconds):
        return True
    wanted = cells_wanted(spec, sampler)
    return wanted is not None and len(cells) >= wanted and not any(cell.is_open for cell in cells)


def _most_frequent(scores: Sequence[float]) -> dict[str, Any] | None:
    """The score that most trials have, if several have the same."""
    counted = Counter(scores).most_common(1)
    return {"score": counted[0][0], "count": counted[0][1]} if counted and counted[0][1] > 1 else None


def _best(cell: CellRow | None, objective: str) -> dict[str, Any]:
    if cell is None:
        return {"trial": None, "point": {}, "score": None, "epoch": None}
    score = objective_value(cell, objective)
    return {"trial": cell.number, "point": dict(cell.point), "score": score, "epoch": cell.best_epoch}


def _states(cells: Sequence[CellRow]) -> list[str]:
    return sorted({cell.state for cell in cells})


def _causes(cells: Sequence[CellRow]) -> list[dict[str, Any]]:
    """Why trials failed, the most frequent cause first, each with the message of the first."""
    failed = [cell for cell in cells if cell.state == "failed"]
    by_cause: dict[str, list[CellRow]] = {}
    for cell in failed:
        by_cause.setdefault(cell.cause or "?", []).append(cell)
    return [
        {"cause": cause, "count": len(own), "message": own[0].message, "trials": [cell.number for cell in own]}
        for cause, own in sorted(by_cause.items(), key=lambda found: -len(found[1]))
    ]


def _unranked(cells: Sequence[CellRow], ranked: Sequence[CellRow], objective: str) -> list[CellRow]:
    """Those cut short, the ones that ran longest first, then failed ones and those that are not over."""
    pruned = rank_pruned(cells, objective)
    known = {cell.number for cell in (*ranked, *pruned)}
    return [*pruned, *(cell for cell in cells if cell.number not in known)]


def _row(cell: CellRow, objective: str, *, place: int | None = None) -> dict[str, Any]:
    return {
        "rank": place,
        "trial": cell.number,
        "state": cell.state,
        "score": objective_value(cell, objective),
        "sd": sd_of_fits(cell, objective),
        "point": dict(cell.point),
        "epoch": cell.best_epoch,
        "seconds": cell.seconds,
        "attempts": cell.attempts,
        "cause": cell.cause,
        "message": cell.message,
        "share": cell.rungs[-1]["share"] if cell.rungs and cell.state == "pruned" else None,
    }


def _curves(database: Database, study: StudyRow, objective: str) -> Mapping[str, list[list[float | None]]]:
    """Epoch and score at each evaluation, by trial; of a trial of several fits that of the mean."""
    found = database.curves(study, "search", split="dev", name=objective)
    return {
        str(number): [[moment.epoch, moment.value] for moment in _thinned(moments)] for number, moments in found.items()
    }


def _thinned(moments: Sequence[Any]) -> Sequence[Any]:
    """At most MOST_POINTS of them, the last one always."""
    every = -(-len(moments) // MOST_POINTS)
    return moments if every == 1 else [*moments[:-1:every], moments[-1]]
