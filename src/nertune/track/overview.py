"""A study as a whole, from the record: its best setting, its seeds, and its score over two searched keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from nertune.analysis.ranking import as_trial, objective_value, rank
from nertune.analysis.search import heat_map
from nertune.report.tables import point_text
from nertune.report.text import score_name, spread_text, value_text
from nertune.results.database import ATTEMPTS, RUNS, CellRow, Database, StudyRow
from nertune.results.summary import summarise_seeds
from nertune.scores import is_minimised


def tell_study(study: StudyRow, *, database: Database) -> dict[str, Any]:
    """What a study came to so far, as plain JSON.

    best       the best trial: its number, run (an id of the record's), score, epoch and point; None: none has a score
    ended      when its last run was over, None while none is
    best_file  what best.yaml says, None when there is none
    seeds      of the setting that was refitted last: its point, the seeds, mean and sd of the objective by split
    heat_map   as `report.plots.heat_map` takes it, None when fewer than two keys were searched
    """
    study = next((found for found in database.studies() if found.id == study.id), study)  # with the facts of now
    objective = study.spec.get("search", {}).get("objective", "f1")
    trials = database.cells(study, "search")
    return {
        "name": study.name,
        "objective": objective,
        "ended": _ended(study, database=database),
        "states": dict(Counter(cell.state for cell in trials)),
        "best": _best(trials, objective, database=database),
        "best_file": study.facts.get("best", {}).get("text"),
        "seeds": _seeds(database.cells(study, "final"), objective),
        "heat_map": heat_map_of(trials, objective),
    }


def _ended(study: StudyRow, *, database: Database) -> str | None:
    query = RUNS.select().with_only_columns(RUNS.c.started, RUNS.c.seconds).where(RUNS.c.study_id == study.id)
    with database.read() as connection:
        runs = [(started, seconds) for started, seconds in connection.execute(query) if seconds is not None]
    ends = [datetime.fromisoformat(started) + timedelta(seconds=seconds) for started, seconds in runs]
    return max(ends).isoformat() if ends else None


def _best(trials: Sequence[CellRow], objective: str, *, database: Database) -> dict[str, Any] | None:
    ranked = rank(trials, objective)
    if not ranked:
        return None
    best = ranked[0]
    tries = RUNS.join(ATTEMPTS, ATTEMPTS.c.id == RUNS.c.attempt_id).select().with_only_columns(RUNS.c.id)
    with database.read() as connection:
        runs = list(connection.execute(tries.where(ATTEMPTS.c.cell_id == best.id)).scalars())
    told = {
        "trial": best.number,
        "run": max(runs, default=None),
        "score": objective_value(best, objective),
        "epoch": best.best_epoch,
    }
    return {**told, "point": dict(best.point)}


def _seeds(cells: Sequence[CellRow], objective: str) -> dict[str, Any] | None:
    done = [cell for cell in cells if cell.state == "complete"]
    if not done:
        return None
    last = max(done, key=lambda cell: cell.id)
    mine = [cell for cell in done if cell.point_id == last.point_id]
    summary = summarise_seeds([{"seed": cell.seed, "scores": cell.scores, "labels": {}} for cell in mine])
    scores = {split: found["scores"][objective] for split, found in summary.items() if objective in found["scores"]}
    told = {split: {"mean": score["mean"], "sd": score["sd"]} for split, score in scores.items()}
    return {"point": dict(last.point), "seeds": sorted(cell.seed for cell in mine), "scores": told}


# the words


def headline(told: Mapping[str, Any]) -> str:
    """The study in a line: `Best: batch size 8 (trial 0), dev F1 0.8168; test F1 of the seeds 0.7912 ± 0.0101`."""
    best, name = told["best"], score_name(told["objective"])
    if best is None:
        return "No trial has a score yet"
    line = f"Best: {setting_text(best['point'])} (trial {best['trial']}), dev {name} {best['score']:.4f}"
    scores = (told["seeds"] or {"scores": {}})["scores"]
    return "; ".join([line, *(f"{split} {name} of the seeds {_spread_text(score)}" for split, score in scores.items())])


def setting_text(point: Mapping[str, Any]) -> str:
    """`batch size 8, learning rate 0.003`."""
    return point_text(point) if point else "as written"


def study_text(told: Mapping[str, Any]) -> str:
    """The best setting and its seeds, a line for each key and score."""
    name, best, seeds = score_name(told["objective"]), told["best"], told["seeds"]
    states = ", ".join(f"{number} {state}" for state, number in sorted(told["states"].items()))
    lines = [f"Study {told['name']}: trials {states or 'none'}"]
    if best is not None:
        at = "" if best["epoch"] is None else f" at epoch {best['epoch']:g}"
        lines += ["", f"Best setting: trial {best['trial']}, dev {name} {best['score']:.4f}{at}"]
        lines += [f"{key}: {value_text(value)}" for key, value in best["point"].items()]
    if seeds is not None:
        lines += ["", f"Refitted with seeds {', '.join(map(str, seeds['seeds']))}: {setting_text(seeds['point'])}"]
        lines += [f"{split} {name}: {_spread_text(score)}" for split, score in seeds["scores"].items()]
    return "\n".join(lines)


def _spread_text(score: Mapping[str, float | None]) -> str:
    return "no finite score" if score["mean"] is None else spread_text(score["mean"], score["sd"])


# the score over two keys


def heat_map_of(trials: Sequence[CellRow], objective: str) -> dict[str, Any] | None:
    """The heat map of the two keys that have most values; None where fewer than two keys vary."""
    found = [as_trial(cell, objective) for cell in trials if not cell.is_open]
    values: dict[str, set[str]] = {}
    for trial in found:
        for key, value in trial.point.items():
            values.setdefault(key, set()).add(str(value))
    keys = sorted(values, key=lambda key: -len(values[key]))
    return heat_map(found, keys, score=objective, minimised=is_minimised(objective))
