"""What a search shows: which values were good, whether it looked far and long enough."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nertune.spec.space import Choices, Dimension, Range

MOST_VALUES = 12  # of a key on a side of the heat map; numbers that have more are put together
N_BINS = 8
NEAR_EDGE = 0.05  # of a range: so near to its end, the best value may lie beyond
MANY = 20  # trials: an order of importance from fewer is guesswork


@dataclass(frozen=True)
class Trial:
    """A trial as far as the choice of a setting is concerned.

    score  the objective on dev; None of one that failed, was cut short or is not over
    """

    number: int
    point: Mapping[str, Any]
    score: float | None


def heat_map(trials: Sequence[Trial], keys: Sequence[str], *, score: str, minimised: bool) -> dict[str, Any] | None:
    """The best score at each pair of values of two keys, over all values of the others; None for fewer keys.

    keys  the one with fewer values becomes the columns
    """
    if len(keys) < 2:
        return None
    sides = {key: _Side.of(key, trials) for key in keys[:2]}
    rows, columns = sorted(sides.values(), key=lambda side: -len(side.names))
    cells: list[list[Trial | None]] = [[None] * len(columns.names) for _ in rows.names]
    for trial in trials:
        row, column = rows.place(trial), columns.place(trial)
        if row is not None and column is not None:
            cells[row][column] = _better(cells[row][column], trial, minimised=minimised)
    return {
        "score": score,
        "rows": rows.key,
        "columns": columns.key,
        "row_values": list(rows.names),
        "column_values": list(columns.names),
        "cells": [[None if one is None else one.score for one in row] for row in cells],
        "trials": [[None if one is None else one.number for one in row] for row in cells],
        "others": [key for key in _keys_of(trials) if key not in sides],
    }


def slices(trials: Sequence[Trial], keys: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Of each key the value, score and number of every scored trial, the values in order."""
    return {
        key: [
            {"value": trial.point[key], "score": trial.score, "trial": trial.number}
            for trial in sorted(trials, key=lambda trial: _in_order(trial.point.get(key)))
            if trial.score is not None and key in trial.point
        ]
        for key in keys
    }


def expected_best(scores: Sequence[float], *, minimised: bool) -> list[dict[str, float]]:
    """What the best of n trials is expected to score, for n from 1 to all, with its standard deviation.

    The n are thought of as drawn from the scores that were found, with replacement. A curve that still rises at its end
    says that a longer search would have found more.

    Source  Dodge, Gururangan, Card, Schwartz, Smith 2019, "Show Your Work: Improved Reporting of Experimental Results"
    """
    sign = -1.0 if minimised else 1.0
    ranked = sorted(sign * score for score in scores)
    n_scores = len(ranked)
    found = []
    for n in range(1, n_scores + 1):
        shares = [((place + 1) / n_scores) ** n - (place / n_scores) ** n for place in range(n_scores)]
        mean = math.fsum(share * score for share, score in zip(shares, ranked, strict=True))
        spread = math.fsum(share * (score - mean) ** 2 for share, score in zip(shares, ranked, strict=True))
        found.append({"trials": n, "mean": sign * mean, "sd": math.sqrt(spread)})
    return found


def values_at_edges(dimensions: Iterable[Dimension], best: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Searched numbers whose best value is the first or last there was: better ones may lie beyond.

    Lists of fewer than three numbers have nothing but edges, and are left out.
    """
    found = []
    for dimension in dimensions:
        ends = _ends(dimension)
        value = best.get(dimension.key)
        if ends is None or value is None or not _is_number(value):
            continue
        share = _share_of(value, *ends, log=not isinstance(dimension, Range) or dimension.log)
        near = NEAR_EDGE if isinstance(dimension, Range) and dimension.step is None else 0.0
        if share <= near or share >= 1 - near:
            side = "lowest" if share <= near else "highest"
            found.append({"key": dimension.key, "value": value, "side": side, "low": ends[0], "high": ends[1]})
    return found


# ---- the sides of the heat map


@dataclass(frozen=True)
class _Side:
    """The values of a key in their order; `upper`: of numbers that were put together, the end of each group."""

    key: str
    names: tuple[str, ...]
    values: tuple[Any, ...] = ()
    upper: tuple[float, ...] = ()

    @classmethod
    def of(cls, key: str, trials: Sequence[Trial]) -> _Side:
        values = sorted({_hashable(trial.point[key]) for trial in trials if key in trial.point}, key=_in_order)
        if len(values) <= MOST_VALUES or not all(map(_is_number, values)):
            return cls(key, tuple(map(_name, values)), values=tuple(values))
        ends = _even_ends([float(value) for value in values])
        names = [f"{low:.2g} – {high:.2g}" for low, high in pairwise(ends)]
        return cls(key, tuple(names), upper=tuple(ends[1:]))

    def place(self, trial: Trial) -> int | None:
        if self.key not in trial.point:
            return None
        value = _hashable(trial.point[self.key])
        if not self.upper:
            return self.values.index(value)
        return next((place for place, end in enumerate(self.upper) if value <= end), len(self.upper) - 1)


def _even_ends(values: Sequence[float]) -> list[float]:
    """Ends of N_BINS groups as wide as one another, by their logarithms where the numbers span more than a decade."""
    low, high = values[0], values[-1]
    if low > 0 and high / low > 10:
        return [low * (high / low) ** (number / N_BINS) for number in range(N_BINS + 1)]
    return [low + (high - low) * number / N_BINS for number in range(N_BINS + 1)]


def _better(known: Trial | None, other: Trial, *, minimised: bool) -> Trial:
    """The one with the better score; one without any where there is no other, for its cause is of interest."""
    if known is None or known.score is None:
        return known if known is not None and other.score is None else other
    if other.score is None:
        return known
    is_better = other.score < known.score if minimised else other.score > known.score
    return other if is_better else known


def _keys_of(trials: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(key for trial in trials for key in trial.point))


# ---- values


def _ends(dimension: Dimension) -> tuple[float, float] | None:
    if isinstance(dimension, Range):
        return dimension.low, dimension.high
    numbers = [value for value in dimension.values if _is_number(value)]
    if not isinstance(dimension, Choices) or len(numbers) < len(dimension.values) or len({*numbers}) < 3:
        return None
    return min(numbers), max(numbers)


def _share_of(value: float, low: float, high: float, *, log: bool) -> float:
    """Where the value lies between the ends, 0 to 1."""
    if high <= low:
        return 0.5
    if log and low > 0:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _hashable(value: Any) -> Any:
    """The value, or its text where it is a list or mapping: equal values stay equal."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)


def _in_order(value: Any) -> tuple[bool, float, str]:
    """Numbers by size before all else, which goes by its text."""
    if _is_number(value):
        return False, float(value), ""
    return True, 0.0, str(value)


def _name(value: Any) -> str:
    return format(value, ".6g") if isinstance(value, float) else str(value)
