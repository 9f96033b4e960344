"""Scores against how much of train was learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import COLOURS, LINES, MARKERS, new_figure
from nertune.report.text import score_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]


def has_sizes(told: Record) -> bool:
    return len(told["sizes"]) > 1


def draw_sizes(told: Record) -> Figure:
    """The mean of the seeds at each size, with a bar of one standard deviation, on dev and test."""
    name = score_name(told["objective"])
    figure = new_figure(height=3.2, title=_finding(told))
    axes = figure.subplots()
    for number, split in enumerate(("dev", "test")):
        rows = [row for row in told["sizes"] if row.get(split) is not None]
        if rows:
            axes.errorbar(
                [row["examples"] for row in rows],
                [row[split] for row in rows],
                yerr=[row[f"{split}_sd"] or 0.0 for row in rows],
                color=COLOURS[number],
                marker=MARKERS[number],
                linestyle=LINES[number],
                capsize=3,
                label=split,
            )
    axes.set_xlim(left=0)
    axes.set_xlabel("examples of train")
    axes.set_ylabel(name)
    axes.legend(loc="lower right")
    return figure


def _finding(told: Record) -> str:
    *_, before, last = [row for row in told["sizes"] if row.get("test") is not None or row.get("dev") is not None]
    split = "test" if last.get("test") is not None else "dev"
    gain = last[split] - before[split]
    more = f"From {before['examples']:,} to {last['examples']:,} examples"
    return f"{more} {split} {score_name(told['objective'])} changed by {gain:+.4f}"
