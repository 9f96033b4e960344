"""Several labels in one cell: which mark stands between them, and the labels themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

MARKS = ("|", ";", ",", " ")  # in this order where nothing else decides: the first hardly ever stand in a name
MOST = 0.9  # of the marked cells, or of the labels, must fit: one cell with a slip of the pen does not undo a column
LISTS = "[]"  # no mark: cells are lists as programs write them, `['joy', 'fear']`
BRACKETED = re.compile(r"\[(.*)\]", re.DOTALL)
# As Python, JSON, R's and numpy's printing have them: list, tuple, set; texts in quotation marks, or numbers.
WRITTEN = re.compile(r"(?:set)?([\[({])(.*)[\])}]", re.DOTALL)
TEXT = r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\""""
ELEMENT = re.compile(rf"\s*({TEXT}|-?\d+(?:\.\d*)?)\s*,?", re.DOTALL)
ESCAPED = re.compile(r"\\(u[\da-fA-F]{4}|U00(?:0[\da-fA-F]|10)[\da-fA-F]{4}|x[\da-fA-F]{2}|.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def find_separator(cells: Mapping[str, int], *, is_plural: bool = False) -> str | None:
    """The mark by which label cells hold several labels, LISTS, or None where each cell is one label.

    cells      the distinct cells of train with their counts; an empty one is a text that has no label
    is_plural  their column is called `labels`: a lone mark stands between labels, even where none comes again

    A class may have the mark in its name (`Paris, France`). What tells lists from names is that the parts of a list
    come again: alone, or in other lists.
    """
    if _are_lists({cell.strip() for cell in cells} - {""}):
        return LISTS
    inner = {_inside(cell) for cell in cells}
    labelled = sorted(inner - {""})
    found = [mark for mark in MARKS if any(mark in cell for cell in labelled)]
    between = [mark for mark in found if _stands_between(mark, labelled, has_unlabelled="" in inner)]
    if between:  # of `a|b;joy` and `joy`, the semicolon makes fewer labels
        return min(between, key=lambda mark: _weigh(mark, labelled).n_labels)
    lone = [mark for mark in found if mark != " "]
    return lone[0] if is_plural and len(lone) == 1 and _may_stand_between(lone[0], labelled) else None


def split_labels(cell: str, *, separator: str | None) -> tuple[str, ...]:
    """The labels in a cell, sorted and each once; without a separator, the cell is one label."""
    if not separator:
        return (cell,)
    if separator == LISTS:
        labels = read_list(cell)
        return tuple(sorted(set(filter(None, [cell.strip()] if labels is None else labels))))
    return tuple(sorted(set(_parts(_inside(cell), mark=separator))))


def read_list(cell: str) -> tuple[str, ...] | None:
    """The labels of a written list; None for anything else, also for a list of words without quotation marks."""
    written = WRITTEN.fullmatch(cell.strip())
    if written is None:
        return None
    inside, labels, at = written[2].rstrip(), [], 0
    while at < len(inside):
        element = ELEMENT.match(inside, at)
        if element is None or (written[1] != "[" and element[1][0] not in "'\""):
            return None  # `(2)` and `{0}` are names
        labels.append(_unquoted(element[1]).strip())
        at = element.end()
    return tuple(labels)


def _unquoted(element: str) -> str:
    if element[0] not in "'\"":
        return element
    text = ESCAPED.sub(lambda escape: _character(escape[1]), element[1:-1])
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")  # JSON writes an emoji as two halves
    except UnicodeDecodeError:  # a half alone
        return element[1:-1]


def _character(escape: str) -> str:
    return chr(int(escape[1:], 16)) if len(escape) > 1 else ESCAPES.get(escape, escape)


def _are_lists(cells: Collection[str]) -> bool:
    """Whether nearly all cells are written lists; `[1]` and `[2]` alone may be names."""
    lists = {cell: labels for cell in cells if (labels := read_list(cell)) is not None}
    are_sure = any(len(labels) != 1 or "'" in cell or '"' in cell for cell, labels in lists.items())
    return are_sure and len(lists) >= MOST * len(cells)


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


def _may_stand_between(mark: str, cells: list[str]) -> bool:
    """Whether nothing speaks against a list: no part is empty, and for a comma, which names have, some parts recur."""
    evidence = _weigh(mark, cells)
    if not all(_is_whole(cell, mark=mark) for cell in cells if mark in cell):
        return False
    if mark == "," and evidence.is_written:
        return evidence.known >= MOST and evidence.alone > 0
    return mark != "," or evidence.known > 0


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
        alone=_share(len(in_marked & {cell.removesuffix(mark).strip() for cell in parts}), len(in_marked)),
        is_written=all(f"{mark} " in cell for cell in marked),
    )


def _is_whole(cell: str, *, mark: str) -> bool:
    """Whether something stands before and behind each mark; behind the last one, nothing is needed."""
    return mark == " " or all(part.strip() for part in cell.removesuffix(mark).split(mark))


def _parts(cell: str, *, mark: str) -> list[str]:
    """What stands between the marks, without what is empty."""
    return [label for part in cell.split(mark) if (label := part.strip())]


def _inside(cell: str) -> str:
    """The cell without the signs of a written list: `['joy', 'fear']` is `joy, fear`."""
    found = BRACKETED.fullmatch(cell.strip())
    if found is None:
        return cell.strip()
    return ",".join(part.strip().strip("'\"") for part in found[1].split(","))


def _share(n: int, total: int) -> float:
    return n / total if total else 0.0
