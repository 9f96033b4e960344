"""What share of the entities or texts each label has, in each split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import Row, draw_dots, new_figure, percent_of, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

MOST_ROWS = 25


def has_labels(told: Record) -> bool:
    """Whether there are two labels or more to compare."""
    return len(told["splits"][0]["labels"]) > 1 and any(one["count"] for one in told["splits"][0]["labels"].values())


def draw_labels(told: Record) -> Figure:
    """A line for each label, the most frequent of the first split above, with the share in each split."""
    first = told["splits"][0]
    labels = sorted(first["labels"], key=lambda label: (-first["labels"][label]["count"], label))
    drawn = labels[:MOST_ROWS]
    rows = [
        Row(
            f"{shown(label)} ({first['labels'][label]['count']:,})",
            {split["name"]: split["labels"][label]["share"] for split in told["splits"] if label in split["labels"]},
        )
        for label in drawn
    ]
    figure = new_figure(height=1.3 + 0.27 * len(rows), title=_finding(told, labels))
    what = "entities" if told["task"] == "token" else "texts"
    more = f"; {len(labels) - len(drawn)} rarer labels not shown" if len(labels) > len(drawn) else ""
    xlabel = f"share of the {what} of a split (in brackets: number in {first['name']}{more})"
    draw_dots(figure, rows, told=told, xlabel=xlabel)
    return figure


def _finding(told: Record, labels: list[str]) -> str:
    first = told["splits"][0]
    most, least = (first["labels"][label] for label in (labels[0], labels[-1]))
    what = f"{'entities' if told['task'] == 'token' else 'texts'} of {first['name']}"
    rest = f"the rarest label, “{shown(labels[-1])}”, has {least['count']:,}"
    return f"{percent_of(most['share'])} of the {what} are “{shown(labels[0])}” ({most['count']:,}); {rest}"
