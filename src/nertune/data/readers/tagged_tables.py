"""What tables of tagged words have in common: rows by CSV's rules of quotation, and columns found by their names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property

from nertune.data.readers.table_rows import Dialect, Row, split_rows
from nertune.data.source import (
    Column,
    Source,
    check_column_keys,
    find_named_column,
    listed,
    missing_column,
)
from nertune.errors import DataError

QUOTATION_FIX = (
    'Write "" for a mark inside quotation marks; or, if the marks are ordinary characters: data: {quoting: none}'
)

Names = Mapping[str, Set[str]]  # what is read -> the usual names of its column, folded


@dataclass(frozen=True)
class TableColumns:
    """Where things stand (numbers from 0, or from -1 backwards), and how many cells a row has to have.

    n_columns  of the header; None: there is none
    """

    places: Mapping[str, int]
    n_columns: int | None

    def fit(self, row: Row) -> bool:
        """Whether the row has all columns, and no more than the header: a cell too many shifts the others."""
        n_cells = len(row.cells)
        return self.n_needed <= n_cells and self.n_columns in (None, n_cells)

    @cached_property
    def n_needed(self) -> int:
        """The least number of cells in which all places are."""
        return max(place + 1 if place >= 0 else -place for place in self.places.values())


def read_table(
    source: Source, *, delimiter: str, names: Names, usual: Mapping[str, int] | None = None
) -> Iterator[tuple[Row, Mapping[str, int]]]:
    """The rows of a file below its header, and where in them things stand; a broken row is a fault and left out.

    usual    see `find_columns`
    Raises   DataError for a quotation mark that is never closed
    """
    columns: TableColumns | None = None
    for row in _sound_rows(source, delimiter=delimiter):
        if columns is None:
            columns, problems = find_columns(source, first=row, names=names, usual=usual)
            for problem in problems:
                source.faults.add(problem)
            if problems:
                return
            if columns.n_columns is not None:
                continue
        if columns.fit(row):
            yield row, columns.places
        else:
            _wrong_length(source, row=row, columns=columns)


def head_rows(source: Source, *, delimiter: str) -> Iterator[Row]:
    """The rows of the file's first 64 KB, as far as they are sound."""
    rows = split_rows(source.head_lines, dialect=_dialect(source, delimiter))
    return (row for row in rows if not row.fault)


def find_columns(
    source: Source, *, first: Row, names: Names, usual: Mapping[str, int] | None = None
) -> tuple[TableColumns, list[DataError]]:
    """The columns that `data.columns` or the first row says, and what speaks against them.

    usual  where they stand in a file without header; None: it has to have one
    """
    problems = check_column_keys(source, known=tuple(names))
    chosen = {key: column for key, column in source.columns.items() if not isinstance(column, tuple)}
    for key in sorted(source.columns.keys() - chosen.keys()):
        problems.append(source.problem(f"data.columns has several columns for {key}", fix=f"columns: {{{key}: 0}}"))
    named = _named_places(first, names=names)
    is_usual = usual is not None and not (named and names.keys() <= named.keys() | chosen.keys())
    header = first.cells if _has_header(source, chosen=chosen.values(), otherwise=not is_usual) else []
    places = {**(usual or {}), **(named if header else {})}
    for key, column in chosen.items():
        place = find_named_column(column, header=header) if isinstance(column, str) else column
        if place is not None:
            places[key] = place
        elif header:
            problems.append(missing_column(source, key=key, name=str(column), header=header, line=first.line))
    if not problems:
        problems += [_not_found(source, key=key, first=first, names=names) for key in names if key not in places]
    if not problems and header:
        problems += [
            _outside(source, key=key, place=place, header=first)
            for key, place in places.items()
            if not -len(header) <= place < len(header)
        ]
    if not problems and len(set(places.values())) < len(places):
        problems.append(source.problem("data.columns has one column for two things", fix="Give each its own column."))
    return TableColumns(places, len(header) or None), problems


def _has_header(source: Source, *, chosen: Iterable[Column], otherwise: bool) -> bool:
    if source.data.header != "auto":
        return source.data.header
    return otherwise or any(isinstance(column, str) for column in chosen)


def line_of(row: Row, place: int) -> int:
    """The line in which a cell begins; cells in quotation marks before it may go over several lines."""
    line = row.line
    for cell in row.cells[: place if place >= 0 else len(row.cells) + place]:
        line += cell.count("\n")
    return line


def _sound_rows(source: Source, *, delimiter: str) -> Iterator[Row]:
    for row in split_rows(source.lines(), dialect=_dialect(source, delimiter)):
        if row.is_open:
            raise source.problem(row.fault, line=row.line, fix=QUOTATION_FIX)
        if row.fault:
            source.fault(row.fault, line=row.line, fix=QUOTATION_FIX)
        else:
            yield row


def _wrong_length(source: Source, *, row: Row, columns: TableColumns) -> None:
    """Keep as a fault that a row has too few or too many cells."""
    n_cells = len(row.cells)
    have = "one column" if n_cells == 1 else f"{n_cells} columns"
    needed = columns.n_columns or columns.n_needed
    fix = "A cell that holds the separator stands in quotation marks." if n_cells > needed else "Add what is missing."
    source.fault(f"{have} where {needed} are needed", line=row.line, fix=fix)


def _dialect(source: Source, delimiter: str) -> Dialect:
    return Dialect(delimiter, has_quotes=source.data.quoting != "none")


def _named_places(row: Row, *, names: Names) -> dict[str, int]:
    cells = [cell.strip().casefold() for cell in row.cells]
    found = {key: [place for place, cell in enumerate(cells) if cell in known] for key, known in names.items()}
    return {key: places[0] for key, places in found.items() if places}


def _outside(source: Source, *, key: str, place: int, header: Row) -> DataError:
    names = listed([cell.strip() for cell in header.cells])
    message = f"there is no column {place} for {key}; the first one is 0, and the header names {names}"
    return source.problem(message, line=header.line, fix=f"Write for example: data: {{columns: {{{key}: 0}}}}")


def _not_found(source: Source, *, key: str, first: Row, names: Names) -> DataError:
    wanted = " or ".join(sorted(names[key])[:3])
    cells = [cell.strip() for cell in first.cells]
    return source.problem(
        f"no column is named {wanted}; the columns are {listed(cells)}",
        line=first.line,
        fix=f"Say which, by name or by number from 0: data: {{columns: {{{key}: {len(cells) - 1}}}}}",
    )
