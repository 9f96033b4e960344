"""How often predictions are right that are so and so sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, PALE, new_figure, percent, percent_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

LARGEST = 14.0  # points: the dot of the bin that holds most


def has_calibration(told: Record) -> bool:
    return bool(told["calibration"] and told["calibration"]["bins"])


def draw_calibration(told: Record) -> Figure:
    """A dot a bin, larger where it holds more; on the line probabilities mean what they say."""
    bins = told["calibration"]["bins"]
    sure, right = _mean(bins, "confidence"), _mean(bins, "accuracy")
    way = "as sure as they should be" if abs(sure - right) < 0.01 else "too sure" if sure > right else "not sure enough"
    title = f"Predictions are {way}: {percent_of(sure)} sure in the mean, {percent_of(right)} right"
    figure = new_figure(height=3.6, title=title)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=1)
    axes.plot([one["confidence"] for one in bins], [one["accuracy"] for one in bins], color=COLOURS[0], linewidth=1)
    most = max(one["n"] for one in bins)
    sizes = [(3 + (LARGEST - 3) * (one["n"] / most) ** 0.5) ** 2 for one in bins]
    axes.scatter(
        [one["confidence"] for one in bins], [one["accuracy"] for one in bins], s=sizes, color=COLOURS[0], clip_on=False
    )
    axes.set_aspect("equal")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(percent)
    axes.set_xlabel("probability that was given")
    axes.set_ylabel("share that is right")
    return figure


def _mean(bins: list[Mapping[str, Any]], name: str) -> float:
    return float(sum(one["n"] * one[name] for one in bins) / sum(one["n"] for one in bins))
