"""What a search shows: which values were good, whether it looked far and long enough."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nertune.spec.space import Choices, Dimension, Range

MOST_VALUES = 12  # of a key on a side of the heat map; numbers that have more are put together
DECADES = 20  # numbers that span more, from low to high, are put together by their ratios
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
    """The best score at each pair of values of the first two keys that vary, over all values of the others.

    Of a key with more than MOST_VALUES numbers, near ones are put together. The key with fewer values has the columns.

    keys     the ones that matter first
    Returns  as `report.plots.heat_map` takes it, with the names of the `others`; None where fewer than two keys vary
    """
    values = {key: _values(trial.point[key] for trial in trials if key in trial.point) for key in keys}
    varied = [key for key in keys if len(values[key]) > 1]
    if len(varied) < 2:
        return None
    groups = {key: _grouping(values[key]) for key in varied[:2]}
    sides = {key: _values(groups[key](value) for value in values[key]) for key in groups}
    rows, columns = sorted(sides, key=lambda key: -len(sides[key]))
    found: dict[tuple[str, str], Trial] = {}
    for trial in trials:
        if rows in trial.point and columns in trial.point:
            place = (_id(groups[rows](trial.point[rows])), _id(groups[columns](trial.point[columns])))
            found[place] = _better(found.get(place), trial, minimised=minimised)
    chosen = [[found.get((_id(one), _id(other))) for other in sides[columns]] for one in sides[rows]]
    return {
        "score": score,
        "rows": rows,
        "columns": columns,
        "row_values": sides[rows],
        "column_values": sides[columns],
        "cells": [[None if one is None else one.score for one in row] for row in chosen],
        "trials": [[None if one is None else one.number for one in row] for row in chosen],
        "others": [key for key in varied if key not in groups],
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

    The n are thought of as drawn from the scores that were found, with replacement: the curve never passes the best of
    them, and one that is steep at its end says that good ones are rare.

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


def _better(known: Trial | None, other: Trial, *, minimised: bool) -> Trial:
    """The one with the better score; one without any where there is no other, for its cause is of interest."""
    if known is None or known.score is None:
        return known if known is not None and other.score is None else other
    if other.score is None:
        return known
    is_better = other.score < known.score if minimised else other.score > known.score
    return other if is_better else known


def _values(found: Iterable[Any]) -> list[Any]:
    """Different values: numbers rising, all else as they come."""
    values = list({_id(value): value for value in found}.values())
    return sorted(values) if all(map(_is_number, values)) else values


def _id(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _grouping(values: Sequence[Any]) -> Callable[[Any], Any]:
    """What stands for a value: itself, or of many numbers the nearest of 1, 2, 5, 10 …, or of even steps."""
    if len(values) <= MOST_VALUES or not all(map(_is_number, values)):
        return lambda value: value
    low, high = values[0], values[-1]
    if low > 0 and high / low >= DECADES:
        return _round_to_1_2_5
    step = (high - low) / (MOST_VALUES - 2)
    return lambda value: float(f"{low + step * round((value - low) / step):.3g}")


def _round_to_1_2_5(value: float) -> float:
    """The nearest by ratio."""
    power = math.floor(math.log10(value))
    near = [float(f"{digit}e{power}") for digit in (1, 2, 5)] + [float(f"1e{power + 1}")]
    return min(near, key=lambda number: abs(math.log(value / number)))


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


def _in_order(value: Any) -> tuple[bool, float, str]:
    """Numbers by size before all else, which goes by its text."""
    if _is_number(value):
        return False, float(value), ""
    return True, 0.0, str(value)
