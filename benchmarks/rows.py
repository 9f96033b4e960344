"""Rows of the one table, for the terminal and as JSON: what both sides took, the figure that counts, and its goal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.table import Table

TIMES = "times"
COLUMNS = (
    "row",
    "work",
    "rounds",
    "plain",
    "nertune",
    "",
    "figure",
    "goal",
    "met",
    "plain F1",
    "nertune F1",
    "difference",
)
TEXT = ("row", "work", "", "goal", "met")


@dataclass(frozen=True)
class Goal:
    """What a row's figure has to be: `limit` at least, or at most."""

    limit: float
    at_most: bool = False

    def is_met(self, figure: float) -> bool:
        return figure <= self.limit if self.at_most else figure >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}"


@dataclass(frozen=True)
class Score:
    """Mean over the rounds; sd is None when there was one round."""

    mean: float
    sd: float | None

    def __str__(self) -> str:
        return f"{self.mean:.4f}" if self.sd is None else f"{self.mean:.4f} ± {self.sd:.4f}"


@dataclass(frozen=True)
class Scores:
    """F1 of both sides, and nertune's minus the plain loop's with its standard error as sd."""

    plain: Score
    nertune: Score
    difference: Score

    @property
    def are_alike(self) -> bool | None:
        """Whether nertune's is not lower by more than noise, two standard errors; None: one round cannot tell."""
        if self.difference.sd is None:
            return None
        return self.difference.mean >= -2 * self.difference.sd


@dataclass(frozen=True)
class Row:
    """One line of the table.

    plain, nertune  what each side took, in `unit`; medians over the rounds. plain is None where nertune is alone
    figure          what the goal is about, in `figure_unit`; `times` is plain ÷ nertune
    details         whatever else the JSON file should tell
    """

    name: str
    work: str
    rounds: int
    unit: str
    plain: float | None
    nertune: float
    figure: float
    figure_unit: str = TIMES
    goal: Goal | None = None
    scores: Scores | None = None
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_met(self) -> bool | None:
        return None if self.goal is None else self.goal.is_met(self.figure)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "is_met": self.is_met}


def compared_scores(plain: Sequence[float], nertune: Sequence[float]) -> Scores:
    """The F1 of each round; those of the two sides are taken as independent."""
    return Scores(score_of(plain), score_of(nertune), difference_of(plain, nertune))


def score_of(values: Sequence[float]) -> Score:
    return Score(mean(values), stdev(values) if len(values) > 1 else None)


def difference_of(plain: Sequence[float], nertune: Sequence[float]) -> Score:
    """Difference of the means and its standard error."""
    difference = mean(nertune) - mean(plain)
    if len(plain) == 1 or len(nertune) == 1:
        return Score(difference, None)
    return Score(difference, math.sqrt(stdev(plain) ** 2 / len(plain) + stdev(nertune) ** 2 / len(nertune)))


def make_table(rows: Sequence[Row]) -> Table:
    table = Table(box=box.SIMPLE)
    for heading in COLUMNS:
        table.add_column(heading, justify="left" if heading in TEXT else "right")
    for row in rows:
        table.add_row(
            row.name,
            row.work,
            str(row.rounds),
            "" if row.plain is None else f"{row.plain:.1f}",
            f"{row.nertune:.1f}",
            row.unit,
            f"{row.figure:.2f} {row.figure_unit}",
            "" if row.goal is None else str(row.goal),
            {None: "", True: "yes", False: "no"}[row.is_met],
            *score_cells(row.scores),
        )
    return table


def score_cells(scores: Scores | None) -> tuple[str, str, str]:
    if scores is None:
        return "", "", ""
    return str(scores.plain), str(scores.nertune), f"{'+' * (scores.difference.mean >= 0)}{scores.difference}"


def notes(rows: Sequence[Row]) -> list[str]:
    """What the reader of the table should know besides."""
    worse = [
        f"{row.name}: the F1 of nertune is lower by more than two standard errors"
        for row in rows
        if row.scores is not None and row.scores.are_alike is False
    ]
    return [
        "Seconds: median of the rounds; of whole commands, start-up included, where a row's work says nothing else.",
        "F1: mean ± sd over rounds (each its own seed); difference ± its standard error.",
        *(f"{row.name}: {note}" for row in rows for note in row.notes),
        *worse,
    ]
