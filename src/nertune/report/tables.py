"""Tables of trials and seeds, for the terminal and for files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from nertune.report.fitted import Column, FittedTable
from nertune.report.text import (
    epoch_text,
    safe_text,
    score_name,
    score_text,
    share_text,
    short_key,
    spread_text,
    value_text,
)
from nertune.results.database import CellRow
from nertune.results.records import values_of_fits
from nertune.results.summary import spread

WIDE = 200  # columns of a pipe or a file, where nothing needs to fit a screen


def trials_table(
    ranked: Sequence[CellRow], *, keys: Sequence[str], objective: str, pruned: Sequence[CellRow] = ()
) -> FittedTable:
    """Finished cells, best first: rank, objective, searched values, best epoch, seconds, trial; then those cut short.

    pruned  without a rank, and with what share of their steps they ran; their score is the best until there
    """
    cells = [*ranked, *pruned]
    ranks = [str(place) if place <= len(ranked) else "–" for place in range(1, len(cells) + 1)]
    columns = [
        Column("rank", ranks, rank=2),
        Column(score_name(objective), [mean_and_sd_text(cell, objective) for cell in cells]),
        *(_key_column(key, cells) for key in keys),
        Column("best epoch", [epoch_text(cell.best_epoch) for cell in cells], rank=3),
        Column("seconds", ["–" if cell.seconds is None else f"{cell.seconds:.1f}" for cell in cells], rank=4),
        Column("trial", [str(cell.number) for cell in cells]),
    ]
    if pruned:
        shares = [*("" for _ in ranked), *(share_text(cell.rungs[-1]["share"]) for cell in pruned)]
        columns.append(Column("cut after", shares))
    styles = ["bold" if place == 0 else None if place < len(ranked) else "dim" for place in range(len(cells))]
    return FittedTable(columns, styles)


def _key_column(key: str, cells: Sequence[CellRow]) -> Column:
    """The values of a searched key; long words are cut where there is no room."""
    values = [value_text(cell.point.get(key)) for cell in cells]
    is_long = any(len(value) > LONG_VALUE for value in values)
    return Column(short_key(key), values, rank=1, least=LONG_VALUE if is_long else None)


def seeds_table(seeds: Sequence[Mapping[str, Any]], *, names: Sequence[str]) -> FittedTable:
    """One row a seed, then mean and sd: the first score on dev where there is one, all of them on test.

    seeds  rows with `seed`, `best_epoch` and `scores`: {split: {name: value}}
    """
    has_dev = any("dev" in row["scores"] for row in seeds)  # what was learned from gives no scores
    shown = [*([("dev", names[0])] if has_dev else []), *(("test", name) for name in names)]
    has_sd = len(seeds) > 1
    heads = [*(str(row["seed"]) for row in seeds), "mean", *(["± sd"] if has_sd else [])]
    columns = [Column("seed", heads)]
    for place, (split, name) in enumerate(shown):
        values = {row["seed"]: row["scores"].get(split, {}).get(name) for row in seeds}
        found = spread(values)
        told = [*values.values(), found["mean"], *([found["sd"]] if has_sd else [])]
        rank = 0 if split == "dev" or name == names[0] else 1 + place
        columns.append(Column(f"{split} {score_name(name)}", [score_text(value) for value in told], rank=rank))
    epochs = [*(epoch_text(row["best_epoch"]) for row in seeds), "", *([""] if has_sd else [])]
    columns.append(Column("best epoch", epochs, rank=len(shown) + 2))
    return FittedTable(columns, [*(None for _ in seeds), *("bold" for _ in heads[len(seeds) :])], ends={len(seeds) - 1})


def sizes_table(sizes: Mapping[str, Mapping[str, Any]], *, names: Sequence[str]) -> FittedTable:
    """The learning curve: a row for each percent of train, mean ± sd of the first score on dev, of all on test.

    sizes  as summary.json holds them
    """
    has_dev = any("dev" in size for size in sizes.values())
    shown = [*([("dev", names[0])] if has_dev else []), *(("test", name) for name in names)]
    n_examples = ["–" if size["examples"] is None else str(size["examples"]) for size in sizes.values()]
    columns = [
        Column("% of train", list(sizes)),
        Column("examples", n_examples, rank=len(shown) + 1),
        Column("seeds", [str(len(size["seeds"])) for size in sizes.values()], rank=len(shown) + 2),
    ]
    for place, (split, name) in enumerate(shown):
        scores = [size.get(split, {"scores": {}})["scores"].get(name) for size in sizes.values()]
        told = ["–" if found is None else spread_text(found["mean"], found["sd"]) for found in scores]
        rank = 0 if split == "dev" or name == names[0] else 1 + place
        columns.append(Column(f"{split} {score_name(name)}", told, rank=rank))
    return FittedTable(columns)


def labels_table(labels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> FittedTable:
    """Mean ± sd over seeds for every label: precision, recall, F1, and support."""
    scores = list(labels.values())
    rates = {name: [spread_text(one[name]["mean"], one[name]["sd"]) for one in scores] for name in LABEL_SCORES}
    return FittedTable(
        [
            Column("test, by label", list(labels), least=LEAST_LABEL, is_text=True),
            *(Column(score_name(name), told) for name, told in rates.items()),
            Column("support", [f"{one['support']['mean']:.0f}" for one in scores], rank=1),
        ]
    )


LONG_VALUE, LEAST_LABEL = 10, 16  # columns of the terminal that texts keep
LABEL_SCORES = ("precision", "recall", "f1")


def mean_and_sd_text(cell: CellRow, objective: str) -> str:
    """The dev score of a finished cell; of several fits `0.8123 ± 0.0105`."""
    return spread_text(cell.scores["dev"][objective], sd_of_fits(cell, objective))


def sd_of_fits(cell: CellRow, objective: str) -> float | None:
    """The standard deviation of a dev score over the fits of a cell; None of fewer than two."""
    values = values_of_fits(cell.scores, objective)
    sd: float | None = spread({str(number): value for number, value in enumerate(values)})["sd"]
    return sd


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
