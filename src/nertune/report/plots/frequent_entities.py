"""The most frequent entities of each type, and how much of the type they make up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, name_rows, new_figure, percent, percent_of, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

SHOWN = 10  # entities of each type
MOST_PANELS = 6
COLUMNS = 2


def has_frequent(told: Record) -> bool:
    return told["task"] == "token" and any(one["count"] for one in told["splits"][0]["labels"].values())


def draw_frequent_entities(told: Record) -> Figure:
    """A panel for each of the most frequent types of the first split: its entities by their share."""
    first = told["splits"][0]
    ranked = sorted(first["labels"].items(), key=lambda item: (-item[1]["count"], item[0]))
    labels = [(label, one) for label, one in ranked if one["count"]]
    drawn = labels[:MOST_PANELS]
    n_rows, n_columns = -(-len(drawn) // COLUMNS), min(COLUMNS, len(drawn))
    more = f" ({len(labels) - len(drawn)} rarer types not shown)" if len(labels) > len(drawn) else ""
    figure = new_figure(height=1 + 2.5 * n_rows, title=_finding(*drawn[0], split=first["name"]) + more)
    panels = figure.subplots(n_rows, n_columns, squeeze=False).flat
    for axes, (label, one) in zip(panels, drawn, strict=False):
        _draw(axes, label, one)
    for axes in list(panels)[len(drawn) :]:
        axes.set_axis_off()
    figure.supxlabel(f"share of the type's entities in {first['name']} (number at the bar)", fontsize=9)
    return figure


def _finding(label: str, one: Mapping[str, Any], *, split: str) -> str:
    most = one["frequent"][:SHOWN]
    share = sum(n for _, n in most) / one["count"]
    names = f"The {len(most)} most frequent “{shown(label)}” entities make" if len(most) > 1 else "One entity makes"
    alone = f"{percent_of(one['once'] / one['distinct'])} of its distinct ones stand once"
    return f"{names} {percent_of(share)} of that type in {split}; {alone}"


def _draw(axes: Axes, label: str, one: Mapping[str, Any]) -> None:
    most = one["frequent"][:SHOWN]
    shares = [n / one["count"] for _, n in most]
    bars = axes.barh(range(len(most)), shares, color=COLOURS[0])
    axes.bar_label(bars, [f"{n:,}" for _, n in most], padding=2, fontsize=7.5)
    name_rows(axes, [shown(words, limit=24) for words, _ in most])
    axes.set_ylim(SHOWN - 0.4, -0.6)  # bars of equal width in all panels
    axes.tick_params(axis="y", labelsize=8)
    axes.set_xlim(0, max(shares) * 1.15)
    axes.xaxis.set_major_formatter(percent)
    axes.set_title(f"{shown(label, limit=16)}: {one['count']:,}, distinct {one['distinct']:,}", fontsize=9)
    axes.grid(visible=False, axis="y")
