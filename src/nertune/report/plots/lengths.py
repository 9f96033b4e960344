"""How long sentences or texts are, in words and in pieces, in each split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nertune.report.grids import count_text
from nertune.report.plots.drawing import INK, new_figure, percent, split_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

N_BINS = 40
STEPS = (1, 2, 5, 10, 20, 25, 50, 100)
UNITS = {"lengths": "words", "pieces": "pieces"}


def has_lengths(told: Record) -> bool:
    return any(split["lengths"]["n"] for split in told["splits"])


def draw_lengths(told: Record) -> Figure:
    """A curve for each split: the share of sentences of each length."""
    units = [unit for unit in UNITS if any(split[unit] and split[unit]["n"] for split in told["splits"])]
    figure = new_figure(height=3.2 if len(units) == 1 else 5.6, title=_finding(told))
    for axes, unit in zip(figure.subplots(len(units), 1, squeeze=False)[:, 0], units, strict=True):
        _draw(axes, told, unit=unit)
    return figure


def _finding(told: Record) -> str:
    split = next(split for split in told["splits"] if split["lengths"]["n"])
    lengths, what = split["lengths"], _what(told)
    start = f"Half of the {what} of {split['name']} have at most {count_text(lengths['median'], 'words')}"
    return (
        f"{start}, 1 in 100 has more than {count_text(lengths['p99'])}"
        if lengths["p99"] < lengths["longest"]
        else start
    )


def _what(told: Record) -> str:
    return "sentences" if told["task"] == "token" else "texts"


def _draw(axes: Axes, told: Record, *, unit: str) -> None:
    from matplotlib.ticker import MaxNLocator

    splits = [split for split in told["splits"] if split[unit] and split[unit]["n"]]
    edges = bin_edges([split[unit] for split in splits])
    for split in splits:
        line = split_line(told, split["name"])
        axes.stairs(bin_shares(split[unit]["counts"], edges=edges), edges, label=split["name"], linewidth=1.4, **line)
    _mark(axes, splits[0][unit], split=splits[0]["name"])
    width = edges[1] - edges[0]
    step = "each length" if width == 1 else f"each {width} {UNITS[unit]}"
    axes.set_ylabel(f"share of {_what(told)}\nfor {step}")
    longer = sum(n for split in splits for length, n in split[unit]["counts"] if length >= edges[-1])
    longest = max(split[unit]["longest"] for split in splits)
    beyond = f" (not shown: {longer:,} longer, up to {longest:,})" if longer else ""
    axes.set_xlabel(f"length in {UNITS[unit]}{beyond}")
    axes.set_xlim(edges[0], edges[-1])
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.set_ylim(0, 1.2 * axes.dataLim.ymax)
    axes.yaxis.set_major_formatter(percent)
    axes.legend(loc="center right")


def _mark(axes: Axes, lengths: Mapping[str, Any], *, split: str) -> None:
    """The lengths that half and 99 % of the first split do not exceed."""
    for share, name, height in (("50 %", "median", 1), ("99 %", "p99", 0.91)):
        axes.axvline(lengths[name], color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.annotate(
            f" {share} of {split} ≤ {lengths[name]:,}",
            (lengths[name], height),
            xycoords=("data", "axes fraction"),
            verticalalignment="top",
            fontsize=8,
        )


def bin_edges(lengths: Sequence[Mapping[str, Any]]) -> list[int]:
    """Borders of bins of equal width, from 0 to well beyond what 99 % of each split do not exceed."""
    longest = max(one["longest"] for one in lengths)
    end = min(longest, int(1.5 * max(one["p99"] for one in lengths))) + 1
    width = next((step for step in STEPS if end <= step * N_BINS), -(-end // N_BINS))
    return list(range(0, end + width, width))


def bin_shares(counts: Sequence[tuple[int, int]], *, edges: Sequence[int]) -> list[float]:
    """The share of all lengths, longer ones included, that lies in each bin."""
    total = sum(n for _, n in counts)
    return [sum(n for length, n in counts if low <= length < high) / total for low, high in pairwise(edges)]
