"""Scores of one saved model on the terminal: overall, by label, strict and partial matches, confusions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from nertune.errors import shown_path
from nertune.report.grids import Grid, count_text, cut_text, show_grid, show_line
from nertune.report.tables import result_console
from nertune.report.text import duration_text, epoch_text, score_name, score_text

WIDTH = 80  # columns that all tables keep to
LABEL_WIDTH = 30  # characters of a label
GAP = 3  # columns between two columns of a table
SHOWN_CONFUSIONS = 20

Record = Mapping[str, Any]

MATCHING_NOTES = (
    "SemEval-2013 task 9.1. strict: type and both ends are right; exact: both ends;",
    "partial: both ends, or half for a shared word; type: the type and a shared word.",
    "COR correct, INC incorrect, PAR partial, MIS missed, SPU spurious.",
)
COUNTS = {"COR": "correct", "INC": "incorrect", "PAR": "partial", "MIS": "missed", "SPU": "spurious"}
RATES = {"P": "precision", "R": "recall", "F1": "f1"}
NOTHING = ""  # the label of an entity without a counterpart, of a text with too few or too many
MISSED, SPURIOUS = "(missed)", "(spurious)"
CONFUSED = {"entities": "entities that share a word", "words": "words", "texts": "texts"}


def show_evaluation(told: Record) -> None:
    """The tables of `nertune evaluate`."""
    console = result_console()
    show_line(console, _opening(told))
    console.print()
    show_grid(console, overall_grid({"": told["scores"]}))
    if told["labels"]:
        show_grid(console, _labels(told))
    if told["matching"]:
        show_grid(console, _matching(told["matching"]))
        for line in (*MATCHING_NOTES, ""):
            show_line(console, line)
    for name, cells in told["confusion"].items():
        for grid in _confusion(name, cells):
            show_grid(console, grid)


def show_fit(told: Record) -> None:
    """The tables of `nertune train`, where the model lies, and what to type next."""
    console = result_console()
    show_grid(console, overall_grid(told["scores"]))
    folder = shown_path(Path(told["folder"]))
    show_line(console, f"Seed        {told['seed']}, best epoch {epoch_text(told['best_epoch'])}")
    show_line(console, f"Time        {duration_text(told['seconds'])}")
    show_line(console, f"Saved in    {folder}")
    show_line(console, f"Predict     nertune predict {folder} FILE")
    if "test" not in told["scores"]:
        show_line(console, "Test        not opened; --test scores it, once the setting is chosen")


def overall_grid(scores: Mapping[str, Mapping[str, float | None]]) -> Grid:
    """Every score, a line each; a column for each split."""
    names = list(dict.fromkeys(name for values in scores.values() for name in values))
    rows = [(score_name(name), *(score_text(values.get(name)) for values in scores.values())) for name in names]
    return Grid("Scores", ("score", *(split or "value" for split in scores)), rows)


def _opening(told: Record) -> str:
    is_token = told["task"] == "token"
    size = count_text(told["examples"], "sentences" if is_token else "texts")
    words = f", {count_text(told['words'], 'words')}" if is_token else ""
    models = told["models"]
    what = shown_path(Path(models[0])) if len(models) == 1 else f"{len(models)} models, averaged,"
    split = "" if told["split"] in told["data"] else f" ({told['split']})"
    return f"{what} on {told['data']}{split}: {size}{words}."


def _labels(told: Record) -> Grid:
    is_token = bool(told["by_label"])
    rows = [
        (
            cut_text(label, limit=LABEL_WIDTH),
            count_text(int(one["support"])),
            *(score_text(one[name]) for name in RATES.values()),
            *([score_text(told["by_label"][label]["partial"]["f1"])] if is_token else []),
        )
        for label, one in told["labels"].items()
    ]
    headings = ("label", "gold", "P", "R", "F1", *(["partial F1"] if is_token else []))
    return Grid("Labels", headings, rows)


def _matching(matching: Record) -> Grid:
    rows = [
        (
            name,
            *(count_text(one[key]) for key in COUNTS.values()),
            *(score_text(one[key]) for key in RATES.values()),
        )
        for name, one in matching.items()
    ]
    return Grid("Matches of entities", ("measure", *COUNTS, *RATES), rows)


def _confusion(name: str, cells: Mapping[str, Mapping[str, int]]) -> Iterator[Grid]:
    """A table of all labels where it is not too wide, else the most frequent confusions."""
    what = CONFUSED.get(name, f"texts, by {name}")
    columns = sorted({*cells, *(column for row in cells.values() for column in row)}, key=lambda one: (one == "", one))
    if not any(row != column for row, found in cells.items() for column in found):
        return
    rows = [(_row_name(row), *(count_text(cells.get(row, {}).get(column, 0)) for column in columns)) for row in columns]
    headings = ("", *map(_column_name, columns))
    if _width([headings, *rows]) <= WIDTH:
        yield Grid(f"Confusions of {what}: rows are gold, columns predicted", headings, rows)
    else:
        yield _most_confused(cells, what=what)


def _most_confused(cells: Mapping[str, Mapping[str, int]], *, what: str) -> Grid:
    found = [(n, row, column) for row, columns in cells.items() for column, n in columns.items() if row != column]
    ranked = sorted(found, key=lambda one: (-one[0], one[1:]))[:SHOWN_CONFUSIONS]
    rows = [(_row_name(row), _column_name(column), count_text(n)) for n, row, column in ranked]
    return Grid(f"Confusions of {what}, the most frequent", ("gold", "predicted", "number"), rows, n_texts=2)


def _row_name(label: str) -> str:
    return SPURIOUS if label == NOTHING else cut_text(label, limit=LABEL_WIDTH)


def _column_name(label: str) -> str:
    return MISSED if label == NOTHING else cut_text(label, limit=LABEL_WIDTH)


def _width(rows: Sequence[tuple[str, ...]]) -> int:
    """Columns of the terminal that a table of these rows takes."""
    return sum(max(map(cell_len, column)) + GAP for column in zip(*rows, strict=True))
