"""What `nertune runs` prints: the runs, the studies, one run whole, what is removed; and the runs as CSV."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from nertune.errors import shown_path
from nertune.report.fitted import Column, show_columns
from nertune.report.grids import count_text, show_line
from nertune.report.tables import point_text, result_console
from nertune.report.text import (
    duration_text,
    epoch_text,
    file_size_text,
    moment_text,
    score_name,
    score_text,
    short_key,
    spread_text,
    value_text,
)

STYLES = {"failed": "red", "running": "green", "pruned": "dim", "lost": "dim", "interrupted": "dim"}
STATE_WORDS = {
    "silent": "running?",
    "stopped": "stopped",
    "unfinished": "unfinished",
    "searched": "searched",
    "finished": "finished",
}
FACTS = ("id", "study", "name", "run_name", "stage", "number", "state", "cause", "message", "seed", "attempt")
MORE_FACTS = ("attempts", "started", "seconds", "best_epoch", "objective")
LABEL_SCORES = ("precision", "recall", "f1")
TOLD = 11  # columns of the words before what is told
SHOWN_ITEMS = 20


def show_runs(rows: Sequence[Mapping[str, Any]], *, total: int, storage: str) -> None:
    """A row a run.

    rows   as `Run.to_json` gives them
    total  of runs that there are to choose from
    """
    console = result_console()
    if rows:
        show_columns(console, _run_columns(rows), styles=[STYLES.get(row["state"]) for row in rows])
        console.print()
    show_line(console, _runs_text(rows, total=total, storage=storage))


def _run_columns(rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    studies, objectives = {row["study"] for row in rows}, {row["objective"] for row in rows}
    score = f" {score_name(next(iter(objectives)))}" if len(objectives) == 1 else ""
    heading, settings = _settings(rows)
    has_seeds = any(row["stage"] != "search" for row in rows)
    has_test = any(row["scores"].get("test") for row in rows)
    attempts = [f"{row['name']} #{row['attempt']}" if row["attempt"] > 1 else row["name"] for row in rows]
    columns = [
        Column("id", [str(row["id"]) for row in rows]),
        Column("study", [row["study"] for row in rows], rank=1, least=8, is_text=True),
        Column("run", attempts, is_text=True),
        Column("state", [_state_text(row) for row in rows], least=10, is_text=True),
        Column("started", [moment_text(row["started"]) for row in rows], rank=3, is_text=True),
        Column("time", [duration_text(row["seconds"]) for row in rows], rank=4),
        Column(f"dev{score}", [_score(row, "dev") for row in rows]),
        *([Column(f"test{score}", [_score(row, "test") for row in rows], rank=2)] if has_test else []),
        *([Column("seed", [_seed_text(row) for row in rows], rank=5)] if has_seeds else []),
        Column(heading, settings, rank=6, least=10, is_text=True),
        Column("folder", [_folder_text(row["folder"]) for row in rows], rank=7, least=24, is_text=True),
    ]
    left_out = {"study": len(studies) == 1, "folder": not any(row["folder"] for row in rows)}
    return [column for column in columns if not left_out.get(column.heading)]


def _settings(rows: Sequence[Mapping[str, Any]]) -> tuple[str, list[str]]:
    """Heading and texts of the searched values; keys that all runs have stand above, not in each of them."""
    keys = list(rows[0]["setting"])
    if not keys or any(list(row["setting"]) != keys for row in rows):
        return "setting", [point_text(row["setting"]) if row["setting"] else "" for row in rows]
    told = [", ".join(value_text(value) for value in row["setting"].values()) for row in rows]
    return ", ".join(short_key(key) for key in keys), told


def _seed_text(row: Mapping[str, Any]) -> str:
    return "" if row["stage"] == "search" else str(row["seed"])


def _runs_text(rows: Sequence[Mapping[str, Any]], *, total: int, storage: str) -> str:
    place = storage if "://" in storage else shown_path(Path(storage))
    if not total:
        return f"No runs in {place}: nertune search STUDY makes some"
    studies = sorted({row["study"] for row in rows})
    of = f" of {studies[0]}" if len(studies) == 1 else f" of {_studies_text(len(studies))}" if studies else ""
    shown = count_text(total, "runs") if len(rows) == total else f"{len(rows):,} of {count_text(total, 'runs')}"
    return f"{shown}{of} in {place}; nertune runs show ID tells more"


def _studies_text(n: int) -> str:
    return "1 study" if n == 1 else f"{n:,} studies"


def _state_text(row: Mapping[str, Any]) -> str:
    cause = row["cause"]
    return str(row["state"]) if cause in (None, row["state"]) else f"{row['state']}, {cause}"


def _score(row: Mapping[str, Any], split: str) -> str:
    return score_text(row["scores"].get(split, {}).get(row["objective"]))


def _setting_text(row: Mapping[str, Any]) -> str:
    setting = point_text(row["setting"]) if row["setting"] else ""
    return setting if row["stage"] == "search" else ", ".join(part for part in (f"seed {row['seed']}", setting) if part)


def _folder_text(folder: str | None) -> str:
    return "" if folder is None else shown_path(Path(folder))


# ---- CSV


def write_runs_csv(rows: Sequence[Mapping[str, Any]], stream: IO[str]) -> None:
    """A row a run: facts, the searched keys, every score as `SPLIT_NAME`, folder and log."""
    keys = list(dict.fromkeys(key for row in rows for key in row["setting"]))
    scores = list(
        dict.fromkeys(f"{split}_{name}" for row in rows for split, found in row["scores"].items() for name in found)
    )
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*FACTS, *MORE_FACTS, *keys, *scores, "folder", "log"])
    for row in rows:
        found = {f"{split}_{name}": value for split, values in row["scores"].items() for name, value in values.items()}
        facts = [row[name] for name in (*FACTS, *MORE_FACTS)]
        writer.writerow(
            [*facts, *(row["setting"].get(key) for key in keys), *map(found.get, scores), row["folder"], row["log"]]
        )


# ---- studies


def show_studies(studies: Sequence[Mapping[str, Any]], *, storage: str) -> None:
    """A row a study, as `list_studies` gives them."""
    console = result_console()
    place = storage if "://" in storage else shown_path(Path(storage))
    if not studies:
        show_line(console, f"No studies in {place}: nertune search STUDY begins one")
        return
    objectives = {one["objective"] for one in studies}
    score = f" {score_name(next(iter(objectives)))}" if len(objectives) == 1 else ""
    columns = [
        Column("study", [one["study"] for one in studies], least=10, is_text=True),
        Column("task", [one["task"] for one in studies], rank=4, is_text=True),
        Column("created", [moment_text(one["created"]) for one in studies], rank=3, is_text=True),
        Column("state", [STATE_WORDS.get(one["state"], one["state"]) for one in studies], is_text=True),
        Column("trials", [_trials_text(one) for one in studies]),
        Column("failed", [str(_failed(one)) for one in studies], rank=5),
        Column(f"dev{score}", [score_text((one["best"] or {}).get("score")) for one in studies], rank=1),
        Column(f"test{score}", [_test_text(one["test"]) for one in studies], rank=2),
        Column("folder", [_folder_text(one["folder"]) for one in studies], rank=6, least=16, is_text=True),
    ]
    show_columns(console, columns, styles=[STYLES.get(one["state"]) for one in studies])
    console.print()
    show_line(console, f"{_studies_text(len(studies))} in {place}; nertune status STUDY tells more")


def _trials_text(study: Mapping[str, Any]) -> str:
    search = next((one for one in study["stages"] if one["stage"] == "search"), None)
    if search is None:
        return "–"
    return f"{search['done']}/{search['total']}" if search["total"] is not None else str(search["done"])


def _failed(study: Mapping[str, Any]) -> int:
    return sum(one["failed"] for one in study["stages"])


def _test_text(found: Mapping[str, Any] | None) -> str:
    return "–" if found is None else spread_text(found["mean"], found["sd"])


# ---- one run


def show_run(run: Mapping[str, Any]) -> None:
    """Everything of one run, as `describe_run` gives it."""
    console = result_console()
    _tell(console, "Run", f"{run['id']}, {run['name']} of {run['study']} ({run['task']}, {run['stage']})")
    took = f", {duration_text(run['seconds'])}" if run["seconds"] is not None else ""
    _tell(console, "State", f"{_state_text(run)}, since {moment_text(run['started'])}{took}")
    if run["message"]:
        _tell(console, "Message", run["message"])
    _tell(console, "Setting", _setting_text(run) or "the values as written")
    if run["best_epoch"] is not None:
        _tell(console, "Best epoch", epoch_text(run["best_epoch"]))
    if run["run_name"] != run["name"]:
        _tell(console, "Name", run["run_name"])
    _tell(console, "Folder", _folder_text(run["folder"]) or "none")
    _tell(console, "Log", _folder_text(run["log"]) or "none")
    console.print()
    if len(run["tries"]) > 1:
        _show_tries(console, run["tries"])
    _show_scores(console, run["scores"])
    _show_labels(console, run["labels"])
    _show_curve(console, run["curve"], objective=run["objective"])
    _show_files(console, run["files"])
    _show_parameters(console, run["parameters"])


def _tell(console: Console, word: str, told: str) -> None:
    for place, line in enumerate(told.splitlines() or [""]):
        show_line(console, f"{word if place == 0 else '':<{TOLD}}{line}")


def _show_tries(console: Console, tries: Sequence[Mapping[str, Any]]) -> None:
    columns = [
        Column("try", [str(one["number"]) for one in tries]),
        Column("state", [_state_text(one) for one in tries], is_text=True),
        Column("started", [moment_text(one["started"]) for one in tries], is_text=True),
        Column("time", [duration_text(one["seconds"]) for one in tries]),
        Column("message", [one["message"] or "" for one in tries], least=12, is_text=True),
    ]
    show_columns(console, columns)
    console.print()


def _show_scores(console: Console, scores: Mapping[str, Mapping[str, float | None]]) -> None:
    splits = [split for split, found in scores.items() if found]
    names = list(dict.fromkeys(name for split in splits for name in scores[split]))
    if not names:
        return
    own = [
        Column(
            split.replace("_", " "),
            [score_text(scores[split].get(name)) for name in names],
            rank=place,
        )
        for place, split in enumerate(splits)
    ]
    show_columns(console, [Column("score", [score_name(name) for name in names], is_text=True), *own])
    console.print()


def _show_labels(console: Console, labels: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> None:
    """Of test where it was scored, else of dev."""
    split = next((name for name in ("test", "dev") if labels.get(name)), None)
    if split is None:
        return
    found = labels[split]
    columns = [Column(f"{split}, by label", list(found), least=16, is_text=True)]
    columns += [
        Column(score_name(name), [score_text(values.get(name)) for values in found.values()]) for name in LABEL_SCORES
    ]
    support = [f"{values.get('support') or 0:.0f}" for values in found.values()]
    show_columns(console, [*columns, Column("support", support)])
    console.print()


def _show_curve(console: Console, curve: Sequence[Mapping[str, Any]], *, objective: str) -> None:
    if not curve:
        return
    columns = [
        Column("epoch", [epoch_text(row["epoch"]) for row in curve]),
        Column("step", [str(row["step"]) for row in curve]),
        Column("train loss", [score_text(row.get("train_loss")) for row in curve]),
        Column("dev loss", [score_text(row.get("dev_loss")) for row in curve]),
    ]
    if objective != "loss":
        columns.append(Column(f"dev {score_name(objective)}", [score_text(row.get(objective)) for row in curve]))
    if "fit" in curve[0]:
        columns.insert(0, Column("fit", [str(row["fit"]) for row in curve]))
    show_columns(console, columns)
    console.print()


def _show_files(console: Console, files: Sequence[Mapping[str, Any]]) -> None:
    if not files:
        return
    total = file_size_text(sum(one["bytes"] for one in files))
    columns = [
        Column("file", [one["path"] for one in files] + ["in all"], least=20, is_text=True),
        Column("size", [file_size_text(one["bytes"]) for one in files] + [total]),
    ]
    show_columns(console, columns)
    console.print()


def _show_parameters(console: Console, parameters: Mapping[str, Any]) -> None:
    told = {key: value for key, value in parameters.items() if value not in (None, {}, [])}
    columns = [
        Column("not searched", list(told), is_text=True),
        Column("value", [value_text(value) for value in told.values()], least=10, is_text=True),
    ]
    show_columns(console, columns)


# ---- removal


def show_removal(told: Mapping[str, Any], *, was_done: bool) -> None:
    """What is to be removed, the largest first, or was.

    told  as `Removal.to_json` gives it
    """
    console = result_console()
    items = told["items"]
    if told["unfinished"]:
        n = count_text(told["unfinished"], "unfinished runs")
        show_line(console, f"Left as they are, since their study may go on from them: {n}")
    if not items:
        show_line(console, "There is nothing to remove.")
        return
    if was_done:
        show_line(console, f"Removed {_amount(told)}; the record keeps every run and its scores.")
        return
    shown = items[:SHOWN_ITEMS]
    columns = [
        Column("size", [file_size_text(item["bytes"]) for item in shown]),
        Column("what", [item["what"] for item in shown], is_text=True),
        Column("run", ["" if item["run"] is None else str(item["run"]) for item in shown], rank=1),
        Column("path", [shown_path(Path(item["path"])) for item in shown], least=20, is_text=True),
    ]
    show_columns(console, columns)
    console.print()
    if len(items) > len(shown):
        show_line(console, f"and {len(items) - len(shown):,} more, smaller ones (--json names all)")
    show_line(console, f"In all {_amount(told)}; the record keeps every run and its scores.")


def _amount(told: Mapping[str, Any]) -> str:
    n = len(told["items"])
    return f"{n:,} file{'s' * (n != 1)} or folder{'s' * (n != 1)}, {file_size_text(told['bytes'])}"
