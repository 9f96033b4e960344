"""Tables of trials and seeds, for the terminal and for files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nertune.report.text import epoch_text, safe_text, score_name, score_text, short_key, value_text
from nertune.results.database import CellRow
from nertune.results.summary import spread

WIDE = 200  # columns of a pipe or a file, where nothing needs to fit a screen


def trials_table(ranked: Sequence[CellRow], *, keys: Sequence[str], objective: str) -> Table:
    """Finished cells, best first: rank, trial, objective, searched values, best epoch, seconds."""
    table = _table()
    table.add_column("rank", justify="right")
    table.add_column(score_name(objective), justify="right")
    for key in keys:
        table.add_column(short_key(key), justify="right", overflow="fold")
    for heading in ("best epoch", "seconds", "trial"):
        table.add_column(heading, justify="right")
    for place, cell in enumerate(ranked, start=1):
        table.add_row(
            str(place),
            score_text(cell.scores["dev"][objective]),
            *(value_text(cell.point.get(key)) for key in keys),
            epoch_text(cell.best_epoch),
            f"{cell.seconds:.1f}" if cell.seconds is not None else "–",
            str(cell.number),
            style="bold" if place == 1 else None,
        )
    return table


def seeds_table(seeds: Sequence[Mapping[str, Any]], *, names: Sequence[str]) -> Table:
    """One row a seed, then mean and sd: the first score on dev, all of them on test.

    seeds  rows with `seed`, `best_epoch` and `scores`: {split: {name: value}}
    """
    table = _table()
    table.add_column("seed", justify="right")
    columns = [("dev", names[0]), *(("test", name) for name in names)]
    for split, name in columns:
        table.add_column(f"{split} {score_name(name)}", justify="right")
    table.add_column("best epoch", justify="right")
    for row in seeds:
        values = [score_text(row["scores"].get(split, {}).get(name)) for split, name in columns]
        table.add_row(str(row["seed"]), *values, epoch_text(row["best_epoch"]))
    table.add_section()
    spreads = [
        spread({row["seed"]: row["scores"].get(split, {}).get(name) for row in seeds}) for split, name in columns
    ]
    table.add_row("mean", *(score_text(found["mean"]) for found in spreads), "", style="bold")
    if len(seeds) > 1:
        table.add_row("± sd", *(score_text(found["sd"]) for found in spreads), "", style="bold")
    return table


def labels_table(labels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Mean ± sd over seeds for every label: precision, recall, F1, and support."""
    table = _table()
    table.add_column("test, by label", overflow="fold")
    for heading in ("precision", "recall", "F1", "support"):
        table.add_column(heading, justify="right")
    for label, scores in labels.items():
        spreads = [_mean_and_sd(scores[name]) for name in LABEL_SCORES]
        table.add_row(Text(safe_text(label)), *spreads, f"{scores['support']['mean']:.0f}")
    return table


LABEL_SCORES = ("precision", "recall", "f1")


def _mean_and_sd(found: Mapping[str, Any]) -> str:
    mean = score_text(found["mean"])
    return mean if found["sd"] is None else f"{mean} ± {score_text(found['sd'])}"


def trial_rows(cells: Sequence[CellRow], *, keys: Sequence[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows and columns of trials.csv: one row a cell, every dev score."""
    names = sorted({name for cell in cells for name in cell.scores.get("dev", {})})
    columns = [
        "number",
        "state",
        *keys,
        *(f"dev_{name}" for name in names),
        "best_epoch",
        "seconds",
        "attempts",
        "cause",
    ]
    rows = [
        {
            "number": cell.number,
            "state": "waiting" if cell.state == "running" else cell.state,
            **{key: cell.point.get(key) for key in keys},
            **{f"dev_{name}": cell.scores.get("dev", {}).get(name) for name in names},
            "best_epoch": cell.best_epoch,
            "seconds": None if cell.seconds is None else round(cell.seconds, 3),
            "attempts": cell.attempts,
            "cause": f"{cell.cause}: {cell.message}" if cell.cause else None,
        }
        for cell in cells
    ]
    return rows, columns


def result_console() -> Console:
    """Standard output: colours on a terminal only (NO_COLOR respected), never wrapped in a pipe."""
    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=WIDE)


def failures_text(cells: Sequence[CellRow]) -> list[str]:
    """A line for each cell without a score: its number, its values, its cause."""
    return [
        f"trial {cell.number} ({point_text(cell.point)}): {cell.cause or cell.state}"
        + (f", {safe_text(cell.message)}" if cell.message else "")
        for cell in cells
    ]


def point_text(point: Mapping[str, Any]) -> str:
    """`batch size 16, learning rate 0.0001`."""
    return ", ".join(f"{short_key(key)} {value_text(value)}" for key, value in point.items()) or "the values as written"


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="")
