"""F1 of each label with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, name_rows, new_figure, shown
from nertune.report.text import score_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

MOST_LABELS = 30


def has_label_scores(told: Record) -> bool:
    return len(told["labels"]) > 1


def draw_label_scores(told: Record) -> Figure:
    """A dot a label, the best above, with a bar for the interval."""
    rows = sorted(told["labels"], key=lambda row: (-row["f1"], row["label"]))
    drawn = rows if len(rows) <= MOST_LABELS else [*rows[: MOST_LABELS // 2], *rows[-(MOST_LABELS // 2) :]]
    more = f"; of {len(rows)} labels the best and worst {MOST_LABELS // 2} are shown" if len(drawn) < len(rows) else ""
    worst = rows[-1]
    title = (
        f"F1 on test is lowest for “{shown(worst['label'])}” ({score_text(worst['f1'])}, {worst['support']:,} in gold)"
    )
    figure = new_figure(height=1.2 + 0.28 * len(drawn), title=title + more)
    axes = figure.subplots()
    for place, row in enumerate(drawn):
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [place] * 2, color=COLOURS[0], linewidth=2.5, alpha=0.45)
    axes.plot([row["f1"] for row in drawn], range(len(drawn)), "o", color=COLOURS[0], linestyle="")
    name_rows(axes, [f"{shown(row['label'])} ({row['support']:,})" for row in drawn])
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1, mean over seeds, with its 95 % interval; in brackets how many gold has")
    return figure
