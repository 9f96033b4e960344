"""How many words the entities have, in each split and for each type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import name_rows, new_figure, percent, percent_of, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

MOST_ROWS = 20
GAP = 0.4  # bars, between the splits and the types
LONG = 5  # words, from which lengths are one group
WRITTEN = 0.075  # the smallest share that has room for its number
# Five steps of cividis, which keeps its order for every kind of colour blindness (Nuñez and others 2018).
SHADES = ("#00336F", "#4B566D", "#7D7C78", "#B7A76A", "#F5E055")


def has_entities(told: Record) -> bool:
    return told["task"] == "token" and any(split["all_labels"]["count"] for split in told["splits"])


def draw_entity_lengths(told: Record) -> Figure:
    """A bar for all entities of each split, then one for each type in the first split that has entities."""
    first = _first(told)
    whole = {f"all of {one['name']}": one["all_labels"] for one in told["splits"] if one["all_labels"]["count"]}
    ranked = sorted(first["labels"].items(), key=lambda item: (-item[1]["count"], item[0]))
    types = [(f"{shown(label)} ({one['count']:,})", one) for label, one in ranked if one["count"]]
    drawn = types[:MOST_ROWS] if len(types) > 1 else []
    rows = [*whole.items(), *drawn]
    figure = new_figure(height=1.5 + 0.3 * len(rows), title=_finding(first))
    axes = figure.subplots()
    places = [place + (GAP if place >= len(whole) else 0) for place in range(len(rows))]
    _draw(axes, [length_shares(one["lengths"]) for _, one in rows], places=places)
    name_rows(axes, [label for label, _ in rows], places=places)
    more = f"; {len(types) - len(drawn)} rarer types not shown" if len(types) > len(drawn) > 0 else ""
    types_are = f" (types: of {first['name']}, in brackets their number{more})" if drawn else ""
    figure.supxlabel(f"share of the entities{types_are}", fontsize=9)
    return figure


def length_shares(lengths: Mapping[str, Any]) -> list[float]:
    """The share of 1, 2, … words, the last one of LONG words or more."""
    counts = [0] * LONG
    for length, n in lengths["counts"]:
        counts[min(length, LONG) - 1] += n
    return [n / lengths["n"] for n in counts]


def _first(told: Record) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(split for split in told["splits"] if split["all_labels"]["count"])
    return found


def _finding(split: Mapping[str, Any]) -> str:
    shares = length_shares(split["all_labels"]["lengths"])
    longest = split["all_labels"]["lengths"]["longest"]
    start = f"{percent_of(shares[0])} of the entities of {split['name']} are one word"
    end = f"{percent_of(shares[-1])} have {LONG} words or more" if shares[-1] else "none has more than"
    return f"{start}, {end}" + (f" (the longest: {longest})" if shares[-1] else f" {longest}")


def _draw(axes: Axes, rows: list[list[float]], *, places: list[float]) -> None:
    for number in range(LONG):
        start = [sum(shares[:number]) for shares in rows]
        name = "1 word" if number == 0 else f"{number + 1} words" + (" or more" if number == LONG - 1 else "")
        axes.barh(places, [shares[number] for shares in rows], left=start, color=SHADES[number], label=name)
        for place, left, shares in zip(places, start, rows, strict=True):
            if shares[number] >= WRITTEN:
                ink = "white" if number < 2 else "black"
                middle = left + shares[number] / 2
                axes.text(middle, place, percent_of(shares[number]), color=ink, ha="center", va="center", fontsize=7.5)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(percent)
    axes.grid(visible=False)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=LONG, handlelength=1)
