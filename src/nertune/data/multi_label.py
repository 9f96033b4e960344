"""Several labels in one cell: which mark stands between them, and the labels themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

MARKS = ("|", ";", ",", " ")  # asked in this order: the first ones hardly ever stand in the name of a class
MOST = 0.9  # of the marked cells, or of the labels, must fit: one cell with a slip of the pen does not undo a column
LIST = re.compile(r"\[(.*)\]", re.DOTALL)  # `['joy', 'fear']`, as a table written from Python objects has it


def find_separator(cells: Mapping[str, int]) -> str | None:
    """The mark by which label cells hold several labels, or None where each cell is one label.

    cells  the distinct cells of train with their counts; an empty one is a text that has no label

    A class may have the mark in its name (`Paris, France`). What tells lists from names is that the parts of a list
    come again: alone, or in other lists.
    """
    inner = {_inside(cell) for cell in cells}
    labelled = sorted(inner - {""})
    for mark in MARKS:
        if any(mark in cell for cell in labelled) and _stands_between(mark, labelled, has_unlabelled="" in inner):
            return mark
    return None


def split_labels(cell: str, *, separator: str | None) -> tuple[str, ...]:
    """The labels in a cell, sorted and each once; without a separator, the cell is one label."""
    if not separator:
        return (cell,)
    return tuple(sorted(set(_parts(_inside(cell), mark=separator))))


@dataclass(frozen=True)
class _Evidence:
    """What a mark's cells and their parts say.

    n_cells      distinct cells
    n_labels     distinct parts of all cells
    n_marked     distinct cells that hold the mark
    known        share of the marked cells with a part that stands elsewhere, too
    shared       share of the parts of marked cells that stand elsewhere, too
    alone        share of the parts of marked cells that are a cell by themselves
    is_written   whether a blank follows each mark, as in prose
    """

    n_cells: int
    n_labels: int
    n_marked: int
    known: float
    shared: float
    alone: float
    is_written: bool


def _stands_between(mark: str, cells: list[str], *, has_unlabelled: bool) -> bool:
    evidence = _weigh(mark, cells)
    if evidence.n_labels > evidence.n_cells or evidence.known < MOST:
        return False
    if mark == " ":  # `very positive` is one class; `1 4 7` are three
        return evidence.alone >= MOST and evidence.n_marked >= 3
    if mark != ",":
        return evidence.shared >= 0.5
    if evidence.is_written and not has_unlabelled:  # `yes`, `no`, `yes, please` and `no, thanks` are four classes
        return evidence.shared > 0.5 and evidence.alone > 0
    return evidence.shared >= 0.5 and evidence.alone > 0  # `1,0`, `1,5` and `2,0` are numbers


def _weigh(mark: str, cells: list[str]) -> _Evidence:
    parts = {cell: frozenset(_parts(cell, mark=mark)) for cell in cells}
    n_cells_of = Counter(label for labels in parts.values() for label in labels)
    marked = [cell for cell in parts if mark in cell]
    in_marked = set().union(*(parts[cell] for cell in marked))
    again = {label for label in in_marked if n_cells_of[label] > 1}
    return _Evidence(
        n_cells=len(parts),
        n_labels=len(n_cells_of),
        n_marked=len(marked),
        known=_share(sum(_is_whole(cell, mark=mark) and bool(parts[cell] & again) for cell in marked), len(marked)),
        shared=_share(len(again), len(in_marked)),
        alone=_share(len(in_marked & parts.keys()), len(in_marked)),
        is_written=all(f"{mark} " in cell for cell in marked),
    )


def _is_whole(cell: str, *, mark: str) -> bool:
    return mark == " " or all(part.strip() for part in cell.split(mark))


def _parts(cell: str, *, mark: str) -> list[str]:
    """What stands between the marks, without what is empty."""
    return [label for part in cell.split(mark) if (label := part.strip())]


def _inside(cell: str) -> str:
    """The cell without the signs of a written list: `['joy', 'fear']` is `joy, fear`."""
    found = LIST.fullmatch(cell.strip())
    if found is None:
        return cell.strip()
    return ",".join(part.strip().strip("'\"") for part in found[1].split(","))


def _share(n: int, total: int) -> float:
    return n / total if total else 0.0
