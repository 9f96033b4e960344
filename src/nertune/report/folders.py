"""What a command on a folder of studies came to: the last table, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nertune.errors import shown_path
from nertune.report.grids import Grid, count_text, cut_text, show_grid
from nertune.report.tables import result_console
from nertune.report.text import score_name, score_text
from nertune.results.outcomes import FinalOutcome, SearchOutcome

LONGEST_CAUSE = 160


def search_summary(outcome: SearchOutcome) -> dict[str, Any]:
    """Best dev score of a search, and the folder of its results."""
    objective = outcome.spec.search.objective
    return {
        "is_finished": outcome.finished,
        "score": f"dev {score_name(objective)}",
        "value": outcome.best.scores["dev"][objective],
        "folder": str(outcome.best_file.parent),
    }


def final_summary(outcome: FinalOutcome) -> dict[str, Any]:
    """Mean test score of the seeds, and the folder of the results."""
    objective = outcome.spec.search.objective
    scores: Mapping[str, Any] = outcome.summary.get("test", {}).get("scores", {})
    return {
        "is_finished": not outcome.failed,
        "score": f"test {score_name(objective)}",
        "value": scores.get(objective, {}).get("mean"),
        "folder": str(outcome.folder),
    }


def check_summary(told: Mapping[str, Any]) -> dict[str, Any]:
    """A check has no score; its warnings are counted."""
    return {"is_finished": True, "score": count_text(len(told["warnings"]), "warnings"), "value": None, "folder": ""}


def show_folder(rows: Sequence[Mapping[str, Any]], *, title: str) -> None:
    """One row a study: whether it is done, its score, its folder, and why it failed.

    rows  `file`, `state`, `cause` and `summary` of each study
    """
    grid = [
        (
            shown_path(Path(row["file"])),
            _state_text(row),
            _score_text(row["summary"]),
            _folder_text(row),
        )
        for row in rows
    ]
    columns = ("study", "", "score", "results, or why not")
    show_grid(result_console(), Grid(title, columns, grid, n_texts=len(columns)))


def _state_text(row: Mapping[str, Any]) -> str:
    is_open = row["summary"] is not None and not row["summary"]["is_finished"]
    return "not finished" if is_open else str(row["state"])


def _score_text(summary: Mapping[str, Any] | None) -> str:
    if summary is None:
        return "–"
    return f"{summary['score']} {score_text(summary['value'])}" if summary["folder"] else str(summary["score"])


def _folder_text(row: Mapping[str, Any]) -> str:
    if row["summary"] is None:
        return cut_text(row["cause"], limit=LONGEST_CAUSE)
    return shown_path(Path(row["summary"]["folder"])) if row["summary"]["folder"] else ""
