"""The dev score of every trial over its epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, PALE, new_figure
from nertune.report.text import epoch_text, score_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]


def has_learning_curves(told: Record) -> bool:
    return any(len(curve) > 1 for curve in told["curves"].values())


def draw_learning_curves(told: Record) -> Figure:
    """A thin line a trial, the best one thick and on top."""
    from matplotlib.ticker import MaxNLocator

    best, name = str(told["best"]["trial"]), score_name(told["objective"])
    figure = new_figure(height=3.4, title=_finding(told))
    axes = figure.subplots()
    for trial, curve in told["curves"].items():
        if trial != best:
            axes.plot(*zip(*_drawn(curve), strict=True), color=PALE, linewidth=0.8, marker=".", markersize=3)
    if best in told["curves"]:
        look: dict[str, Any] = {"color": COLOURS[0], "linewidth": 2.2, "marker": "o", "zorder": 5}
        axes.plot(*zip(*_drawn(told["curves"][best]), strict=True), label=f"trial {best}, the best", **look)
        if len(told["curves"]) > 1:
            axes.plot([], [], color=PALE, label=f"{len(told['curves']) - 1} other trials")
        axes.legend(loc="best")
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_xlabel("epochs")
    axes.set_ylabel(f"dev {name}")
    return figure


def _drawn(curve: list[list[float | None]]) -> list[tuple[float, float]]:
    return [(epoch or 0.0, float("nan") if value is None else value) for epoch, value in curve]


def _finding(told: Record) -> str:
    epoch, last = told["best"]["epoch"], max(curve[-1][0] for curve in told["curves"].values())
    start = f"The best trial was best after epoch {epoch_text(epoch)} of {epoch_text(last)}"
    return f"{start}: longer training may help" if epoch is not None and epoch >= last else start
