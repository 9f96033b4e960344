"""Lines of a table become cells: with quotation marks that enclose, with ordinary ones, and with wrong ones."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nertune.data.readers.table_rows import MOST_LINES, Dialect, find_dialect, is_blank, split_rows

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r")) | st.text(
    'a",;|\t\n\r \u2028\x85\x00'
)
TABLES = st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=5)


def rows(content, delimiter=",", *, has_quotes=True):
    return list(split_rows(content.split("\n"), dialect=Dialect(delimiter, has_quotes)))


def dialect_of(content, *delimiters, quoting="auto", is_cut=False):
    wanted = frozenset({"text", "label"})
    return find_dialect(content.split("\n"), is_cut=is_cut, delimiters=delimiters, quoting=quoting, wanted=wanted)


def is_doubtful(row):
    """Written as a blank line: nothing but blanks and tabs."""
    return is_blank("".join(row))


@given(
    table=TABLES,
    delimiter=st.sampled_from(",;|\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_rows_that_the_csv_module_writes_are_read_back(table, delimiter, end, quoting):
    if end == "\n":  # the csv module leaves a cell that ends in CR as it is: together they end a line
        table = [[cell.replace("\r", "") for cell in row] for row in table]
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)
    lines = [line.removesuffix("\r") for line in file.getvalue().split("\n")]
    read = [row.cells for row in split_rows(lines, dialect=Dialect(delimiter, has_quotes=True))]
    wanted = [[cell.replace("\r\n", "\n") for cell in row] for row in table]
    assert [row for row in read if not is_doubtful(row)] == [row for row in wanted if not is_doubtful(row)]


@given(content=st.text('a",\n ', max_size=40))
def test_every_row_of_any_text_agrees_with_the_csv_module_or_is_a_fault(content):
    read = rows(content)
    if any(row.fault for row in read) or ' "' in content or '" ' in content:
        return  # the csv module glues what stands behind a closing mark to the cell
    theirs = [row for row in csv.reader(io.StringIO(content, newline="")) if not is_doubtful(row) or len(row) > 1]
    assert [row.cells for row in read if not is_doubtful(row.cells) or len(row.cells) > 1] == theirs


def test_a_row_has_the_line_on_which_it_begins():
    read = rows('a,b\n"c\n\nd",e\n\nf,"g"')
    assert [(row.line, row.cells) for row in read] == [(1, ["a", "b"]), (2, ["c\n\nd", "e"]), (6, ["f", "g"])]


def test_blanks_around_an_enclosed_cell_are_not_part_of_it():
    assert rows('a, "b, c" ,d')[0].cells == ["a", "b, c", "d"]


def test_what_stands_behind_a_closing_mark_is_a_fault_and_the_next_row_is_read():
    faulty, sound = rows('"Oh" no,bad\nfine,good')
    assert faulty.fault == 'after a closing quotation mark stands "no,bad", not a comma'
    assert sound.cells == ["fine", "good"]


@pytest.mark.parametrize(
    ("n_lines", "says"), [(3, "before the file ends"), (MOST_LINES + 5, f"next {MOST_LINES} lines")]
)
def test_a_mark_that_is_never_closed_ends_the_rows_at_its_own_line(n_lines, says):
    first, last = rows('a,b\n"Oh no,bad\n' + "fine,good\n" * n_lines)
    assert first.cells == ["a", "b"]
    assert (last.line, last.is_open) == (2, True)
    assert says in last.fault


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("text;label\na, b, c;good\nd;bad", ";"),
        ("text,label\na; b,good\nd; e,bad", ","),
        ("x|y\na, b|good\nd, e, f|bad", "|"),
        ("x\ty\na, b\tgood\nd\tbad", "\t"),
        ("no delimiter", ","),
        ("", ","),
    ],
)
def test_the_delimiter_makes_rows_of_one_length(content, delimiter):
    assert dialect_of(content, *",;|\t").delimiter == delimiter


@pytest.mark.parametrize(
    "content",
    [
        'text\tlabel\n"a ""b"" c"\tgood\nplain\tbad',
        '"text"\t"label"\n"a"\t"good"\n"b"\t"bad"',
        'text\tlabel\n"a, b"\tgood\nplain\tbad',
        'text\tlabel\n"a\tb"\tgood\nplain\tbad',
        'text\tlabel\n"two\nlines"\tgood\nplain\tbad',
    ],
)
def test_marks_enclose_cells_of_a_tab_file_that_follows_their_rules(content):
    assert dialect_of(content, "\t").has_quotes


@pytest.mark.parametrize(
    "content",
    [
        'text\tlabel\n"a\tgood\nb"\tbad',
        'text\tlabel\n"hi" he said\tgood\nplain\tbad',
        'text\tlabel\n"who goes there?"\tgood\nall is well\tbad',
        'text\tlabel\n"come, come"\tgood\nwell, well\tbad',
        'text\tlabel\n"come, come"\tgood\nso "well"\tbad',
        'text\tlabel\n"\tgood\nplain\tbad',
        "text\tlabel\nplain\tgood",
    ],
)
def test_marks_of_a_tab_file_are_ordinary_where_a_text_has_its_own(content):
    assert not dialect_of(content, "\t").has_quotes


def test_a_cell_that_goes_on_behind_the_looked_at_lines_is_no_reason_against_marks():
    content = 'text\tlabel\n"two\nlines"\tgood\n"goes on'
    assert dialect_of(content, "\t", is_cut=True).has_quotes
    assert not dialect_of(content, "\t", is_cut=False).has_quotes


@pytest.mark.parametrize(("quoting", "has_quotes"), [("csv", True), ("none", False)])
def test_data_quoting_is_followed(quoting, has_quotes):
    for delimiter in ",\t":
        assert dialect_of('"a"b,c\t"', delimiter, quoting=quoting).has_quotes is has_quotes
