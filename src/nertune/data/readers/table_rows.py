"""Rows of a delimited table: what stands between its cells, whether quotation marks enclose them, and the cells."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from nertune.data.source import quoted

Quoting = Literal["auto", "csv", "none"]
TAB = "\t"
NAMES = {TAB: "tab", ",": "comma", ";": "semicolon", "|": "vertical bar"}
MOST_LINES = 1000  # of one cell: a quotation mark that is closed later than that was hardly meant to open one

OPENING = re.compile(r' *"')
INSIDE = re.compile(r'[^"]*+(?:""[^"]*+)*+')  # possessive: linear in the length of the line
CLOSING = re.compile(r'" *')
ENCLOSED = re.compile(r'"[^"]*+(?:""[^"]*+)*+"')
NUMBER = re.compile(r"[-+]?\d[\d.,]*")
SEPARATOR_LINE = re.compile(r"sep=(.)")  # Excel's own first line


@dataclass(frozen=True, slots=True)
class Dialect:
    """How lines become cells. `has_quotes`: quotation marks enclose cells (RFC 4180), else they are ordinary."""

    delimiter: str
    has_quotes: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one record.

    line     where it begins, from 1; where a quotation mark is wrong, its line
    fault    what is wrong with a quotation mark; the cells are then those before it
    is_open  the quotation mark is never closed: nothing after it can be read
    """

    line: int
    cells: list[str]
    fault: str = ""
    is_open: bool = False


def is_blank(line: str) -> bool:
    return not line.strip(" \t")


def split_rows(lines: Iterable[str], *, dialect: Dialect, first_line: int = 1) -> Iterator[Row]:
    """The records of lines without their ends; blank lines between records are left out."""
    numbered = enumerate(lines, first_line)
    delimiter, has_quotes = dialect.delimiter, dialect.has_quotes
    for number, line in numbered:
        if has_quotes and '"' in line:
            row = _Record(line, number, lines=numbered, delimiter=delimiter).row()
            yield row
            if row.is_open:
                return
        elif not is_blank(line):
            yield Row(number, line.split(delimiter))


def whole_rows(lines: Sequence[str], *, dialect: Dialect, is_cut: bool, first_line: int = 1) -> list[Row]:
    """The records of the first lines of a file, without one that goes on behind them."""
    rows = list(split_rows(lines, dialect=dialect, first_line=first_line))
    is_unfinished = is_cut and rows and rows[-1].is_open and rows[-1].line > first_line + len(lines) - MOST_LINES
    return rows[:-1] if is_unfinished else rows


class _Record:
    """One record in which quotation marks stand: takes further lines where a cell goes on over the line's end."""

    def __init__(self, line: str, number: int, *, lines: Iterator[tuple[int, str]], delimiter: str) -> None:
        self._line, self._number, self._lines, self._delimiter = line, number, lines, delimiter
        self._at: int | None = 0  # None: behind the last cell
        self._fault, self._is_open = "", False

    def row(self) -> Row:
        first, cells = self._number, []
        while self._at is not None and not self._fault:
            opening = OPENING.match(self._line, self._at)
            cells.append(self._plain_cell(self._at) if opening is None else self._enclosed_cell(opening.end()))
        return Row(self._number if self._fault else first, cells, self._fault, self._is_open)

    def _plain_cell(self, start: int) -> str:
        end = self._line.find(self._delimiter, start)
        self._at = None if end < 0 else end + 1
        return self._line[start:] if end < 0 else self._line[start:end]

    def _enclosed_cell(self, start: int) -> str:
        opened_at, parts = self._number, []
        while True:
            inside = INSIDE.match(self._line, start)
            assert inside is not None  # it matches the empty string
            parts.append(inside[0])
            if inside.end() < len(self._line):
                break
            number, line = next(self._lines, (0, ""))
            if not number or number - opened_at > MOST_LINES:
                return self._never_closed(opened_at, is_end=not number, starts_with=parts[0])
            self._number, self._line, start = number, line, 0
        self._close(inside.end())
        return "\n".join(parts).replace('""', '"')

    def _close(self, at: int) -> None:
        closing = CLOSING.match(self._line, at)
        after = at if closing is None else closing.end()
        self._at = after + 1 if self._line.startswith(self._delimiter, after) else None
        if self._at is None and after < len(self._line):
            mark = NAMES.get(self._delimiter, self._delimiter)
            self._fault = f"after a closing quotation mark stands {quoted(self._line[after:], limit=20)}, not a {mark}"

    def _never_closed(self, line: int, *, is_end: bool, starts_with: str) -> str:
        end = "before the file ends" if is_end else f"in the next {MOST_LINES} lines"
        self._fault = f"the quotation mark before {quoted(starts_with, limit=20)} is not closed {end}"
        self._number, self._is_open = line, True
        return starts_with


def find_dialect(
    lines: Sequence[str], *, is_cut: bool, delimiters: Sequence[str], quoting: Quoting, wanted: frozenset[str]
) -> Dialect:
    """The delimiter and use of quotation marks by which most of the first lines become rows of one length.

    is_cut  there are more lines than these
    wanted  names of columns, folded: the delimiter that finds them in the first row comes first
    """
    dialects = [
        Dialect(one, quoting == "csv" or (quoting == "auto" and (one != TAB or _encloses(lines, is_cut=is_cut))))
        for one in delimiters
    ]
    return max(dialects, key=lambda dialect: _fit(lines, dialect=dialect, wanted=wanted))


def _fit(lines: Sequence[str], *, dialect: Dialect, wanted: frozenset[str]) -> tuple[int, float]:
    n_found = count_names(lines, dialect=dialect, wanted=wanted)
    return (n_found if n_found > 1 else 0), evenness(list(split_rows(lines, dialect=dialect)))


def count_names(lines: Sequence[str], *, dialect: Dialect, wanted: frozenset[str]) -> int:
    """How many of these names, folded, are cells of the first row."""
    first = next(split_rows(lines, dialect=dialect), None)
    return len(wanted & {cell.strip().casefold() for cell in first.cells}) if first else 0


def has_marks(lines: Sequence[str]) -> bool:
    """Whether a cell between tabs begins with a quotation mark."""
    return any(cell.startswith('"') for line in lines if '"' in line for cell in line.split(TAB))


def has_enclosed(lines: Sequence[str]) -> bool:
    """Whether a cell between tabs stands in quotation marks."""
    return any(ENCLOSED.fullmatch(cell) for line in lines if '"' in line for cell in line.split(TAB))


def evenness(rows: Sequence[Row]) -> float:
    """The share of rows that have the most frequent number of columns; 0 where that is one."""
    lengths = Counter(len(row.cells) for row in rows if not row.fault)
    if not lengths:
        return 0.0
    n_columns, n_rows = lengths.most_common(1)[0]
    return n_rows / len(rows) if n_columns > 1 else 0.0


def _encloses(lines: Sequence[str], *, is_cut: bool) -> bool:
    """Whether quotation marks enclose cells of a tab-separated table.

    They do where every cell that begins with one follows the rules to its end and there is a reason for it; and where
    lines become an even table only by joining or splitting them at quotation marks.
    """
    rows = [line.split(TAB) for line in lines if not is_blank(line)]
    marked = [cell for row in rows for cell in row if cell.startswith('"')]
    if not marked:
        return False
    if all(ENCLOSED.fullmatch(cell) for cell in marked):
        return _has_reasons(rows)
    enclosed = whole_rows(lines, dialect=Dialect(TAB, True), is_cut=is_cut)
    if any(row.fault for row in enclosed):
        return False
    return evenness(enclosed) > evenness([Row(1, cells) for cells in rows])


def _has_reasons(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all enclosed cells had to be: for a mark in them, or because their whole column is.

    A verse `"who goes there?"` between others without marks is one with marks of its own.
    """
    plain = [cell for row in rows for cell in row if not cell.startswith('"')]
    if any('"' in cell for cell in plain):
        return False
    reasons = ['"', *(mark for mark in ",;" if not any(mark in cell for cell in plain))]
    whole_columns = _enclosed_columns(rows)
    return all(
        place in whole_columns or len(cell) == 2 or any(mark in cell[1:-1] for mark in reasons)
        for row in rows
        for place, cell in enumerate(row)
        if cell.startswith('"')
    )


def _enclosed_columns(rows: Sequence[Sequence[str]]) -> set[int]:
    """Columns whose cells below the first are all enclosed, numbers and empty ones aside."""
    below = rows[1:] or rows
    plain = {
        place
        for row in below
        for place, cell in enumerate(row)
        if cell and not cell.startswith('"') and not NUMBER.fullmatch(cell)
    }
    return set(range(max(map(len, below)))) - plain
