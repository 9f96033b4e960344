"""The score of every trial against each searched key."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, PALE, new_figure, shown
from nertune.report.text import score_name, short_key, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

A_ROW = 3  # keys beside one another
MOST_TICKS = 6  # values of a key that are written below its axis
DECADE = 10  # numbers that span more are drawn by their logarithms


def has_slices(told: Record) -> bool:
    return any(len(points) > 1 for points in told["slices"].values())


def draw_slices(told: Record) -> Figure:
    """For each key its values against the score, a dot a trial; the best trial stands out."""
    slices = {key: points for key, points in told["slices"].items() if len(points) > 1}
    n_rows = math.ceil(len(slices) / A_ROW)
    figure = new_figure(height=0.6 + 2.6 * n_rows, title=f"The {score_name(told['objective'])} of every trial, by key")
    grid = figure.subplots(n_rows, min(A_ROW, len(slices)), sharey=True, squeeze=False).flatten()
    for axes, (key, points) in zip(grid, slices.items(), strict=False):
        _draw(axes, points, best=told["best"]["trial"])
        axes.set_xlabel(shown(short_key(key)))
    for axes in grid[len(slices) :]:
        axes.set_visible(False)
    for axes in grid[:: min(A_ROW, len(slices))]:
        axes.set_ylabel(f"dev {score_name(told['objective'])}")
    return figure


def _draw(axes: Axes, points: Sequence[Mapping[str, Any]], *, best: int) -> None:
    values = [point["value"] for point in points]
    places = _number_places(axes, values) if all(map(_is_number, values)) else _name_places(axes, values)
    axes.plot(places, [point["score"] for point in points], "o", color=COLOURS[0], alpha=0.6, markersize=4)
    found = [(place, point["score"]) for place, point in zip(places, points, strict=True) if point["trial"] == best]
    axes.plot(*zip(*found, strict=True), "D", color=COLOURS[1], markersize=6, markeredgecolor=PALE)


def _number_places(axes: Axes, values: Sequence[float]) -> Sequence[float]:
    """The numbers themselves, on an axis of logarithms where they span more than a decade; ticks at few of them."""
    if min(values) > 0 and max(values) / min(values) > DECADE:
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: value_text(value))
    tried = sorted({*values})
    if len(tried) <= MOST_TICKS:
        axes.set_xticks(tried, [value_text(value) for value in tried])
        axes.set_xticks([], minor=True)
    axes.margins(x=0.12)
    return values


def _name_places(axes: Axes, values: Sequence[Any]) -> Sequence[float]:
    names = list(dict.fromkeys(value_text(value) for value in values))
    axes.set_xticks(range(len(names)), [shown(name, limit=14) for name in names], rotation=30, ha="right")
    axes.set_xlim(-0.5, len(names) - 0.5)
    return [names.index(value_text(value)) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
