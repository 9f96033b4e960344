"""Tables of texts that need no label: which column holds the text, and the texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nertune.data.readers.table_columns import find_layout
from nertune.data.readers.table_names import KNOWN_NAMES, fold, pair_by_name, texts_by_name
from nertune.data.readers.table_rows import TAB, Dialect, Row, find_dialect, split_rows, whole_rows
from nertune.data.readers.tables import COMMAS
from nertune.data.source import Source, find_named_column, listed, missing_column
from nertune.errors import DataError

ENDINGS = {".tsv": (TAB,), ".tab": (TAB,), ".csv": COMMAS}


@dataclass(frozen=True)
class TextColumns:
    """Where the text stands, and the second one of a pair: numbers from 0, or from -1 backwards."""

    text: int
    pair: int | None
    has_header: bool

    @property
    def places(self) -> tuple[int, ...]:
        return (self.text,) if self.pair is None else (self.text, self.pair)


def is_table(source: Source) -> bool:
    """Whether a file is named as a table, or a column of texts was named for it."""
    return source.path.suffix.casefold() in ENDINGS or "text" in source.columns


def read_table(source: Source) -> Iterator[tuple[int, str, str | None]]:
    """Line, text and second text (of a pair) of each row.

    Raises  DataError where the text cannot be told from other columns, or at a row that cannot be read
    """
    delimiters = ENDINGS.get(source.path.suffix.casefold(), COMMAS)
    wanted = KNOWN_NAMES | {str(column).casefold() for column in source.columns.values()}
    quoting = source.data.quoting
    dialect = find_dialect(source.head_lines, is_cut=True, delimiters=delimiters, quoting=quoting, wanted=wanted)
    head = [row for row in whole_rows(source.head_lines, dialect=dialect, is_cut=True) if any(row.cells)]
    if not head:
        return
    columns = find_text_columns(source, rows=head)
    n_needed = max(place + 1 if place >= 0 else -place for place in columns.places)
    rows = split_rows(source.lines(), dialect=dialect)
    for row in rows:
        if not (columns.has_header and row.cells == head[0].cells) and any(cell.strip() for cell in row.cells):
            yield _text_of(source, row=row, columns=columns, n_needed=n_needed, dialect=dialect)


def find_text_columns(source: Source, *, rows: Sequence[Row]) -> TextColumns:
    """What `data.columns` says, else what a labelled table would show, else the one column with a text's name.

    Raises  DataError where none of this tells
    """
    header = [cell.strip() for cell in rows[0].cells]
    if "text" in source.columns:
        return _given(source, rows=rows)
    apart = _apart(source)
    layout = find_layout(apart, rows=rows)
    if layout is not None:
        return TextColumns(layout.text, layout.pair, layout.header is not None)
    folded = [fold(cell) for cell in header]
    pair, texts = pair_by_name(folded), texts_by_name(folded)
    if pair is not None:
        return TextColumns(*pair, has_header=True)
    if len(texts) == 1:
        return TextColumns(texts[0], None, has_header=True)
    if {len(row.cells) for row in rows} == {1}:
        return TextColumns(0, None, has_header=source.data.header is True)
    raise source.problem(
        f"the columns do not tell which one holds the text; the first row is {listed(header)}",
        line=rows[0].line,
        fix="Name it, or give its number from 0: --text-column NAME",
    )


def _apart(source: Source) -> Source:
    """The file for a look: what is noticed or wrong there does not count."""
    return Source(source.path, source.data, encodings=source.encodings)


def _given(source: Source, *, rows: Sequence[Row]) -> TextColumns:
    places = {key: _place(source, key=key, rows=rows) for key in ("text", "pair") if key in source.columns}
    is_named = any(isinstance(source.columns[key], str) for key in places)
    has_header = is_named if source.data.header == "auto" else bool(source.data.header)
    return TextColumns(places["text"], places.get("pair"), has_header)


def _place(source: Source, *, key: str, rows: Sequence[Row]) -> int:
    column, first = source.columns[key], rows[0]
    if isinstance(column, tuple):
        raise source.problem(f"data.columns.{key} is a list, but it is one column", fix="--text-column NAME")
    if isinstance(column, int):
        n_columns = max(len(row.cells) for row in rows)
        if -n_columns <= column < n_columns:
            return column
        message = f"there is no column {column}; a row has {n_columns}, and the first one is 0"
        raise source.problem(message, line=first.line, fix=f"--text-column {n_columns - 1}")
    place = find_named_column(column, header=first.cells)
    if place is None:
        raise missing_column(source, key=key, name=column, header=first.cells, line=first.line)
    return place


def _text_of(
    source: Source, *, row: Row, columns: TextColumns, n_needed: int, dialect: Dialect
) -> tuple[int, str, str | None]:
    if row.fault:
        fix = "Mend it, or read quotation marks as ordinary characters: --set data.quoting=none"
        raise source.problem(row.fault, line=row.line, fix=fix)
    if len(row.cells) < n_needed:
        raise _too_few(source, row=row, n_needed=n_needed, dialect=dialect)
    return row.line, row.cells[columns.text], None if columns.pair is None else row.cells[columns.pair]


def _too_few(source: Source, *, row: Row, n_needed: int, dialect: Dialect) -> DataError:
    have = "one column" if len(row.cells) == 1 else f"{len(row.cells)} columns"
    fix = "If quotation marks enclose texts: --set data.quoting=csv; for another column: --text-column NAME"
    shown = repr(dialect.delimiter)
    return source.problem(f"{have} between {shown} where {n_needed} are needed", line=row.line, fix=fix)
