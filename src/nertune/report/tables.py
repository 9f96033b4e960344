"""Tables of trials and seeds, for the terminal and for files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nertune.report.text import epoch_text, safe_text, score_name, score_text, share_text, short_key, value_text
from nertune.results.database import CellRow
from nertune.results.records import values_of_fits
from nertune.results.summary import spread

WIDE = 200  # columns of a pipe or a file, where nothing needs to fit a screen


def trials_table(
    ranked: Sequence[CellRow], *, keys: Sequence[str], objective: str, pruned: Sequence[CellRow] = ()
) -> Table:
    """Finished cells, best first: rank, objective, searched values, best epoch, seconds, trial; then those cut short.

    pruned  without a rank, and with what share of their steps they ran; their score is the best until there
    """
    table = _table()
    table.add_column("rank", justify="right")
    table.add_column(score_name(objective), justify="right")
    for key in keys:
        table.add_column(short_key(key), justify="right", overflow="fold")
    for heading in ("best epoch", "seconds", "trial", *(["cut after"] if pruned else [])):
        table.add_column(heading, justify="right")
    for place, cell in enumerate([*ranked, *pruned], start=1):
        is_ranked = place <= len(ranked)
        table.add_row(
            str(place) if is_ranked else "–",
            mean_and_sd_text(cell, objective),
            *(value_text(cell.point.get(key)) for key in keys),
            epoch_text(cell.best_epoch),
            f"{cell.seconds:.1f}" if cell.seconds is not None else "–",
            str(cell.number),
            *([] if not pruned else [""] if is_ranked else [share_text(cell.rungs[-1]["share"])]),
            style="bold" if place == 1 else None if is_ranked else "dim",
        )
    return table


def seeds_table(seeds: Sequence[Mapping[str, Any]], *, names: Sequence[str]) -> Table:
    """One row a seed, then mean and sd: the first score on dev where there is one, all of them on test.

    seeds  rows with `seed`, `best_epoch` and `scores`: {split: {name: value}}
    """
    table = _table()
    table.add_column("seed", justify="right")
    has_dev = any("dev" in row["scores"] for row in seeds)  # what was learned from gives no scores
    columns = [*([("dev", names[0])] if has_dev else []), *(("test", name) for name in names)]
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


def sizes_table(sizes: Mapping[str, Mapping[str, Any]], *, names: Sequence[str]) -> Table:
    """The learning curve: a row for each percent of train, mean ± sd of the first score on dev, of all on test.

    sizes  as summary.json holds them
    """
    table = _table()
    for heading in ("% of train", "examples", "seeds"):
        table.add_column(heading, justify="right")
    has_dev = any("dev" in size for size in sizes.values())
    columns = [*([("dev", names[0])] if has_dev else []), *(("test", name) for name in names)]
    for split, name in columns:
        table.add_column(f"{split} {score_name(name)}", justify="right")
    for percent, size in sizes.items():
        scores = [size.get(split, {"scores": {}})["scores"].get(name) for split, name in columns]
        n_examples = "–" if size["examples"] is None else str(size["examples"])
        told = ["–" if found is None else _mean_and_sd(found) for found in scores]
        table.add_row(percent, n_examples, str(len(size["seeds"])), *told)
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


def mean_and_sd_text(cell: CellRow, objective: str) -> str:
    """The dev score of a finished cell; of several fits `0.8123 ± 0.0105`."""
    return _mean_and_sd({"mean": cell.scores["dev"][objective], "sd": sd_of_fits(cell, objective)})


def sd_of_fits(cell: CellRow, objective: str) -> float | None:
    """The standard deviation of a dev score over the fits of a cell; None of fewer than two."""
    values = values_of_fits(cell.scores, objective)
    sd: float | None = spread({str(number): value for number, value in enumerate(values)})["sd"]
    return sd


def _mean_and_sd(found: Mapping[str, Any]) -> str:
    mean = score_text(found["mean"])
    return mean if found["sd"] is None else f"{mean} ± {score_text(found['sd'])}"


def trial_rows(
    cells: Sequence[CellRow], *, keys: Sequence[str], objective: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows and columns of trials.csv: one row a cell, every dev score.

    Where a cell has several fits, a score is their mean, and the objective's sd and its value of each fit follow:
    `dev_f1_sd`, `dev_f1_1`, `dev_f1_2`, …
    """
    names = sorted({name for cell in cells for name in cell.scores.get("dev", {})})
    columns = [
        "number",
        "state",
        *keys,
        *(f"dev_{name}" for name in names),
        *_fit_columns(cells, objective),
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
            **_fit_values(cell, objective),
            "best_epoch": cell.best_epoch,
            "seconds": None if cell.seconds is None else round(cell.seconds, 3),
            "attempts": cell.attempts,
            "cause": f"{cell.cause}: {cell.message}" if cell.cause else None,
        }
        for cell in cells
    ]
    return rows, columns


def _fit_columns(cells: Sequence[CellRow], objective: str) -> list[str]:
    """The columns of the cells' several fits; none where each has one."""
    every = (list(_fit_values(cell, objective)) for cell in cells)
    return max(every, key=len, default=[])


def _fit_values(cell: CellRow, objective: str) -> dict[str, float | None]:
    values = values_of_fits(cell.scores, objective)
    if not values:
        return {}
    single = {f"dev_{objective}_{number}": value for number, value in enumerate(values, start=1)}
    return {f"dev_{objective}_sd": sd_of_fits(cell, objective), **single}


def result_console() -> Console:
    """Standard output: colours on a terminal only (NO_COLOR respected), never wrapped in a pipe."""
    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, emoji=False, width=WIDE)


def cuts_text(cells: Sequence[CellRow]) -> str:
    """`24 after 1/9 of their steps, 8 after 1/3`: where trials were cut short."""
    shares = Counter(cell.rungs[-1]["share"] for cell in cells)
    parts = [f"{n} after {share_text(share)}" for share, n in sorted(shares.items())]
    return ", ".join([f"{parts[0]} of their steps", *parts[1:]])


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
