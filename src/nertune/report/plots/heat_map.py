"""The score of each trial over two searched keys: a square for each pair of values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nertune.report.plots.drawing import INK, PALE, new_figure, shown
from nertune.report.text import score_name, short_key, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = Mapping[str, Any]

MINIMISED = ("loss", "hamming_loss")
MOST_WRITTEN = 14  # columns, up to which each square has room for its score
TALLEST = 14.0  # inches


def has_heat_map(told: Record) -> bool:
    """Whether any trial over two keys has a score."""
    return any(score is not None for row in (told.get("heat_map") or {"cells": []})["cells"] for score in row)


def draw_heat_map(told: Record) -> Figure:
    """A square for each value of one key (lines) and of another (columns): brighter is better, the best is framed.

    told  `heat_map`: `rows` and `columns` (keys), `row_values`, `column_values`, `cells` (scores, or null),
          `trials` (numbers, or null) and `score`. A trial without a score was pruned or failed, and its square is
          hatched; where no trial is, there is none.
    """
    grid = told["heat_map"]
    figure = new_figure(height=min(TALLEST, 2.2 + 0.36 * len(grid["row_values"])), title=_finding(grid))
    axes = figure.subplots()
    cells = [[float("nan") if score is None else score for score in row] for row in grid["cells"]]
    image = axes.imshow(cells, cmap="cividis_r" if _is_minimised(grid) else "cividis", aspect="auto")
    _name_sides(axes, grid)
    if len(grid["column_values"]) <= MOST_WRITTEN:
        _write(axes, grid["cells"], image=image)
    has_hatched = _hatch(axes, grid)
    _frame(axes, *_best(grid))
    if has_hatched:
        axes.set_title("hatched: a trial without a score (pruned or failed)", fontsize=8, fontweight="normal")
    figure.colorbar(image, ax=axes, label=f"dev {score_name(grid['score'])}", shrink=0.8)
    return figure


def _name_sides(axes: Axes, grid: Record) -> None:
    axes.grid(visible=False)
    slant: dict[str, Any] = {"rotation": 40, "ha": "right"} if len(grid["column_values"]) > 6 else {}
    axes.set_xticks(range(len(grid["column_values"])), _value_texts(grid["column_values"]), **slant)
    axes.set_yticks(range(len(grid["row_values"])), _value_texts(grid["row_values"]))
    axes.set_xlabel(shown(short_key(grid["columns"])))
    axes.set_ylabel(shown(short_key(grid["rows"])))


def _write(axes: Axes, cells: Sequence[Sequence[float | None]], *, image: Any) -> None:
    """Each score in its square, in black or white, whichever is read on its colour."""
    for row, scores in enumerate(cells):
        for column, score in enumerate(scores):
            if score is not None:
                ink = readable_ink(image, score)
                axes.text(column, row, f"{score:.3f}", color=ink, ha="center", va="center", fontsize=8)


def readable_ink(image: Any, value: float) -> str:
    """Black on a bright colour, white on a dark one: the luminance of WCAG 2, where both are read equally well."""
    red, green, blue, _ = image.cmap(image.norm(value))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return "black" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "white"


def _hatch(axes: Axes, grid: Record) -> bool:
    """Hatch the trials without a score; whether there are any."""
    from matplotlib.patches import Rectangle

    without = [
        (row, column)
        for row, numbers in enumerate(grid["trials"])
        for column, number in enumerate(numbers)
        if number is not None and grid["cells"][row][column] is None
    ]
    for row, column in without:
        corner = (column - 0.5, row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, hatch="////", edgecolor=PALE, linewidth=0))
    return bool(without)


def _frame(axes: Axes, row: int, column: int) -> None:
    from matplotlib.patches import Rectangle

    corner = (column - 0.5, row - 0.5)
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=2, clip_on=False))


def _best(grid: Record) -> tuple[int, int]:
    """Line and column of the best score; of equal ones the trial with the lowest number, as the search chooses."""
    found = [
        (score if _is_minimised(grid) else -score, grid["trials"][row][column] or 0, row, column)
        for row, scores in enumerate(grid["cells"])
        for column, score in enumerate(scores)
        if score is not None
    ]
    return min(found)[2:]


def _is_minimised(grid: Record) -> bool:
    return grid["score"].rpartition(".")[2] in MINIMISED  # `ner.loss`: of one of several heads


def _finding(grid: Record) -> str:
    row, column = _best(grid)
    place = {grid["rows"]: grid["row_values"][row], grid["columns"]: grid["column_values"][column]}
    where = ", ".join(f"{shown(short_key(key))} {shown(value_text(value))}" for key, value in place.items())
    score = f"dev {score_name(grid['score'])} {grid['cells'][row][column]:.4f}"
    number = grid["trials"][row][column]
    return f"Best: {score} at {where}" + ("" if number is None else f" (trial {number})")


def _value_texts(values: Sequence[Any]) -> list[str]:
    return [shown(value_text(value)) for value in values]


def square_colours(grid: Record) -> list[list[tuple[str, str] | None]]:
    """Of each square its colour and that of readable letters on it, as `#rrggbb`; None where there is no score."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize, to_hex

    scores = [score for row in grid["cells"] for score in row if score is not None]
    colours = colormaps["cividis_r" if _is_minimised(grid) else "cividis"]
    scale = ScalarMappable(Normalize(min(scores, default=0.0), max(scores, default=1.0)), colours)
    return [
        [
            None if score is None else (to_hex(tuple(scale.to_rgba(score))), to_hex(readable_ink(scale, score)))
            for score in row
        ]
        for row in grid["cells"]
    ]
