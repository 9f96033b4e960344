"""Runs of both sides -> rows of the one table, for the terminal and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean, median, stdev
from typing import Any

from rich import box
from rich.table import Table

from sides import Run, Work

COLUMNS = (
    "work",
    "cells",
    "epochs",
    "rounds",
    "plain s/cell",
    "nertune s/cell",
    "times as fast",
    "plain dev F1",
    "nertune dev F1",
    "difference",
)


@dataclass(frozen=True)
class Score:
    """Mean over the rounds of the best cell's dev F1; sd is None when there was one round."""

    mean: float
    sd: float | None

    def __str__(self) -> str:
        return f"{self.mean:.4f}" if self.sd is None else f"{self.mean:.4f} ± {self.sd:.4f}"


@dataclass(frozen=True)
class Row:
    """One work, compared.

    plain_s_per_cell, nertune_s_per_cell   median over the rounds of whole wall time ÷ cells
    times_as_fast   the one ÷ the other
    difference      nertune's mean best F1 minus the plain loop's; with its standard error as sd
    cell_difference mean of that difference over the cells that both finished
    """

    work: str
    cells: int
    epochs: int
    rounds: int
    plain_s_per_cell: float
    nertune_s_per_cell: float
    times_as_fast: float
    plain_f1: Score
    nertune_f1: Score
    difference: Score
    cell_difference: float
    failed: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def make_row(work: Work, *, plain: Sequence[Run], nertune: Sequence[Run]) -> Row:
    """One row of the rounds that both sides ran."""
    plain_s, nertune_s = (median(run.wall_s for run in runs) / work.cells for runs in (plain, nertune))
    return Row(
        work=work.name,
        cells=work.cells,
        epochs=work.epochs,
        rounds=len(plain),
        plain_s_per_cell=plain_s,
        nertune_s_per_cell=nertune_s,
        times_as_fast=plain_s / nertune_s,
        plain_f1=score_of([run.best for run in plain]),
        nertune_f1=score_of([run.best for run in nertune]),
        difference=difference_of([run.best for run in plain], [run.best for run in nertune]),
        cell_difference=mean(map(cell_difference, plain, nertune)),
        failed={"plain": sum(run.failed for run in plain), "nertune": sum(run.failed for run in nertune)},
    )


def score_of(values: Sequence[float]) -> Score:
    return Score(mean(values), stdev(values) if len(values) > 1 else None)


def difference_of(plain: Sequence[float], nertune: Sequence[float]) -> Score:
    """Difference of the means and its standard error, the rounds of the two sides taken as independent."""
    difference = mean(nertune) - mean(plain)
    if len(plain) == 1:
        return Score(difference, None)
    return Score(difference, math.sqrt((stdev(plain) ** 2 + stdev(nertune) ** 2) / len(plain)))


def cell_difference(plain: Run, nertune: Run) -> float:
    shared = plain.scores.keys() & nertune.scores.keys()
    return mean(nertune.scores[setting] - plain.scores[setting] for setting in shared)


def make_table(rows: Sequence[Row]) -> Table:
    """The rows, one work each."""
    table = Table(box=box.SIMPLE)
    for heading in COLUMNS:
        table.add_column(heading, justify="left" if heading == "work" else "right")
    for row in rows:
        table.add_row(
            row.work,
            str(row.cells),
            str(row.epochs),
            str(row.rounds),
            f"{row.plain_s_per_cell:.1f}",
            f"{row.nertune_s_per_cell:.1f}",
            f"{row.times_as_fast:.2f}",
            str(row.plain_f1),
            str(row.nertune_f1),
            f"{'+' * (row.difference.mean >= 0)}{row.difference}",
        )
    return table


def notes(rows: Sequence[Row]) -> list[str]:
    """What the reader of the table should know besides."""
    failures = [
        f"{row.work}: {count} of {row.cells * row.rounds} cells of {side} gave no score and ended early"
        for row in rows
        for side, count in row.failed.items()
        if count
    ]
    return [
        "s/cell: wall time of the whole command, start-up included, divided by cells; median of the rounds.",
        "dev F1: best cell, mean ± sd over rounds (each its own seed); difference ± its standard error.",
        *failures,
    ]
