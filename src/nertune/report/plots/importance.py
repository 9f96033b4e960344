"""How much of the difference between trials each searched key accounts for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, name_rows, new_figure, percent, percent_of, shown
from nertune.report.text import short_key

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]


def has_importance(told: Record) -> bool:
    return len(told["importance"] or {}) > 1


def draw_importance(told: Record) -> Figure:
    """A bar a key, the most important above."""
    shares = told["importance"]
    first, share = next(iter(shares.items()))
    title = f"{shown(short_key(first))} accounts for {percent_of(share)} of the difference between trials"
    figure = new_figure(height=1.1 + 0.34 * len(shares), title=title[0].upper() + title[1:])
    axes = figure.subplots()
    axes.barh(range(len(shares)), list(shares.values()), color=COLOURS[0], height=0.6)
    name_rows(axes, [shown(short_key(key)) for key in shares])
    axes.xaxis.set_major_formatter(percent)
    axes.set_xlim(0, 1)
    return figure
