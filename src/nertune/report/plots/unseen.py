"""How much of the other splits train has never shown: words, entities, and entities of each type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import Row, draw_dots, new_figure, percent_of, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

MOST_TYPES = 20
PARTS = {
    "mentions": "entities",
    "distinct": "distinct entities",
    "words": "words",
    "word_types": "distinct words",
}


def has_unseen(told: Record) -> bool:
    return any(one["words"]["of"] for one in told["unseen"])


def draw_unseen(told: Record) -> Figure:
    """A line for entities and words of all kinds, then one for each type, with the share of each split."""
    rows = [
        Row(name, {one["split"]: share_of(one[key]) for one in told["unseen"]})
        for key, name in PARTS.items()
        if any(one[key] and one[key]["of"] for one in told["unseen"])
    ]
    counts = told["splits"][0]["labels"]
    types = sorted({label for one in told["unseen"] for label in one["labels"]})
    ranked = sorted(types, key=lambda label: (-counts.get(label, {"count": 0})["count"], label))
    drawn = ranked[:MOST_TYPES] if len(ranked) > 1 else []
    rows += [
        Row(f"{shown(label)} entities", {one["split"]: share_of(one["labels"].get(label)) for one in told["unseen"]})
        for label in drawn
    ]
    figure = new_figure(height=1.4 + 0.27 * len(rows), title=_finding(told))
    more = f" ({len(ranked) - len(drawn)} rarer types not shown)" if len(ranked) > len(drawn) > 0 else ""
    draw_dots(figure, rows, told=told, xlabel=f"share that does not stand in {told['unseen'][0]['reference']}{more}")
    figure.axes[0].set_xlim(0, 1)
    return figure


def share_of(part: Mapping[str, int] | None) -> float | None:
    return part["n"] / part["of"] if part and part["of"] else None


def _finding(told: Record) -> str:
    last = next(one for one in reversed(told["unseen"]) if one["words"]["of"])
    key = "mentions" if share_of(last["mentions"]) is not None else "words"
    share = share_of(last[key])
    assert share is not None  # there are words
    return f"{percent_of(share)} of the {PARTS[key]} of {last['split']} do not stand in {last['reference']}"
