"""The order of trials: what a search calls best.

Every table, page and choice takes its order from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from nertune.analysis.search import Trial
from nertune.results.database import CellRow
from nertune.scores import is_minimised


def objective_value(cell: CellRow, objective: str) -> float | None:
    """The dev score of a finished cell that the search is about; None when there is no finite one."""
    value = cell.scores.get("dev", {}).get(objective)
    return value if value is not None and math.isfinite(value) else None


def as_trial(cell: CellRow, objective: str) -> Trial:
    """The trial of a cell; only one that ran to its end has a score that can be compared."""
    return Trial(cell.number, cell.point, objective_value(cell, objective) if cell.state == "complete" else None)


def rank(cells: Sequence[CellRow], objective: str) -> list[CellRow]:
    """Finished cells with a finite score, best first; ties go to the lower number."""
    sign = 1 if is_minimised(objective) else -1
    scored = [(objective_value(cell, objective), cell) for cell in cells if cell.state == "complete"]
    finite = [(value, cell) for value, cell in scored if value is not None]
    return [cell for value, cell in sorted(finite, key=lambda found: (sign * found[0], found[1].number))]


def rank_pruned(cells: Sequence[CellRow], objective: str) -> list[CellRow]:
    """Cells that were cut short: those that ran longest first, of these the best; ties go to the lower number."""
    sign = 1 if is_minimised(objective) else -1

    def place(cell: CellRow) -> tuple[float, float, int]:
        value = objective_value(cell, objective)
        return (-cell.rungs[-1]["share"], math.inf if value is None else sign * value, cell.number)

    return sorted((cell for cell in cells if cell.state == "pruned"), key=place)


def n_since_best(cells: Sequence[CellRow], objective: str) -> int:
    """Finished cells, failed ones included, that came after the best one by their numbers; all while there is none."""
    ranked = rank(cells, objective)
    best = ranked[0].number if ranked else -1
    return sum(not cell.is_open and cell.number > best for cell in cells)
