"""`nertune runs`: every run that a record knows, chosen and sorted; and everything that is known of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nertune.errors import StudyConflictError, UserError, Where, closest
from nertune.results.conditions import find_key, parse_condition, unknown_key
from nertune.results.database import Database, RunRow, StudyRow, open_snapshot
from nertune.results.layout import StudyFolder, cell_name
from nertune.results.seed_folders import marks_of
from nertune.workflows.holders import Holder, holder_of

USUAL_STORAGES = ("nertune.db", "studies/nertune.db")  # of a project's folder, and of the quick form
SHOWN_NAMES = 8  # of studies or runs in a message


@dataclass(frozen=True)
class Record:
    """The record that is looked at, and the part of it that was asked for.

    study   its one study of interest; None: all
    output  where the results of that one lie, if a study file says so: a project may have been moved since
    """

    storage: str
    study: str | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Run:
    """A run with its study, and what is known of where it lies.

    state   as the record has it; `lost` where it ran when its coordinator died
    folder  of its results, if they are still there and are its own
    """

    study: StudyRow
    row: RunRow
    state: str
    seconds: float | None
    folder: Path | None

    @property
    def name(self) -> str:
        """`trial-0003`: how logs and messages call its cell."""
        return cell_name(self.row.cell.stage, self.row.cell.number)

    @property
    def objective(self) -> str:
        return objective_of(self.study)

    @property
    def log(self) -> Path:
        return StudyFolder(Path(self.study.output)).log(self.name, self.row.attempt)

    def score(self, split: str) -> float | None:
        """The score that the search is about, on a split."""
        return self.row.scores.get(split, {}).get(self.objective)

    def facts(self) -> dict[str, Any]:
        """What conditions and sorting may name: facts, scores (`f1` is that of dev), settings."""
        cell, row = self.row.cell, self.row
        scores = {f"{split}.{name}": value for split, values in row.scores.items() for name, value in values.items()}
        own = {
            "id": row.id,
            "study": self.study.name,
            "name": self.name,
            "stage": cell.stage,
            "state": self.state,
            "cause": row.cause,
            "message": row.message,
            "seed": cell.seed,
            "number": cell.number,
            "attempt": row.attempt,
            "started": row.started,
            "seconds": self.seconds,
            "epoch": cell.best_epoch,
            "score": self.score("dev"),
            "folder": None if self.folder is None else str(self.folder),
        }
        return {**row.scores.get("dev", {}), **own, **row.parameters, **cell.point, **scores, **own}

    def to_json(self) -> dict[str, Any]:
        cell, row = self.row.cell, self.row
        return {
            "id": row.id,
            "study": self.study.name,
            "name": self.name,
            "run_name": row.name,
            "stage": cell.stage,
            "number": cell.number,
            "state": self.state,
            "cause": row.cause,
            "message": row.message,
            "seed": cell.seed,
            "attempt": row.attempt,
            "attempts": cell.attempts,
            "started": row.started,
            "seconds": self.seconds,
            "best_epoch": cell.best_epoch,
            "objective": self.objective,
            "setting": dict(cell.point),
            "scores": {split: dict(values) for split, values in row.scores.items()},
            "folder": None if self.folder is None else str(self.folder),
            "log": str(self.log) if self.log.exists() else None,
        }


@dataclass(frozen=True)
class Listing:
    """The runs that were asked for, in their order.

    total  of runs that there are to choose from
    """

    record: Record
    runs: tuple[Run, ...]
    total: int


def find_record(storage: str | None = None, study: str | None = None) -> Record:
    """The record that is meant: one that is named, that of a study file, or the usual one of this folder.

    study   a study's name, or its file
    Raises  UserError where nothing is named and the usual places hold none
    """
    if study is not None and study.endswith((".yaml", ".yml")):
        from nertune.spec.load import load_study

        spec = load_study(Path(study))
        return Record(storage or spec.storage, spec.name, spec.output)
    if storage is not None:
        return Record(storage, study)
    there = next((path for path in USUAL_STORAGES if Path(path).exists()), None)
    if there is None:
        raise UserError(
            f"there is no record here: neither {' nor '.join(USUAL_STORAGES)}",
            fix="--storage FILE names one, --study STUDY.yaml that of a study; nertune search STUDY makes one",
        )
    return Record(there, study)


def list_runs(
    record: Record,
    *,
    where: Sequence[str] = (),
    sort: str | None = None,
    limit: int | None = None,
    with_earlier: bool = False,
) -> Listing:
    """The runs of a record, the newest first.

    where         conditions, all of which count; see `results.conditions`
    sort          a key, with `-` in front for the largest first; runs without it come last
    with_earlier  also the attempts that another one followed
    Raises        UserError for a condition or key that makes no sense, StudyConflictError where there is no record
    """
    with closing(open_snapshot(record.storage)) as database:
        found = [run for run in read_runs(database, record) if with_earlier or run.row.is_latest]
    chosen = _sorted(choose_runs(found, where), sort)
    return Listing(record, tuple(chosen[:limit]), total=len(found))


def read_runs(database: Database, record: Record) -> list[Run]:
    """Every run, the newest first.

    Raises  StudyConflictError when the record does not know the study
    """
    studies = {study.id: study for study in chosen_studies(database, record)}
    holders = {study.id: holder_of(database, study) for study in studies.values()}
    rows = [row for row in database.all_runs() if row.study_id in studies]
    runs = [_run(row, studies[row.study_id], holders[row.study_id]) for row in rows]
    return sorted(runs, key=lambda run: (run.row.started, run.row.id), reverse=True)


def chosen_studies(database: Database, record: Record) -> list[StudyRow]:
    """The studies of the record that are asked for. Raises StudyConflictError for one that it does not know."""
    studies = database.studies()
    if record.study is None:
        return studies
    found = [study for study in studies if study.name == record.study]
    if found:
        return found if record.output is None else [replace(study, output=str(record.output)) for study in found]
    names = [study.name for study in studies]
    near = closest(record.study, names)
    known = f"Did you mean {near}?" if near else f"It knows: {', '.join(names[:SHOWN_NAMES]) or 'no study yet'}"
    raise StudyConflictError(
        f"the record knows no study {record.study}",
        where=Where(Path(record.storage)) if _is_file(record) else None,
        fix=known,
    )


def choose_runs(runs: Sequence[Run], where: Sequence[str]) -> list[Run]:
    """Those for which all conditions hold."""
    facts = [run.facts() for run in runs]
    tests = [parse_condition(text, rows=facts) for text in where]
    return [run for run, known in zip(runs, facts, strict=True) if all(test(known) for test in tests)]


def find_run(runs: Sequence[Run], name: str) -> Run:
    """The run with this id, or the latest one with this name (`trial-0003`, or that of its folder).

    Raises  UserError when there is none, or several studies have one
    """
    by_id = [run for run in runs if str(run.row.id) == name]
    named = [run for run in runs if name in (run.name, run.row.name) and run.row.is_latest]
    found = by_id or named
    if not found:
        near = closest(name, {run.name for run in runs} | {run.row.name for run in runs})
        more = f"Did you mean {near}?" if near else "nertune runs   lists them"
        raise UserError(f"there is no run {name}", fix=more)
    if len(found) > 1:
        told = ", ".join(f"{run.row.id} ({run.study.name}, {run.row.cell.stage})" for run in found[:SHOWN_NAMES])
        raise UserError(f"{len(found)} runs are called {name}", fix=f"Name one by its id: {told}")
    return found[0]


def describe_run(record: Record, name: str) -> dict[str, Any]:
    """Everything that the record and the disk know of one run, as plain data.

    name    its id, or its name where that is of one study only
    Raises  UserError as `find_run`
    """
    with closing(open_snapshot(record.storage)) as database:
        runs = read_runs(database, record)
        run = find_run(runs, name)
        searched = list(run.study.spec.get("search", {}).get("space", {}))
        parameters = run.row.parameters
        settings = {**{key: run.row.cell.point.get(key, parameters.get(key)) for key in searched}, **run.row.cell.point}
        return {
            **run.to_json(),
            "task": run.study.task,
            "setting": settings,
            "parameters": {key: value for key, value in parameters.items() if key not in settings},
            "tries": [_try(attempt) for attempt in database.attempts(run.row.cell)],
            "labels": _labels(database, run.row.id),
            "curve": _curve(database, run.row.id, objective=run.objective),
            "files": [] if run.folder is None else _files(run.folder),
        }


def objective_of(study: StudyRow) -> str:
    """The score that a study's search is about."""
    return str(study.spec.get("search", {}).get("objective", "f1"))


# ---- a run


def _run(row: RunRow, study: StudyRow, holder: Holder | None) -> Run:
    state = "lost" if row.state == "running" and holder is None else row.state
    seconds = row.seconds
    if state == "running" and seconds is None:
        seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(row.started)).total_seconds())
    return Run(study, row, state, seconds, _folder(row, study))


def _folder(row: RunRow, study: StudyRow) -> Path | None:
    """Where its results lie; another fit may have taken their place."""
    place = StudyFolder(Path(study.output)).of_run(row.cell.stage, row.name, point=row.cell.point)
    if place is None or row.state != "complete" or not place.is_dir():
        return None
    return place if marks_of(place).get("fit_id", row.cell.point_id) == row.cell.point_id else None


def _try(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {key: attempt[key] for key in ("number", "state", "cause", "message", "started", "seconds")}


def _labels(database: Database, run_id: int) -> dict[str, dict[str, dict[str, float | None]]]:
    """{split: {label: {precision, recall, f1, support}}}, without the fits of a trial of several."""
    found: dict[str, dict[str, dict[str, float | None]]] = {}
    for row in database.label_scores(run_id):
        if row["split"] in ("dev", "test"):
            found.setdefault(row["split"], {}).setdefault(row["label"], {})[row["name"]] = row["value"]
    return found


def _curve(database: Database, run_id: int, *, objective: str) -> list[dict[str, Any]]:
    """A row for each evaluation on dev: its fit where there are several, epoch, step, train and dev loss, the score."""
    rows: list[dict[str, Any]] = []
    losses: dict[str, float | None] = {}
    evaluations: dict[tuple[str, int], dict[str, Any]] = {}
    after = 0
    while steps := database.steps(run_id, after=after):
        after = int(steps[-1]["id"])
        for step in steps:
            kind, _, fit = str(step["split"]).partition("_")
            if kind == "train" and step["name"] == "loss":
                losses[fit] = step["value"]
            elif kind == "dev" and step["name"] in (objective, "loss"):
                key = (fit, step["step"])
                if key not in evaluations:
                    loss = losses.get(fit)
                    evaluations[key] = {"fit": fit, "epoch": step["epoch"], "step": step["step"], "train_loss": loss}
                    rows.append(evaluations[key])
                evaluations[key]["dev_loss" if step["name"] == "loss" else objective] = step["value"]
    has_fits = any(row["fit"] for row in rows)
    return (
        [{**row, "fit": int(row["fit"])} for row in rows if row["fit"]] if has_fits else [_without_fit(r) for r in rows]
    )


def _without_fit(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "fit"}


def _files(folder: Path) -> list[dict[str, Any]]:
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [{"path": str(path.relative_to(folder)), "bytes": path.stat().st_size} for path in found]


# ---- order


def _sorted(runs: Sequence[Run], sort: str | None) -> list[Run]:
    """By a key, those without it last; what is equal stays as it was."""
    if sort is None or not runs:
        return list(runs)
    facts = {run.row.id: run.facts() for run in runs}
    known = list(dict.fromkeys(key for row in facts.values() for key in row))
    name = sort.removeprefix("-")
    key = find_key(name, known)
    if key is None:
        raise UserError(f"--sort {sort}: {unknown_key(name, known)}", fix="For example: --sort -f1, --sort started")
    with_key = [run for run in runs if facts[run.row.id].get(key) is not None]
    without = [run for run in runs if facts[run.row.id].get(key) is None]
    return [*sorted(with_key, key=lambda run: _place(facts[run.row.id][key]), reverse=sort.startswith("-")), *without]


def _place(value: Any) -> tuple[bool, float, str]:
    """Numbers before words."""
    if isinstance(value, (int, float)):
        return (False, float(value), "")
    return (True, 0.0, str(value))


def _is_file(record: Record) -> bool:
    return "://" not in record.storage
