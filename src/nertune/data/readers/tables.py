"""Tables of texts: a text and its class a row, with tabs (TSV) or with commas, semicolons or bars between (CSV)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from nertune.data.readers.table_columns import Layout, find_layout
from nertune.data.readers.table_names import KNOWN_NAMES, count_known_names
from nertune.data.readers.table_profiles import NO, YES
from nertune.data.readers.table_rows import (
    ENCLOSED,
    NAMES,
    SEPARATOR_LINE,
    TAB,
    Dialect,
    Quoting,
    Row,
    count_names,
    find_dialect,
    has_enclosed,
    has_marks,
    is_blank,
    split_rows,
    whole_rows,
)
from nertune.data.source import HEAD, PLURAL_LABEL, LabelledText, Source, listed, quoted
from nertune.errors import DataError

COMMAS = (",", ";", "|", TAB)
BLANKS = " \t\r\n"  # around a label; other white space is a part of it
FIRST = "table"  # key in `Source.found`
HEAD_LINES = 5000  # by which delimiter, quotation marks, header and columns are recognised
HEAD_CHARACTERS = 1 << 21
FEWEST_LINES = 20  # of the head, however long they are
ORDINARY_MARKS = "or read quotation marks as ordinary characters: data: {quoting: none}"


def read_tsv(source: Source) -> Iterator[LabelledText]:
    """The texts of a tab-separated file with their label cells; columns as `find_layout` says."""
    return _read(source, delimiters=(TAB,))


def read_csv(source: Source) -> Iterator[LabelledText]:
    """The texts of a file with commas, semicolons, bars or tabs between its cells, with their label cells."""
    return _read(source, delimiters=COMMAS)


def looks_like_tsv(source: Source) -> bool:
    """Whether most lines have a tab, of a .csv the first one, too; in a file that is called .tsv, whether any has."""
    lines = [line for line in source.head_lines if not is_blank(line)]
    n_with_tab = sum(TAB in line for line in lines)
    ending = source.path.suffix.casefold()
    if ending in (".tsv", ".tab"):
        return n_with_tab > 0 or (len(lines) == 1 and len(lines[0]) >= HEAD // 4)  # the first cell is a giant
    return n_with_tab > 0.8 * len(lines) and (ending != ".csv" or TAB in lines[0])


def looks_like_csv(source: Source) -> bool:
    """Whether the file is called .csv, or whether its first line names text and label."""
    lines = [line for line in source.head_lines if not is_blank(line)]
    if source.path.suffix.casefold() == ".csv":
        return bool(lines)
    return any(
        count_known_names(row.cells) == 2
        for mark in COMMAS[:3]
        for row in split_rows(lines[:1], dialect=Dialect(mark, has_quotes=True))
    )


@dataclass(frozen=True)
class FirstTable:
    """How the first table of a corpus was read: its other tables are read so, too, unless their first row contradicts.

    has_marks  cells began with quotation marks, so that `dialect` says what they are for
    """

    dialect: Dialect
    has_marks: bool
    layout: Layout


@dataclass(frozen=True)
class Head:
    """The first lines of a table.

    is_cut       there are more lines than these
    number       line of the first one
    delimiters   what may stand between cells
    """

    lines: list[str]
    is_cut: bool
    number: int
    delimiters: Sequence[str]


def _read(source: Source, *, delimiters: Sequence[str]) -> Iterator[LabelledText]:
    lines = source.lines()
    head = _take_head(lines, delimiters=delimiters)
    first = source.found.get(FIRST)
    first = first if isinstance(first, FirstTable) else None
    dialect = _find_dialect(source, head=head, first=first)
    if dialect == Dialect(TAB, has_quotes=True) and source.data.quoting == "auto":
        source.notice("enclosed-cells", line=head.number)
    sound = _sound_rows(head, dialect=dialect)
    if sound and all(len(row.cells) < 2 for row in sound):
        raise _no_delimiter(source, row=sound[0], dialect=dialect)
    layout = find_layout(source, rows=sound, like=first.layout if first else None) if sound else None
    rows = split_rows(chain(head.lines, lines), dialect=dialect, first_line=head.number)
    if layout is not None:
        source.found.setdefault(FIRST, FirstTable(dialect, has_marks(head.lines), layout))
        source.found.setdefault(PLURAL_LABEL, layout.is_plural)
        known = _label_cells(sound, layout=layout)
        yield from _texts(source, rows=rows, layout=layout, dialect=dialect, known=known)
    elif not sound:
        _tell_faults(source, rows=rows)


def _take_head(lines: Iterator[str], *, delimiters: Sequence[str]) -> Head:
    head: list[str] = []
    n_lines, n_characters, is_cut = 0, 0, False
    for line in lines:
        head.append(line)
        n_lines += not is_blank(line)
        n_characters += len(line)
        if n_lines >= HEAD_LINES or (n_lines >= FEWEST_LINES and n_characters >= HEAD_CHARACTERS):
            is_cut = True
            break
    excel = SEPARATOR_LINE.fullmatch(head[0]) if head else None
    return Head(head[1:], is_cut, 2, (excel[1],)) if excel else Head(head, is_cut, 1, delimiters)


def _sound_rows(head: Head, *, dialect: Dialect) -> list[Row]:
    rows = whole_rows(head.lines, dialect=dialect, is_cut=head.is_cut, first_line=head.number)
    return [row for row in rows if not row.fault and not _is_empty(row)]


# ---- what stands between the cells


def _find_dialect(source: Source, *, head: Head, first: FirstTable | None) -> Dialect:
    wanted = KNOWN_NAMES | _given_names(source)
    if first is not None and first.layout.header is not None:
        wanted |= {cell.strip().casefold() for cell in first.layout.header.cells if cell.strip()}
    own = find_dialect(
        head.lines, is_cut=head.is_cut, delimiters=head.delimiters, quoting=source.data.quoting, wanted=wanted
    )
    alike = None if first is None else _dialect_like(first, head=head, quoting=source.data.quoting)
    if alike is None or alike.delimiter == own.delimiter:
        return alike or own
    finds_names = [count_names(head.lines, dialect=one, wanted=wanted) > 1 for one in (alike, own)]
    return own if finds_names == [False, True] else alike


def _dialect_like(first: FirstTable, *, head: Head, quoting: Quoting) -> Dialect | None:
    """The first table's dialect; None where its delimiter does not stand in the first row."""
    delimiter = first.dialect.delimiter
    if delimiter not in head.delimiters:
        return None
    if delimiter == TAB and quoting == "auto" and first.has_marks:
        quoting = _quoting_like(first, head=head)
    dialect = find_dialect(head.lines, is_cut=head.is_cut, delimiters=(delimiter,), quoting=quoting, wanted=frozenset())
    sound = _sound_rows(head, dialect=dialect)
    return dialect if sound and len(sound[0].cells) >= first.layout.n_needed else None


def _quoting_like(first: FirstTable, *, head: Head) -> Quoting:
    """What marks are for, as seen on the first table; `auto` where a whole row, or none of the cells, contradicts."""
    if first.dialect.has_quotes:
        return "csv" if has_enclosed(head.lines) else "auto"
    cells = head.lines[0].split(TAB) if head.lines else []
    return "auto" if all(map(ENCLOSED.fullmatch, cells)) else "none"


def _given_names(source: Source) -> frozenset[str]:
    columns = chain.from_iterable(
        column if isinstance(column, tuple) else (column,) for column in source.columns.values()
    )
    return frozenset(column.strip().casefold() for column in columns if isinstance(column, str))


def _label_cells(rows: Iterable[Row], *, layout: Layout) -> frozenset[str]:
    return frozenset(row.cells[layout.label[0]].strip() for row in rows if len(row.cells) >= layout.n_needed)


def _texts(
    source: Source, *, rows: Iterable[Row], layout: Layout, dialect: Dialect, known: frozenset[str]
) -> Iterator[LabelledText]:
    """The texts of all rows but the header; what is wrong with a row is kept as a fault.

    known  label cells of the first rows
    """
    header = layout.header
    for row in rows:
        if row.fault:
            _tell_fault(source, row=row)
        elif header is not None and row.cells == header.cells:
            if row.line != header.line:
                source.notice("repeated-headers", line=row.line)
        elif header is not None and row.cells[0] in header.cells and sorted(row.cells) == sorted(header.cells):
            message = f"here begins another table: its columns are {listed(row.cells)}, above {listed(header.cells)}"
            source.fault(message, line=row.line, fix="Put it into a file of its own, or order its columns alike.")
        elif _is_empty(row):
            source.notice("empty-rows", line=row.line)
        elif not _has_wrong_columns(source, row=row, layout=layout, dialect=dialect):
            if dialect.has_quotes:
                _look_inside(source, row=row, layout=layout, dialect=dialect, known=known)
            labels = _labels(source, row=row, layout=layout)
            if labels is not None:
                yield _make_text(source, row=row, layout=layout, labels=labels)


def _make_text(source: Source, *, row: Row, layout: Layout, labels: tuple[str, ...]) -> LabelledText:
    text = row.cells[layout.text]
    pair = None if layout.pair is None else row.cells[layout.pair]
    if not text.strip() or (pair is not None and not pair.strip()):
        source.notice("empty-texts", line=row.line)
    return LabelledText(text, labels, row.line, pair=pair, is_cell=layout.label_names is None)


def _labels(source: Source, *, row: Row, layout: Layout) -> tuple[str, ...] | None:
    """The label cell; of several columns their cells, or the names of those that say yes. None: a fault is kept."""
    cells = [row.cells[place].strip(BLANKS) for place in layout.label]
    if layout.label_names is None:
        return (cells[0],)
    if not layout.is_yes_no:
        return tuple(sorted({cell for cell in cells if cell}))
    answers = list(zip(layout.label_names, cells, strict=True))
    wrong = [(name, answer) for name, answer in answers if answer.casefold() not in YES | NO]
    for name, answer in wrong:
        message = f"the column {quoted(name)} says {quoted(answer)} where others say 0 or 1, or yes or no"
        source.fault(message, line=row.line, fix="Correct it: 1 where the text has this label, else 0.")
    return None if wrong else tuple(sorted({name for name, answer in answers if answer.casefold() in YES}))


# ---- what is wrong with a row


def _is_empty(row: Row) -> bool:
    return not any(cell.strip() for cell in row.cells)


def _tell_faults(source: Source, *, rows: Iterable[Row]) -> None:
    for row in rows:
        if row.fault:
            _tell_fault(source, row=row)


def _tell_fault(source: Source, *, row: Row) -> None:
    """Keep what is wrong with a quotation mark.

    Raises   DataError if it is never closed: what follows cannot be read
    """
    if row.is_open:
        raise source.problem(row.fault, line=row.line, fix=f"Close it, {ORDINARY_MARKS}")
    source.fault(row.fault, line=row.line, fix=f'Write marks inside a text twice, "a ""b"" c", {ORDINARY_MARKS}')


def _has_wrong_columns(source: Source, *, row: Row, layout: Layout, dialect: Dialect) -> bool:
    """Whether the row has too few cells, or too many to know which is which; told as a fault or a notice."""
    cells = row.cells
    if len(cells) < layout.n_needed:
        source.faults.add(_too_few(source, row=row, layout=layout, dialect=dialect))
        return True
    is_doubtful = not dialect.has_quotes and source.data.quoting == "auto"  # the marks may enclose cells all the same
    marked = [cell for cell in cells if cell.startswith('"')] if is_doubtful else []
    for cell in marked:
        if ENCLOSED.fullmatch(cell):
            source.notice("kept-quotes", line=row.line, detail=quoted(cell))
    if len(cells) == layout.n_columns or not any(cell.strip() for cell in cells[layout.n_columns :]):
        return False
    if dialect.delimiter != TAB or marked:
        source.faults.add(_too_many(source, row=row, layout=layout, dialect=dialect))
        return True
    source.notice("extra-columns", line=row.line, detail=f"the label is read as {quoted(cells[layout.label[0]])}")
    return False


def _too_few(source: Source, *, row: Row, layout: Layout, dialect: Dialect) -> DataError:
    have = "one column" if len(row.cells) == 1 else f"{len(row.cells)} columns"
    message = f"{have} where {layout.n_needed} are needed; the line starts with {quoted(row.cells[0])}"
    if not dialect.has_quotes and row.cells[0].startswith('"'):
        fix = "If quotation marks enclose texts that go on over several lines: data: {quoting: csv}"
    else:
        fix = _add_label(dialect)
    return source.problem(message, line=row.line, fix=fix)


def _add_label(dialect: Dialect) -> str:
    mark = NAMES.get(dialect.delimiter, dialect.delimiter)
    example = "the text<TAB>its label" if dialect.delimiter == TAB else f'"the text"{dialect.delimiter}its label'
    return f"Add what is missing after a {mark}, for example: {example}"


def _too_many(source: Source, *, row: Row, layout: Layout, dialect: Dialect) -> DataError:
    n_columns = len(row.cells)
    mark = NAMES.get(dialect.delimiter, dialect.delimiter)
    message = (
        f"{n_columns} columns where there should be {layout.n_columns}; the line starts with {quoted(row.cells[0])}"
    )
    fix = f'A text with a {mark} stands in quotation marks: "a{dialect.delimiter} b"'
    if not dialect.has_quotes:
        fix += "; say that they enclose texts: data: {quoting: csv}"
    return source.problem(message, line=row.line, fix=fix)


def _no_delimiter(source: Source, *, row: Row, dialect: Dialect) -> DataError:
    marks = {TAB: "tab"}.get(dialect.delimiter, "comma, semicolon or bar")
    message = (
        f"no line has a {marks}; a table has a text and its label in each, the first line is {quoted(row.cells[0])}"
    )
    other = next((mark for mark in COMMAS if mark in row.cells[0]), None)
    fix = _add_label(dialect) if other is None else f"If a {NAMES[other]} stands between: data: {{format: csv}}"
    return source.problem(message, line=row.line, fix=fix)


def _look_inside(source: Source, *, row: Row, layout: Layout, dialect: Dialect, known: frozenset[str]) -> None:
    """Notice cells over several lines in which whole rows seem to stand: a quotation mark may be missing before."""
    for cell in row.cells:
        if "\n" not in cell:
            continue
        lines = [line.split(dialect.delimiter) for line in cell.split("\n")]
        if any(len(line) == layout.n_columns and line[layout.label[0]].strip() in known for line in lines):
            source.notice("rows-in-quotes", line=row.line, detail=quoted(cell))
