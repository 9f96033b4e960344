"""Which labels stand together on one text or word, in multi-label data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import new_figure, percent, percent_of, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

MOST_LABELS = 20
WRITTEN = 12  # labels, up to which each cell has room for its number


def has_together(told: Record) -> bool:
    """Whether any two labels of the first split stand together."""
    together = told["splits"][0]["together"] or {}
    return any(n for one, row in together.items() for other, n in row.items() if one != other)


def draw_together(told: Record) -> Figure:
    """A square for each two labels: of the texts with the row's label, the share that has the column's, too."""
    first = told["splits"][0]
    labels = sorted(first["together"], key=lambda label: (-first["together"][label][label], label))
    drawn = [label for label in labels[:MOST_LABELS] if first["together"][label][label]]
    shares = [[_share(first["together"], one, other) for other in drawn] for one in drawn]
    figure = new_figure(height=2 + 0.36 * len(drawn), title=_finding(told, drawn))
    axes = figure.subplots()
    cells = [
        [share if one != other else float("nan") for other, share in enumerate(row)] for one, row in enumerate(shares)
    ]
    image = axes.imshow(cells, cmap="cividis", vmin=0, aspect="auto")
    axes.set_xticks(range(len(drawn)), [shown(label, limit=18) for label in drawn], rotation=40, ha="right")
    axes.set_yticks(range(len(drawn)), [f"{shown(label)} ({first['together'][label][label]:,})" for label in drawn])
    axes.grid(visible=False)
    if len(drawn) <= WRITTEN:
        _write(axes, cells, most=max(max(row, default=0) for row in _without_own(shares)))
    what = "texts" if told["task"] == "sequence" else "words"
    more = f"; {len(labels) - len(drawn)} rarer labels not shown" if len(labels) > len(drawn) else ""
    axes.set_ylabel(f"{what} of {first['name']} with this label (number{more})")
    axes.set_xlabel("share of them that has this label, too")
    figure.colorbar(image, ax=axes, format=percent, shrink=0.8)
    return figure


def _write(axes: Any, cells: list[list[float]], *, most: float) -> None:
    for row, shares in enumerate(cells):
        for column, share in enumerate(shares):
            if row != column:
                ink = "black" if share > 0.55 * most else "white"
                axes.text(column, row, f"{100 * share:.0f}", color=ink, ha="center", va="center", fontsize=8)


def _share(together: Mapping[str, Mapping[str, int]], one: str, other: str) -> float:
    return together[one][other] / together[one][one]


def _without_own(shares: list[list[float]]) -> list[list[float]]:
    return [[share for other, share in enumerate(row) if other != one] for one, row in enumerate(shares)]


def _finding(told: Record, labels: list[str]) -> str:
    together = told["splits"][0]["together"]
    pairs = [(together[one][other], one, other) for one in labels for other in labels if one < other]
    n, one, other = max(pairs)
    what = "texts" if told["task"] == "sequence" else "words"
    share = percent_of(n / min(together[one][one], together[other][other]))
    rarer = min((one, other), key=lambda label: together[label][label])
    commoner = other if rarer == one else one
    return (
        f"“{shown(one)}” and “{shown(other)}” stand together most often: on {n:,} {what} of "
        f"{told['splits'][0]['name']}; {share} of those with “{shown(rarer)}” have “{shown(commoner)}”, too"
    )
