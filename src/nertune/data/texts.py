"""Label cells of whole files -> classes: whether a text has one or several is seen once, on train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from nertune.data.examples import Problem, SequenceExample
from nertune.data.multi_label import LISTS, find_separator, split_labels
from nertune.data.source import Faults, quoted
from nertune.data.store import cells
from nertune.errors import DataError


@dataclass(frozen=True)
class CellReading:
    """How the labels of a corpus are to be read: how many a text may have, and what stands between them in a cell."""

    problem: Problem
    separator: str | None = None


def recognise_cells(
    table: Any, *, problem: Literal["auto"] | Problem, separator: str | None, is_plural: bool = False
) -> CellReading:
    """How these labels are to be read; `problem` and `separator` where the study file says them.

    is_plural  the column of the cells is called `labels`, or another plural
    """
    counts: Counter[str] = Counter()
    has_several = False
    for example, is_cell in cells(table):
        if is_cell:
            counts[example.labels[0]] += 1
        elif len(example.labels) != 1:
            has_several = True
    mark = separator or find_separator(counts, is_plural=is_plural)
    if problem == "single_label":
        return CellReading(problem, mark if mark == LISTS else None)
    if problem == "multi_label":
        return CellReading(problem, mark or ",")
    is_marked = mark is not None and any(_is_marked(cell, mark=mark) for cell in counts)
    return CellReading("multi_label" if has_several or is_marked else "single_label", mark)


def _is_marked(cell: str, *, mark: str) -> bool:
    return len(split_labels(cell, separator=mark)) != 1 and bool(cell) if mark == LISTS else mark in cell


def read_texts(table: Any, *, how: CellReading, faults: Faults) -> Iterator[SequenceExample]:
    """The texts with their classes; a text without its one class is a fault."""
    several = how.problem == "multi_label"
    for example, is_cell in cells(table):
        if is_cell and (several or how.separator == LISTS):
            labels = split_labels(example.labels[0], separator=how.separator)
        else:
            labels = tuple(sorted(set(example.labels))) if several else example.labels
        if not several and (len(labels) != 1 or not labels[0]):
            faults.add(_wrong_number(replace(example, labels=labels)))
            continue
        yield replace(example, labels=labels)


def _wrong_number(example: SequenceExample) -> DataError:
    if len(example.labels) > 1:
        message = f"the text {quoted(example.text)} has {len(example.labels)} labels where one is needed"
        return DataError(message, where=example.where, fix="Keep one, or write model: {problem: multi_label}")
    return DataError(
        f"the text {quoted(example.text)} has no label",
        where=example.where,
        fix="Add it, or delete the line; where a text may have none: model: {problem: multi_label}",
    )
