"""The score of every seed, of the search and of the mean, on dev and test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, INK, MARKERS, name_rows, new_figure
from nertune.report.text import score_name, score_text, spread_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]


def has_seed_scores(told: Record) -> bool:
    return bool(told["seeds"])


def draw_seed_scores(told: Record) -> Figure:
    """A dot a seed, a bar for the interval of the mean; on dev a cross for what the search had found."""
    splits = [split for split in ("dev", "test") if split in told["seeds"]]
    figure = new_figure(height=1.2 + 0.55 * len(splits), title=_finding(told))
    axes = figure.subplots()
    for row, split in enumerate(splits):
        found = told["seeds"][split]
        values = [value for value in found["values"].values() if value is not None]
        look: dict[str, Any] = {"color": COLOURS[row], "marker": MARKERS[row], "linestyle": "", "alpha": 0.75}
        axes.plot(values, [row] * len(values), label=f"{split}: a seed each", **look)
        if found.get("interval"):
            low, high = found["interval"]["low"], found["interval"]["high"]
            axes.plot([low, high], [row + 0.22] * 2, color=COLOURS[row], linewidth=3, solid_capstyle="butt")
            axes.plot([found["mean"]], [row + 0.22], "|", color=INK, markersize=9)
    if "dev" in splits and told["best"]["score"] is not None:
        axes.plot([told["best"]["score"]], [splits.index("dev")], "x", color=INK, label="the search's best trial")
    name_rows(axes, splits)
    axes.set_xlabel(score_name(told["objective"]))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def _finding(told: Record) -> str:
    split = "test" if "test" in told["seeds"] else "dev"
    found = told["seeds"][split]
    name = score_name(told["objective"])
    if found["sd"] is None:
        return f"{split.capitalize()} {name} {score_text(found['mean'])}, of one seed"
    return f"{split.capitalize()} {name} {spread_text(found['mean'], found['sd'])} over {found['n']} seeds"
