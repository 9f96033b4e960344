"""What the best of n trials is expected to score: whether the search was long enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, new_figure
from nertune.report.text import score_name, score_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]


def has_expected_best(told: Record) -> bool:
    return len(told["expected_best"]) > 2


def draw_expected_best(told: Record) -> Figure:
    """The mean with a band of one standard deviation, over the number of trials."""
    points = told["expected_best"]
    numbers, means = [point["trials"] for point in points], [point["mean"] for point in points]
    low = [max(point["mean"] - point["sd"], told["lowest"]) for point in points]
    high = [min(point["mean"] + point["sd"], told["highest"]) for point in points]
    half = points[len(points) // 2 - 1]
    gain = abs(points[-1]["mean"] - half["mean"])
    title = f"With {half['trials']} trials instead of {len(points)}, the best is expected {score_text(gain)} worse"
    figure = new_figure(height=3.0, title=title)
    axes = figure.subplots()
    axes.fill_between(numbers, low, high, color=COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(numbers, means, color=COLOURS[0], linewidth=1.8)
    axes.set_xlim(1, numbers[-1])
    axes.set_xlabel("trials")
    axes.set_ylabel(f"expected best dev {score_name(told['objective'])}")
    return figure
